"""The XDF writer, read back by pyxdf."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamkit.errors import RecordingError
from streamkit.recording import XdfWriter
from streamkit.recording.xdf_write import DTYPES, varlen
from streamkit.types import StreamSpec

NUMERIC = sorted(DTYPES)


def spec(channel_format: str, n_chans: int = 2, **more: Any) -> StreamSpec:
    names = tuple(f"c{k}" for k in range(n_chans))
    return StreamSpec(**{"name": "s", "ch_names": names, "sfreq": 100, "channel_format": channel_format, **more})


def read_back(path: Path) -> list[dict[str, Any]]:
    with np.errstate(all="ignore"):  # pyxdf divides by the duration, which may be 0
        streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    return streams


@st.composite
def numeric_streams(draw: st.DrawFn) -> tuple[str, list[np.ndarray], list[np.ndarray]]:
    """A format, chunks of samples and chunks of stamps."""
    channel_format = draw(st.sampled_from(NUMERIC))
    n_chans = draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))
    dtype = np.dtype(DTYPES[channel_format])
    data = [draw(hnp.arrays(dtype, (size, n_chans))) for size in sizes]
    finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
    stamps = [draw(hnp.arrays(np.float64, size, elements=finite)) for size in sizes]
    return channel_format, data, stamps


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=numeric_streams(), texts=st.lists(st.text(max_size=300), max_size=6))
def test_whatever_is_written_comes_back_bit_for_bit(
    stream: tuple[str, list[np.ndarray], list[np.ndarray]], texts: list[str], tmp_path: Path
) -> None:
    channel_format, data, stamps = stream
    path = tmp_path / "any.xdf"
    path.unlink(missing_ok=True)
    with XdfWriter(path) as writer:
        numbers = writer.add_stream(spec(channel_format, data[0].shape[1]))
        words = writer.add_stream(spec("string", 1, name="w", sfreq=0))
        for values, times in zip(data, stamps, strict=True):
            writer.samples(numbers, values, times)
        writer.samples(words, texts, np.arange(len(texts)))
    first, second = read_back(path)
    assert np.asarray(first["time_series"]).tobytes() == np.concatenate(data).tobytes()
    assert first["time_stamps"].tobytes() == np.concatenate(stamps).tobytes()
    assert [row[0] for row in second["time_series"]] == texts


@pytest.mark.parametrize("channel_format", NUMERIC)
def test_the_extremes_of_every_format_survive(channel_format: str, tmp_path: Path) -> None:
    dtype = np.dtype(DTYPES[channel_format])
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    data = np.array([[limits.min, limits.max]], dtype)
    with XdfWriter(tmp_path / "x.xdf") as writer:
        writer.samples(writer.add_stream(spec(channel_format)), data, [1e9])
    (stream,) = read_back(tmp_path / "x.xdf")
    assert stream["time_series"].dtype == dtype
    assert stream["time_series"].tobytes() == data.tobytes()


def test_large_chunks_are_split_and_lose_nothing(tmp_path: Path) -> None:
    data = np.arange(400_000, dtype=np.float32).reshape(100_000, 4)
    stamps = np.linspace(0, 1000, 100_000)
    with XdfWriter(tmp_path / "x.xdf") as writer:
        writer.samples(writer.add_stream(spec("float32", 4)), data, stamps)
        words = writer.add_stream(spec("string", 1, name="w"))
        writer.samples(words, ["x" * 100_000] * 7, range(7))
    first, second = read_back(tmp_path / "x.xdf")
    assert np.array_equal(first["time_series"], data)
    assert np.array_equal(first["time_stamps"], stamps)
    assert second["time_series"] == [["x" * 100_000]] * 7


def test_several_text_channels_and_raw_bytes(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "x.xdf") as writer:
        writer.samples(writer.add_stream(spec("string")), np.array([[b"a\0b", "ü"]], dtype=object), [1.0])
    (stream,) = read_back(tmp_path / "x.xdf")
    assert stream["time_series"] == [["a\0b", "ü"]]


def test_headers_offsets_and_footers_say_what_was_recorded(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "x.xdf", {"datetime": "today"}) as writer:
        told = spec("float32", unit="microvolts", type="EEG", source_id="id", description={"key": "a < b"})
        stream = writer.add_stream(told)
        writer.samples(stream, np.zeros((3, 2)), [1.0, 2.0, 3.0])
        writer.clock_offset(stream, 1.5, -0.25)
        writer.boundary()
    streams, header = pyxdf.load_xdf(tmp_path / "x.xdf", synchronize_clocks=False, dejitter_timestamps=False)
    info, footer = streams[0]["info"], streams[0]["footer"]["info"]
    assert header["info"]["datetime"] == ["today"]
    assert info["desc"][0]["channels"][0]["channel"][1]["label"] == ["c1"]
    assert info["desc"][0]["channels"][0]["channel"][1]["unit"] == ["microvolts"]
    assert info["desc"][0]["streamkit"][0]["key"] == ["a < b"]
    assert (streams[0]["clock_times"], streams[0]["clock_values"]) == ([1.5], [-0.25])
    assert (footer["sample_count"], footer["first_timestamp"], footer["last_timestamp"]) == (["3"], ["1.0"], ["3.0"])


def test_an_unfinished_file_is_readable_at_any_moment(tmp_path: Path) -> None:
    writer = XdfWriter(tmp_path / "x.xdf")
    stream = writer.add_stream(spec("float32"))
    for k in range(5):
        writer.samples(stream, np.full((2, 2), k), [k, k + 0.5])
        (so_far,) = read_back(tmp_path / "x.xdf")
        assert len(so_far["time_stamps"]) == 2 * (k + 1)
    writer.close()
    writer.close()


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.xdf").write_text("precious")
    with pytest.raises(RecordingError, match=r"cannot create .*x\.xdf: File exists\. Choose a new file"):
        XdfWriter(tmp_path / "x.xdf")
    assert (tmp_path / "x.xdf").read_text() == "precious"


@pytest.mark.parametrize(
    ("channel_format", "data", "message"),
    [
        ("float32", np.zeros((3, 3)), r"samples of shape \(3, 3\) were given with 3 stamps, expected \(3, 2\)"),
        ("string", [["a"], ["b", "c"], ["d"]], r"expected \(3, 2\)"),
        ("int8", np.full((3, 2), 300), r"declared int8, which cannot hold values from 300 to 300"),
        ("int16", np.full((3, 2), 0.5), r"declared int16, which cannot hold values from 0\.5 to 0\.5"),
        ("string", [["\ud800", ""]] * 3, r"cannot be written as UTF-8"),
    ],
)
def test_samples_that_do_not_fit_are_refused(channel_format: str, data: Any, message: str, tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "x.xdf") as writer:
        stream = writer.add_stream(spec(channel_format))
        with pytest.raises(RecordingError, match=message):
            writer.samples(stream, data, [1, 2, 3])
    assert len(read_back(tmp_path / "x.xdf")[0]["time_stamps"]) == 0


def test_a_full_disk_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.xdf"
    writer = XdfWriter(path)
    stream = writer.add_stream(spec("float32"))
    writer.samples(stream, np.ones((10, 2)), np.arange(10))
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(
            RecordingError, match=r"cannot write .*x\.xdf: File too large\. What was written before is kept"
        ):
            writer.samples(stream, np.ones((10, 2)), np.arange(10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.stat().st_size == size
    assert len(read_back(path)[0]["time_stamps"]) == 10
    with pytest.raises(RecordingError, match="is closed and takes no more samples"):
        writer.samples(stream, np.ones((10, 2)), np.arange(10))
    writer.close()


@pytest.mark.parametrize("value", [0, 255, 256, 2**32 - 1, 2**32])
def test_lengths_take_one_four_or_eight_bytes(value: int) -> None:
    packed = varlen(value)
    assert packed[0] == len(packed) - 1 in (1, 4, 8)
    assert int.from_bytes(packed[1:], "little") == value
