"""``recording.json``: what the native folder keeps beside its XDF file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamkit.errors import DiskError, RecordingError
from streamkit.marks import JSON
from streamkit.recording.model import RecordingMeta
from streamkit.types import StreamSpec


class StreamEntry(BaseModel):
    """One stream of recording.xdf as it was in memory.

    Parameters
    ----------
    id
        Its id in recording.xdf.
    n
        How many samples it has there.
    kind, spec, columns
        What it becomes; the XDF header alone does not say it fully.
    dtype
        Of the samples.
    labels
        Of the markers, where the samples do not say them exactly.
    """

    model_config = ConfigDict(extra="forbid")

    id: int
    n: int
    kind: Literal["signal", "markers"]
    spec: StreamSpec
    dtype: str | None = None
    labels: tuple[str, ...] | None = None
    columns: dict[str, list[Any]] = Field(default_factory=dict)


class Sidecar(BaseModel):
    """The whole of recording.json.

    Parameters
    ----------
    meta
        Provenance.
    streams
        In the order of the recording, signals before markers; None takes recording.xdf as any XDF file.
    samples
        Id → number of samples, where `streams` is None.
    stimuli
        Marker label → file in the folder.
    arrays
        The same for images that were held in memory: a PNG, or an entry of ``stimuli/arrays.safetensors``.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["streamkit-recording"] = "streamkit-recording"
    version: Literal[1] = 1
    meta: RecordingMeta = Field(default_factory=RecordingMeta)
    streams: tuple[StreamEntry, ...] | None = None
    samples: dict[int, int] = Field(default_factory=dict)
    stimuli: dict[str, str] = Field(default_factory=dict)
    arrays: dict[str, str] = Field(default_factory=dict)


def write_sidecar(sidecar: Sidecar, folder: Path) -> None:
    """Write recording.json in one step."""
    partial = folder / f".{JSON}.partial"
    try:
        content = json.dumps(sidecar.model_dump(), indent=1, ensure_ascii=False, default=plain).encode()
    except (TypeError, ValueError) as error:
        raise RecordingError(
            f"{sidecar.meta.name}: meta.details and marker columns must be plain JSON values ({error})"
        ) from error
    try:
        partial.write_bytes(content)
        os.replace(partial, folder / JSON)
    except OSError as error:
        raise DiskError(f"cannot write {folder / JSON}: {error.strerror}") from error


def plain(value: Any) -> Any:
    """A numpy number or array as JSON has it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} is none")


def read_sidecar(folder: Path) -> Sidecar:
    """Parse recording.json."""
    try:
        return Sidecar.model_validate_json((folder / JSON).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        what = "no such key is known" if first["type"] == "extra_forbidden" else first["msg"]
        raise RecordingError(
            f"{folder / JSON} is not valid at {where}: {what}. Copy the folder again, or remove {JSON} to read what "
            "the streams alone say."
        ) from error
