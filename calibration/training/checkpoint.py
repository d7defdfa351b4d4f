"""Checkpoints: tensors in safetensors, the rest in JSON, written whole or not at all, no pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamkit.errors import BadInput, DiskError, require
from streamkit.inference.cache import write_whole

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
INDEX = "checkpoint.json"
PREFIX = "epoch-"
FREE = ("max_seconds",)
"""Settings that may change when a training is taken up again: they do not touch a weight."""


@dataclass(frozen=True)
class Saved:
    """Everything a training needs to go on: tensors by name, and what JSON holds."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


@dataclass
class Checkpoint:
    """A folder that a training writes into and is taken up from.

    Attributes
    ----------
    folder
        Of this one training; made when first written.
    every
        Seconds between two writings at least. They happen at the end of an epoch; the end of the training is always
        written.
    """

    folder: Path
    every: float = 10.0
    _written: float = field(default=-float("inf"), init=False, repr=False)
    _took: float = field(default=0.0, init=False, repr=False)

    def load(self, identity: Mapping[str, Any]) -> Saved | None:
        """Return what was saved; None when the folder holds no checkpoint yet.

        Raises
        ------
        BadInput
            When it is of another training (says what differs), damaged, or not a checkpoint.
        """
        index = self.folder / INDEX
        if not index.exists():
            return None
        document = self._document(index)
        if found := differences(document["identity"], whole(identity)):
            raise BadInput(
                f"the checkpoint {self.folder} is of another training: {'; '.join(found)}. Take the same recipe and "
                "data as then, or another folder"
            )
        return Saved(self._tensors(document), document["facts"])

    def due(self) -> bool:
        """Whether it is time to write again: writing takes a twentieth of the time at most."""
        return time.monotonic() - self._written >= max(self.every, 20 * self._took if self.every else 0)

    def save(self, identity: Mapping[str, Any], saved: Saved) -> None:
        """Write, so that at any moment the folder holds one whole checkpoint.

        Raises
        ------
        DiskError
            When the disk does not take it.
        """
        begin = time.monotonic()
        name = f"{PREFIX}{saved.facts['epoch']:05d}.safetensors"
        failures = (OSError, require("safetensors", "train", "a checkpoint").SafetensorError)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tensors = {"file": name, "sha256": write_tensors(self.folder / name, saved.tensors)}
            facts = {"identity": whole(identity), "tensors": tensors, "facts": saved.facts}
            write_whole(self.folder / INDEX, json.dumps({"format": FORMAT, **facts}, indent=1).encode())
        except failures as error:
            raise DiskError(
                f"the checkpoint {self.folder} could not be written: {error}. Make room, or take another folder"
            ) from error
        self._forget(name)
        self._written = time.monotonic()
        self._took = self._written - begin

    def _document(self, index: Path) -> dict[str, Any]:
        try:
            document = json.loads(index.read_bytes())
            if document["format"] != FORMAT:
                raise BadInput(f"{index} is of format {document['format']}, this version reads {FORMAT}: start anew")
            return {key: document[key] for key in ("identity", "tensors", "facts")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{index} is no checkpoint ({error}): take another folder, or empty this one") from error

    def _tensors(self, document: dict[str, Any]) -> dict[str, Tensor]:
        safetensors = require("safetensors.torch", "train", "a checkpoint")
        file = self.folder / Path(document["tensors"]["file"]).name
        try:
            digest = digest_of(file)
        except OSError as error:
            raise BadInput(f"the checkpoint {self.folder} lacks {file.name} ({error}): empty the folder") from error
        if digest != document["tensors"]["sha256"]:
            raise BadInput(f"{file} is damaged: its contents are not those that were written. Empty the folder")
        return {name: value.clone() for name, value in safetensors.load_file(file).items()}

    def _forget(self, kept: str) -> None:
        for file in self.folder.glob(f"{PREFIX}*.safetensors"):
            if file.name != kept:
                with contextlib.suppress(OSError):
                    os.unlink(file)


def whole(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity with the format, as it reads when it comes back from a file."""
    read: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, **identity}))
    return read


def differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two identities, in words, key by key."""
    found = []
    for key in dict.fromkeys((*there, *here)):
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new and key not in FREE:
            found.append(f"{prefix}{key} is {short(old)} there and {short(new)} here")
    return found


def short(value: Any) -> str:
    """A value in a sentence; a fingerprint by its beginning."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write `tensors` onto the disk; returns the hash of the file."""
    safetensors = require("safetensors.torch", "train", "a checkpoint")
    safetensors.save_file(dict(tensors), file)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    return digest_of(file)


def digest_of(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
