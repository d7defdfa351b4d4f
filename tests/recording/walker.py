"""A strict reader of XDF 1.0, chunk by chunk, that shares nothing with the writer or with pyxdf.

It refuses what the format forbids, and what a faithful writer never does: samples before their header or after their
footer, footers that miscount, clock measurements that go back, lengths longer than they need be, bytes after the end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

UUID = bytes([0x43, 0xA5, 0x46, 0xDC, 0xCB, 0xF5, 0x41, 0x0F, 0xB3, 0x0E, 0xD5, 0x46, 0x73, 0x83, 0xCB, 0xE4])
KINDS = {"float32": "<f4", "double64": "<f8", "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8"}
FIELDS = ("name", "type", "channel_count", "nominal_srate", "channel_format")


@dataclass
class Walked:
    """One stream as the chunks have it."""

    header: Xml.Element
    n_chans: int
    format: str
    rows: list[Any] = field(default_factory=list)
    stamps: list[np.ndarray] = field(default_factory=list)
    offsets: list[tuple[float, float]] = field(default_factory=list)
    chunks: int = 0
    footer: Xml.Element | None = None

    @property
    def name(self) -> str:
        return self.header.findtext("name") or ""

    @property
    def times(self) -> np.ndarray:
        return np.concatenate([np.zeros(0), *self.stamps])

    @property
    def values(self) -> Any:
        if self.format == "string":
            return [row for rows in self.rows for row in rows]
        return np.concatenate([np.zeros((0, self.n_chans), KINDS[self.format]), *self.rows])


@dataclass
class Walk:
    """A whole file: its streams by id, its boundaries, and how many bytes its last chunk lacks."""

    streams: dict[int, Walked] = field(default_factory=dict)
    boundaries: int = 0
    cut: int = 0

    def named(self, name: str) -> Walked:
        (found,) = (stream for stream in self.streams.values() if stream.name == name)
        return found


def walk(path: Path, *, finished: bool = True) -> Walk:
    """Read a file, or fail the test that asked; an unfinished one may lack its footers and the end of one chunk."""
    content = path.read_bytes()
    assert content[:4] == b"XDF:", f"magic {content[:4]!r}"
    found, at, tags = Walk(), 4, []
    while at < len(content):
        length, start = varlen(content, at)
        if start + length > len(content):
            found.cut = start + length - len(content)
            break
        assert length >= 2, f"a chunk of {length} bytes at {at}"
        (tag,) = struct.unpack_from("<H", content, start)
        chunk(found, tag, content[start + 2 : start + length], first=not tags)
        tags.append(tag)
        at = start + length
    if finished:
        check_end(found, tags)
    return found


def varlen(content: bytes, at: int) -> tuple[int, int]:
    """A length and the position after it; it takes no more bytes than it needs."""
    size = content[at]
    assert size in (1, 4, 8), f"a length of {size} bytes at {at}"
    length = int.from_bytes(content[at + 1 : at + 1 + size], "little")
    assert size == 1 or length >= 1 << (8 if size == 4 else 32), f"length {length} in {size} bytes at {at}"
    return length, at + 1 + size


def chunk(found: Walk, tag: int, body: bytes, *, first: bool) -> None:
    """Take in one chunk."""
    assert (tag == 1) == first, f"chunk of tag {tag} where the file header {'must' if first else 'may not'} stand"
    if tag == 1:
        assert Xml.fromstring(body).findtext("version") == "1.0"
        return
    if tag == 5:
        assert body == UUID, f"boundary {body.hex()}"
        found.boundaries += 1
        return
    assert tag in (2, 3, 4, 6), f"tag {tag}"
    number, body = int.from_bytes(body[:4], "little"), body[4:]
    assert (number in found.streams) == (tag != 2), f"stream {number}: header missing or doubled"
    if tag == 2:
        found.streams[number] = header(body)
        return
    stream = found.streams[number]
    assert stream.footer is None, f"stream {number}: a chunk of tag {tag} after its footer"
    {3: samples, 4: clock_offset, 6: footer}[tag](stream, body)


def header(body: bytes) -> Walked:
    """A stream, announced."""
    info = Xml.fromstring(body)
    assert info.tag == "info"
    missing = [name for name in FIELDS if info.find(name) is None]
    assert not missing, f"a header without {missing}"
    channel_format = info.findtext("channel_format", "")
    assert channel_format in (*KINDS, "string"), f"format {channel_format}"
    assert float(info.findtext("nominal_srate", "")) >= 0, "a negative rate"
    return Walked(info, int(info.findtext("channel_count", "")), channel_format)


def samples(stream: Walked, body: bytes) -> None:
    """Samples of one stream, each with its own stamp, filling the chunk to the last byte."""
    count, at = varlen(body, 0)
    assert count > 0, f"{stream.name}: a chunk of no samples"
    stream.chunks += 1
    if stream.format == "string":
        texts(stream, body, at, count)
        return
    kind = np.dtype([("bytes", "u1"), ("stamp", "<f8"), ("values", KINDS[stream.format], (stream.n_chans,))])
    assert len(body) - at == count * kind.itemsize, f"{stream.name}: {len(body) - at} bytes for {count} samples"
    table = np.frombuffer(body, kind, offset=at)
    assert (table["bytes"] == 8).all(), f"{stream.name}: a sample without a stamp of its own"
    stream.stamps.append(table["stamp"])
    stream.rows.append(table["values"])


def texts(stream: Walked, body: bytes, at: int, count: int) -> None:
    """The same for strings; a byte that is not UTF-8 stands as a surrogate."""
    stamps, rows = [], []
    for _ in range(count):
        assert body[at] == 8, f"{stream.name}: a sample without a stamp of its own"
        stamps.append(struct.unpack_from("<d", body, at + 1)[0])
        at += 9
        row = []
        for _ in range(stream.n_chans):
            length, at = varlen(body, at)
            row.append(body[at : at + length].decode("utf-8", "surrogateescape"))
            at += length
        rows.append(row)
    assert at == len(body), f"{stream.name}: {len(body) - at} bytes after the last sample of a chunk"
    stream.stamps.append(np.array(stamps))
    stream.rows.append(rows)


def clock_offset(stream: Walked, body: bytes) -> None:
    """A clock measurement: two numbers, later than the one before."""
    assert len(body) == 16, f"a clock measurement of {len(body)} bytes"
    time, value = struct.unpack("<dd", body)
    assert np.isfinite((time, value)).all(), "a clock measurement that is no number"
    assert not stream.offsets or time > stream.offsets[-1][0], f"{stream.name}: clock measurements go back"
    stream.offsets.append((time, value))


def footer(stream: Walked, body: bytes) -> None:
    """The end of a stream, which counts and repeats what was written."""
    info = Xml.fromstring(body)
    stamps = stream.times
    count = info.findtext("sample_count", "")
    assert int(count) == len(stamps), f"{stream.name}: the footer says {count} samples of {len(stamps)}"
    if len(stamps):
        ends = float(info.findtext("first_timestamp", "")), float(info.findtext("last_timestamp", ""))
        assert ends == (stamps[0], stamps[-1]), f"{stream.name}: the footer says {ends[0]} to {ends[1]}"
    said = [(float(o.findtext("time", "")), float(o.findtext("value", ""))) for o in info.iter("offset")]
    assert said == stream.offsets, f"{stream.name}: the footer has other clock measurements"
    stream.footer = info


def check_end(found: Walk, tags: list[int]) -> None:
    """A finished file is whole, and closes every stream with nothing behind."""
    assert found.cut == 0, f"the last chunk lacks {found.cut} bytes"
    without = [number for number, stream in found.streams.items() if stream.footer is None]
    assert not without, f"no footer: {without}"
    assert tags[len(tags) - len(found.streams) :] == [6] * len(found.streams), "something stands behind the footers"
