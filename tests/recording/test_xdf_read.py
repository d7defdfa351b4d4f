"""Reading XDF: everybody's files, corner cases, cut and damaged files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from streamkit.errors import RecordingError
from streamkit.recording import Recording, XdfWriter, read_recording, write_recording
from streamkit.types import StreamSpec, label_of


def spec(
    name: str, type: str = "EEG", n_chans: int = 1, sfreq: float = 100, channel_format: str = "float32"
) -> StreamSpec:
    names = tuple(f"c{k}" for k in range(n_chans))
    return StreamSpec(name=name, type=type, ch_names=names, sfreq=sfreq, channel_format=channel_format)


def written(path: Path, *streams: tuple[StreamSpec, object, object]) -> Path:
    with XdfWriter(path) as writer:
        for one, data, stamps in streams:
            writer.samples(writer.add_stream(one), data, stamps)
            writer.boundary()
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(
        tmp_path / "some.xdf",
        (spec("first"), np.arange(50, dtype=np.float32)[:, None], np.arange(50) / 100),
        (spec("second"), np.arange(20, dtype=np.float32)[:, None], np.arange(20) / 100),
    )


def names(recording: Recording) -> list[str]:
    return [signal.spec.name for signal in recording.signals]


def notes(recording: Recording) -> str:
    return "; ".join(recording.meta.details.get("notes", []))


def test_text_streams_are_markers_and_further_channels_columns(tmp_path: Path) -> None:
    rows = [["go", "left"], ["stop", "right"]]
    path = written(tmp_path / "x.xdf", (spec("m", "Markers", 2, 0, "string"), rows, [1.0, 2.5]))
    (markers,) = read_recording(path).markers
    assert markers.labels == ("go", "stop")
    assert markers.columns == {"ch2": ["left", "right"]}
    assert markers.spec.n_chans == 1
    assert [event.stamp for event in markers.events()] == [1.0, 2.5]


def test_numeric_marker_streams_give_numbers_as_labels(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.xdf",
        (spec("triggers", "Markers", 1, 0, "int16"), np.array([[1], [33]]), [1.0, 2.0]),
        (spec("ratings", "Stim", 1, 0, "double64"), np.array([[0.5], [2.0]]), [1.0, 2.0]),
    )
    first, second = read_recording(path).markers
    assert first.labels == ("1", "33")
    assert second.labels == ("0.5", "2")


@pytest.mark.parametrize("channel_format", ["int32", "double64"])
def test_markers_of_a_million_and_more_keep_their_digits(channel_format: str, tmp_path: Path) -> None:
    codes = [999999, 1000001, 1000002, 2**24 - 1]
    triggers = spec("triggers", "Markers", 1, 0, channel_format)
    path = written(tmp_path / "x.xdf", (triggers, np.array(codes)[:, None], np.arange(4.0)))
    first = read_recording(path)
    native = write_recording(first, tmp_path / "native")
    assert first.markers[0].labels == read_recording(native).markers[0].labels == tuple(map(str, codes))
    (stream,), _ = pyxdf.load_xdf(str(native / "recording.xdf"))
    assert stream["time_series"].ravel().tolist() == codes


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *[(7.0, "7"), (-1, "-1"), (1e6, "1000000"), (2.0**53, "9.0072e+15"), (2**53 + 1, "9007199254740993")],
        *[(0.1, "0.1"), (1e-7, "1e-07"), (float("nan"), "nan"), (float("-inf"), "-inf"), ("1e+06", "1e+06")],
    ],
)
def test_the_label_of_a_marker(value: float | str, label: str) -> None:
    assert label_of(value) == label


def test_irregular_numeric_streams_stay_signals(tmp_path: Path) -> None:
    data = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    path = written(tmp_path / "x.xdf", (spec("gaze", "Gaze", 2, 0), data, [1.0, 7.25]))
    (gaze,) = read_recording(path).signals
    assert gaze.spec.sfreq == 0
    assert np.array_equal(gaze.data, data)
    assert gaze.stamps.tolist() == [1.0, 7.25]


def test_empty_streams_are_dropped_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "x.xdf", (spec("silent"), np.zeros((0, 1)), []), (spec("loud"), [[1.0]], [1.0]))
    recording = read_recording(path)
    assert names(recording) == ["loud"]
    assert "stream 'silent' (EEG) is empty and was dropped" in notes(recording)


def test_a_file_of_empty_streams_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.xdf", (spec("silent"), np.zeros((0, 1)), []))
    with pytest.raises(RecordingError, match=r"x\.xdf holds no samples: 1 streams, all empty"):
        read_recording(path)


def test_streams_of_one_name_are_told_apart_and_neural_ones_come_first(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.xdf",
        *((spec("Muse", kind), [[1.0]], [1.0]) for kind in ("ACC", "PPG", "EEG", "PPG")),
    )
    recording = read_recording(path)
    assert names(recording) == ["Muse-EEG", "Muse-ACC", "Muse-PPG", "Muse-PPG-2"]
    assert "stream 'Muse' (EEG) is called 'Muse-EEG' here" in notes(recording)


def test_clock_offsets_are_applied_and_jitter_is_kept(tmp_path: Path) -> None:
    stamps = np.array([1.0, 1.02, 1.021, 1.03])
    with XdfWriter(tmp_path / "x.xdf") as writer:
        stream = writer.add_stream(spec("far"))
        writer.samples(stream, np.zeros((4, 1)), stamps)
        for time in (0.0, 5.0, 10.0):
            writer.clock_offset(stream, time, 100.0)
    far = read_recording(tmp_path / "x.xdf").signal("far")
    assert np.allclose(far.stamps, stamps + 100, atol=1e-9)


def test_offsets_of_zero_leave_every_bit_of_the_stamps(tmp_path: Path) -> None:
    stamps = 1e6 + np.sort(np.random.default_rng(0).random(100))
    with XdfWriter(tmp_path / "x.xdf") as writer:
        stream = writer.add_stream(spec("here"))
        writer.samples(stream, np.zeros((100, 1)), stamps)
        for time in np.arange(12) * 5.0:
            writer.clock_offset(stream, 1e6 + time, 0.0)
    assert read_recording(tmp_path / "x.xdf").signal("here").stamps.tobytes() == stamps.tobytes()


@pytest.mark.parametrize("name", ["some.xdfz", "some.xdf.gz"])
def test_gzipped_files_are_read(file: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(file.read_bytes()))
    recording = read_recording(tmp_path / name)
    assert names(recording) == ["first", "second"]
    assert recording.meta.name == "some"


def test_a_gzipped_file_cut_short_is_refused_or_salvaged(file: Path, tmp_path: Path) -> None:
    packed = gzip.compress(file.read_bytes())
    (tmp_path / "cut.xdfz").write_bytes(packed[:-20])
    with pytest.raises(RecordingError, match="cut short: its compressed data ends before the end mark"):
        read_recording(tmp_path / "cut.xdfz")
    assert "first" in names(read_recording(tmp_path / "cut.xdfz", salvage=True))


def test_a_cut_file_says_how_many_bytes_are_missing(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.xdf"
    cut.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(RecordingError, match=r"cut\.xdf is cut short: its last chunk lacks 7 bytes\. Copy it again"):
        read_recording(cut)
    recording = read_recording(cut, salvage=True)
    assert [len(signal.stamps) for signal in recording.signals] == [50, 20]
    assert "the last chunk lacks 7 bytes" in notes(recording)


def test_a_file_cut_anywhere_is_refused_or_read_and_never_crashes(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    cut = tmp_path / "cut.xdf"
    for size in range(4, len(content), 13):
        cut.write_bytes(content[:size])
        for salvage in (False, True):
            try:
                recording = read_recording(cut, salvage=salvage)
            except RecordingError:
                continue
            first = recording.signals[0]
            assert np.array_equal(first.data[:, 0], np.arange(len(first.stamps)))


def test_a_damaged_file_is_refused_or_read_from_the_next_boundary(file: Path, tmp_path: Path) -> None:
    content = bytearray(file.read_bytes())
    samples = content.index(b"\x08" + np.float64(0.01).tobytes()) - 26
    content[samples : samples + 25] = b"\xff" * 25
    (tmp_path / "bad.xdf").write_bytes(content)
    with pytest.raises(RecordingError, match=r"bad\.xdf is damaged: no chunk begins at byte \d+"):
        read_recording(tmp_path / "bad.xdf")
    recording = read_recording(tmp_path / "bad.xdf", salvage=True)
    assert "second" in names(recording)
    assert "damaged at byte" in notes(recording)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.xdf", b"", r"is not an XDF file: it begins with b'', expected b'XDF:'"),
        ("x.xdf", b"PK\x03\x04zip", r"is not an XDF file: it begins with b'PK.*'"),
        ("x.xdf", b"XDF:", r"holds no samples: 0 streams"),
        ("x.xdf", b"XDF:\x01\x09\x02\x00\x01\x00\x00\x00<a>", r"cannot be parsed as XDF \(ParseError"),
        ("x.abc", b"?", r"the type \.abc is unknown\. Known are folders .*\.xdf, \.xdfz, .*\.fif"),
        ("x", b"?", r"the type without a suffix is unknown"),
        ("x.eeg", b"?", r"is one part of a recording\. Give the \.vhdr file"),
        ("x.fdt", b"?", r"Give the \.set file"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        read_recording(tmp_path / name)


def test_a_path_where_nothing_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"there is no recording at .*nowhere\.xdf"):
        read_recording(tmp_path / "nowhere.xdf")


REAL = {
    "bci_essentials_xdf/data/switch_example.xdf": {
        "g.USBamp-1": (34320, 16), "PythonResponse": 581, "UnityMarkerStream": 71,
    },
    "bci_essentials_xdf_history/ssvep_example.xdf": {"DSI7": (33002, 8), "Unity_SSVEP": 258},
    "eeglab_sample/test_data/test.xdf": {"obci_neeg1": (9520, 8)},
    "museLSL2_xdf/data/sub-P001/ses-S001/eeg/sub-P001_ses-S001_task-Default_run-001_eeg.xdf": {
        "Muse-EEG": (2820, 5), "Muse-ACC": (573, 3), "Muse-GYRO": (573, 3),
    },
    "museLSL2_xdf/data/sub-P031/ses-S001/eeg/sub-P031_ses-S001_task-Default_run-001_eeg.xdf": {
        "Muse-EEG": (1284, 5), "Muse-PPG": (324, 3), "Muse-ACC": (261, 3), "Muse-GYRO": (261, 3),
    },
    "museLSL2_xdf/data/sub-P032/ses-S001/eeg/sub-P032_ses-S001_task-Default_run-001_eeg.xdf": {
        "Muse-EEG": (2184, 5), "Muse-ACC": (444, 3), "Muse-GYRO": (441, 3), "Muse-PPG": (546, 3),
    },
    "xdf_example_files/clock_resets.xdf": {"BioSemi": (27815, 8), "MyMarkerStream": 175},
    "xdf_example_files/data_with_clock_resets.xdf": {"BioSemi": (27814, 8), "MyMarkerStream": 174},
    "xdf_example_files/empty_streams.xdf": {"Data stream: test stream 0 counter": (10, 1), "ctrl": 1},
    "xdf_example_files/minimal.xdf": {"SendDataC": (9, 3), "SendDataString": 9},
}  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", REAL, ids=lambda name: Path(name).stem)
def test_foreign_files_are_read_whole(name: str, real_data: Path) -> None:
    recording = read_recording(real_data / name)
    found = {s.spec.name: s.data.shape for s in recording.signals} | {
        m.spec.name: len(m.labels) for m in recording.markers
    }
    assert found == REAL[name]
    assert list(found) == list(REAL[name])


@pytest.mark.data
def test_a_foreign_file_gives_pyxdf_s_samples_with_channels_and_unit(real_data: Path) -> None:
    path = real_data / "bci_essentials_xdf/data/switch_example.xdf"
    streams, _ = pyxdf.load_xdf(path, select_streams=[{"type": "EEG"}], dejitter_timestamps=False)
    signal = read_recording(path).signal()
    assert np.array_equal(signal.data, streams[0]["time_series"])
    assert np.array_equal(signal.stamps, streams[0]["time_stamps"])
    assert signal.spec.ch_names[:3] == ("F3", "Fz", "F4")
    assert (signal.spec.unit, signal.spec.sfreq, signal.spec.hostname) == ("microvolts", 256.0, "DESKTOP-0CDR8QE")
