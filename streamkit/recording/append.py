"""A file that grows by whole pieces only, so that it is readable whenever its writer dies or the disk is full."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from streamkit.errors import DiskError, RecordingError


class AppendFile:
    """A new file; every piece leaves at once and unbuffered, outside Python's lock.

    Parameters
    ----------
    path
        A file that does not exist yet; its folder is made as needed.

    Raises
    ------
    RecordingError
        When the file exists or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise RecordingError(
                f"cannot create {path}: {error.strerror}. Choose a new file in a folder that can be written."
            ) from error

    @property
    def closed(self) -> bool:
        """Whether no more can be appended."""
        return self._file.closed

    def append(self, content: bytes) -> None:
        """Append a piece; one that the disk takes only in part is taken back, and the file closed.

        Raises
        ------
        DiskError
            When the disk does not take it.
        RecordingError
            When the file is closed.
        """
        if self._file.closed:
            raise RecordingError(f"{self.path} is closed and takes no more samples")
        size = self._file.tell()
        try:
            left = memoryview(content)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with self._file, contextlib.suppress(OSError):
                self._file.truncate(size)
            raise self._failed(error) from error

    def sync(self) -> None:
        """Wait until the disk has everything.

        Raises
        ------
        DiskError
            When it could not be written after all; the file is closed.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise self._failed(error) from error

    def close(self) -> None:
        """Hand everything to the disk and close; harmless when closed already."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    def _failed(self, error: OSError) -> DiskError:
        return DiskError(f"cannot write {self.path}: {error.strerror}. What was written before is kept.")
