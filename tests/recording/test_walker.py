"""The walker that checks every file of the tests catches what is wrong with one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from streamkit.recording import XdfWriter
from streamkit.recording.xdf_write import BOUNDARY, CLOCK_OFFSET, SAMPLES, STREAM_FOOTER, chunk_bytes, varlen
from streamkit.recording.xdf_xml import stream_footer
from streamkit.types import StreamSpec
from tests.recording.walker import walk

ONE = StreamSpec(name="one", type="EEG", ch_names=("a", "b"), sfreq=10, channel_format="int16")
SAMPLE = varlen(1) + struct.pack("<Bdhh", 8, 1.5, 3, 4)


def begun(path: Path) -> Path:
    """A file with one stream of two samples and two clock measurements, not finished."""
    writer = XdfWriter(path)
    writer.samples(writer.add_stream(ONE), np.array([[1, 2], [3, 4]], np.int16), [1.0, 1.5])
    for time in (1.0, 2.0):
        writer.clock_offset(1, time, -0.5)
    content = path.read_bytes()
    writer.close()
    path.write_bytes(content)
    return path


FOOTER = chunk_bytes(STREAM_FOOTER, stream_footer(1.0, 1.5, 2, [(1.0, -0.5), (2.0, -0.5)]), 1)


def test_a_finished_file_is_walked_to_its_end(tmp_path: Path) -> None:
    path = begun(tmp_path / "x.xdf")
    path.write_bytes(path.read_bytes() + FOOTER)
    found = walk(path).named("one")
    assert found.values.tolist() == [[1, 2], [3, 4]]
    assert found.times.tolist() == [1.0, 1.5]
    assert found.offsets == [(1.0, -0.5), (2.0, -0.5)]


def test_an_unfinished_file_may_be_cut_in_its_last_chunk(tmp_path: Path) -> None:
    path = begun(tmp_path / "x.xdf")
    path.write_bytes(path.read_bytes() + chunk_bytes(SAMPLES, SAMPLE, 1)[:-3])
    found = walk(path, finished=False)
    assert (found.cut, len(found.named("one").times)) == (3, 2)
    with pytest.raises(AssertionError, match="the last chunk lacks 3 bytes"):
        walk(path)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (b"", r"no footer: \[1\]"),
        (FOOTER + FOOTER, "after its footer"),
        (FOOTER + chunk_bytes(SAMPLES, SAMPLE, 1), "after its footer"),
        (FOOTER + b"\0", "a length of 0 bytes"),
        (FOOTER + chunk_bytes(BOUNDARY, b"\0" * 16), "boundary 0000"),
        (chunk_bytes(SAMPLES, SAMPLE, 2), "header missing or doubled"),
        (chunk_bytes(SAMPLES, SAMPLE + b"\0", 1), "14 bytes for 1 samples"),
        (chunk_bytes(SAMPLES, varlen(1) + struct.pack("<Bdhh", 0, 1.5, 3, 4), 1), "without a stamp"),
        (chunk_bytes(CLOCK_OFFSET, struct.pack("<dd", 1.5, 0.0), 1), "clock measurements go back"),
        (chunk_bytes(STREAM_FOOTER, stream_footer(1.0, 1.5, 3, []), 1), "the footer says 3 samples of 2"),
        (chunk_bytes(STREAM_FOOTER, stream_footer(1.0, 2.5, 2, []), 1), "the footer says 1.0 to 2.5"),
        (chunk_bytes(STREAM_FOOTER, stream_footer(1.0, 1.5, 2, [(1.0, -0.5)]), 1), "clock measurements"),
        (chunk_bytes(7, b"", 1), "tag 7"),
        (b"\4" + struct.pack("<IHI", 6, SAMPLES, 1), "length 6 in 4 bytes"),
    ],
)
def test_what_is_wrong_is_found(more: bytes, complaint: str, tmp_path: Path) -> None:
    path = begun(tmp_path / "x.xdf")
    path.write_bytes(path.read_bytes() + more)
    with pytest.raises(AssertionError, match=complaint):
        walk(path)
