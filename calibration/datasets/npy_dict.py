"""A published dictionary of arrays: what ``np.save`` or ``pickle.dump`` made of it, read without running anything.

Arrays are mapped, not read: their values come from the disk when they are used, so a file may be larger than memory.
"""

from __future__ import annotations

import mmap
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dataset import wrong_layout
from calibration.datasets.pickle_reader import PickleReader, Refused
from streamkit.errors import RecordingError

NPY_MAGIC = b"\x93NUMPY"
MAPPED = 4096
"""Byte strings longer than this stay on the disk."""
NONSENSE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError)


def read_dict(file: Path, source: str) -> dict[str, Any]:
    """Read the dictionary in a ``.npy`` file or a plain pickle.

    Parameters
    ----------
    file
        What ``np.save`` or ``pickle.dump`` wrote.
    source
        Where its authors publish it, for messages.

    Raises
    ------
    RecordingError
        When the file is cut short, holds no dictionary, or anything besides numbers, text and arrays.
    """
    try:
        found = value_of(file)
    except Refused as error:
        raise RecordingError(
            f"{file} holds {error}, which is neither numbers nor text nor arrays. It was not run; do not trust this "
            f"file, and get it from {source}."
        ) from error
    except NONSENSE as error:
        raise RecordingError(f"{file}: not a whole dictionary of arrays ({error}). Get it from {source}.") from error
    if not isinstance(found, dict):
        raise wrong_layout(file, "a dictionary", f"{type(found).__name__}", source)
    return found


def fields_of(file: Path, names: tuple[str, ...], source: str) -> list[Any]:
    """The named fields of the dictionary in a file, in that order; RecordingError where one is missing."""
    found = read_dict(file, source)
    if not set(names) <= set(found):
        raise wrong_layout(file, f"the fields {', '.join(names)}", ", ".join(map(str, found)) or "none", source)
    return [found[name] for name in names]


def texts(value: Any) -> list[str]:
    """A field as a list of text; empty where it is no list."""
    return [str(item) for item in value] if isinstance(value, (list, tuple, np.ndarray)) else []


def numbers(value: Any) -> NDArray[np.float64]:
    """A field as a row of numbers; empty where it is none."""
    try:
        return np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError):
        return np.zeros(0)


def dimensions(value: Any) -> int:
    """How many dimensions a field of numbers has; 0 where it is no array of them."""
    return value.ndim if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" else 0


def value_of(file: Path) -> Any:
    """What the pickle in a file holds; an array of one object without dimensions is that object."""
    with file.open("rb") as stream:
        data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    found = PickleReader().run(pickletools.genops(Mapped(data, start_of_pickle(data))))
    return found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found


def start_of_pickle(data: memoryview) -> int:
    """Where the pickle begins: behind the header of a ``.npy`` file, else at once."""
    if bytes(data[:6]) != NPY_MAGIC:
        return 0
    width = 2 if data[6] == 1 else 4
    return 8 + width + int.from_bytes(data[8 : 8 + width], "little")


class Mapped:
    """A file, as `pickletools.genops` reads one, whose long byte strings are views of the mapped file."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at

    def read(self, n: int) -> bytes | memoryview:
        """Return the next `n` bytes, or those that are left."""
        part = self._data[self._at : self._at + n]
        self._at += len(part)
        return part if n > MAPPED else bytes(part)

    def readline(self) -> bytes:
        """Return the next line, empty when it is longer than `MAPPED` bytes."""
        line = bytes(self._data[self._at : self._at + MAPPED])
        line = line[: line.find(b"\n") + 1]
        self._at += len(line)
        return line

    def tell(self) -> int:
        """Where reading goes on."""
        return self._at
