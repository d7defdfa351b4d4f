"""Built engines kept between runs, and built anew when anything they depend on is another.

An engine is machine code that its runtime trusts blindly, so nothing is handed to the runtime but what this user
stored for exactly this network, GPU and software. Engines are also chosen by timing: keeping one is what makes two
processes give the same bits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from streamkit.errors import BackendError
from streamkit.inference.cache import cache_dir, write_whole

BUILD = 1
"""Counts changes to how engines are built; part of every key."""

OTHERS_MAY_WRITE = 0o022
logger = logging.getLogger(__name__)
Opened = TypeVar("Opened")


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on.

    Attributes
    ----------
    onnx
        sha256 (hex) of the ONNX bytes it is built from.
    gpu
        Name and compute capability, ``"NVIDIA H100 80GB HBM3, 9.0"``.
    tensorrt, driver
        Versions.
    precision, batch
        As in the settings.
    build
        See `BUILD`.
    """

    onnx: str
    gpu: str
    tensorrt: str
    driver: str
    precision: str
    batch: int
    build: int = BUILD

    @property
    def file(self) -> str:
        """Name of its file."""
        return hashlib.sha256(_canonical(asdict(self))).hexdigest()[:32] + ".engine"


def default_folder() -> Path:
    """Where engines are kept; it may be deleted at any time."""
    return cache_dir() / "engines"


def engine_for(
    key: EngineKey, build: Callable[[], bytes], load: Callable[[bytes], Opened | None], folder: Path | None = None
) -> Opened:
    """Open the engine kept under `key`, or else build, keep and open one.

    Parameters
    ----------
    build
        Makes the engine; may take minutes.
    load
        Opens an engine; None when the runtime does not take it.
    folder
        Where engines are kept.

    Raises
    ------
    BackendError
        When even a fresh engine does not open.
    """
    folder = folder or default_folder()
    kept = stored(key, folder)
    if kept is not None and (opened := load(kept)) is not None:
        return opened
    logger.info("building an engine for %s, which can take minutes", key.gpu)
    engine = build()
    store(key, engine, folder)
    opened = load(engine)
    if opened is None:
        raise BackendError("the TensorRT runtime refuses the engine that its own builder made: reinstall tensorrt")
    return opened


def stored(key: EngineKey, folder: Path) -> bytes | None:
    """The engine kept under `key`; None when there is none, or it is not whole, or others could have written it."""
    file = folder / key.file
    try:
        ours = only_we_write(folder) and only_we_write(file)
        head, _, engine = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    if ours and head == _head(key, engine):
        return engine
    logger.warning("the engine kept in %s is not what it says, or others may write it: building it anew", file)
    return None


def store(key: EngineKey, engine: bytes, folder: Path) -> None:
    """Keep `engine` under `key`; the file appears whole or not at all. A folder that cannot be written is only told."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(folder / key.file, _head(key, engine) + b"\n" + engine)
    except OSError as error:
        logger.warning("the engine could not be kept in %s (%s): it will be built again", folder, error.strerror)


def _head(key: EngineKey, engine: bytes) -> bytes:
    """First line of the file: the key in words, and what the rest must hash to."""
    return _canonical({"key": asdict(key), "sha256": hashlib.sha256(engine).hexdigest()})


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def only_we_write(path: Path) -> bool:
    """Whether nobody but this user could have changed what is at `path`."""
    if os.name == "nt":
        return True
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & OTHERS_MAY_WRITE
