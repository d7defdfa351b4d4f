"""Which chunks of an XDF file are whole: the check before anything is parsed."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from streamkit.errors import RecordingError
from streamkit.recording.xdf_write import BOUNDARY_MARK, MAGIC, STREAM_HEADER

GZIP_MAGIC = b"\x1f\x8b"
SALVAGE = "read what is whole with salvage=True (`replay --salvage`, `convert file … --option salvage=true`)"
"""What to do with a file that is cut short or damaged, besides copying it again."""


@dataclass(frozen=True)
class Scan:
    """What a walk over the chunk lengths found.

    Attributes
    ----------
    whole
        Byte ranges of whole chunks, after the four magic bytes.
    headers
        Stream id → its header document.
    missing
        Bytes that the last chunk announces and the file does not hold; 0 for a whole file.
    damaged
        Places where no chunk begins although one should.
    """

    whole: tuple[tuple[int, int], ...]
    headers: dict[int, bytes]
    missing: int
    damaged: tuple[int, ...]


def load_bytes(path: Path, *, salvage: bool = False) -> bytes:
    """The bytes of an XDF file, unpacked where it is gzipped.

    Raises
    ------
    RecordingError
        When the file is not XDF, or is a gzip file cut short and `salvage` is False.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from error
    if content[:2] == GZIP_MAGIC:
        content = unpack(path, content, salvage)
    if content[:4] != MAGIC:
        raise RecordingError(
            f"{path} is not an XDF file: it begins with {content[:4]!r}, expected {MAGIC!r}. "
            "Give the file its true suffix."
        )
    return content


def unpack(path: Path, content: bytes, salvage: bool) -> bytes:
    """Gunzip; of a file cut short, as much as is there."""
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        if salvage:
            return zlib.decompressobj(wbits=31).decompress(content)
        raise RecordingError(
            f"{path} is cut short: its compressed data ends before the end mark. Copy it again, or {SALVAGE}."
        ) from error


def scan(content: bytes) -> Scan:
    """Walk over the chunks of a file by their lengths, without parsing them."""
    whole: list[tuple[int, int]] = []
    headers: dict[int, bytes] = {}
    damaged: list[int] = []
    at, missing = len(MAGIC), 0
    while at < len(content):
        size = content[at]
        if size not in (1, 4, 8):
            damaged.append(at)
            at = after_boundary(content, at)
            continue
        start = at + 1 + size
        length = int.from_bytes(content[at + 1 : start], "little")
        if start + length > len(content):
            if BOUNDARY_MARK in content[at:]:
                damaged.append(at)
                at = after_boundary(content, at)
                continue
            missing = start + length - len(content)
            break
        if int.from_bytes(content[start : start + 2], "little") == STREAM_HEADER:
            headers[int.from_bytes(content[start + 2 : start + 6], "little")] = content[start + 6 : start + length]
        whole.append((at, start + length))
        at = start + length
    return Scan(tuple(whole), headers, missing, tuple(damaged))


def after_boundary(content: bytes, at: int) -> int:
    """Position after the next boundary mark, or the end."""
    found = content.find(BOUNDARY_MARK, at)
    return len(content) if found < 0 else found + len(BOUNDARY_MARK)


def check_whole(path: Path, found: Scan) -> None:
    """Refuse a file that is cut short or damaged.

    Raises
    ------
    RecordingError
        Saying how many bytes are missing, or where the damage is.
    """
    if found.damaged:
        raise RecordingError(
            f"{path} is damaged: no chunk begins at byte {found.damaged[0]}. Copy it again, or {SALVAGE}."
        )
    if found.missing:
        raise RecordingError(
            f"{path} is cut short: its last chunk lacks {found.missing} bytes. Copy it again, or {SALVAGE}."
        )


def whole_bytes(content: bytes, found: Scan) -> bytes:
    """A file of the whole chunks only."""
    if not found.damaged and not found.missing:
        return content
    return MAGIC + b"".join(content[start:stop] for start, stop in found.whole)
