"""The native folder gives a recording back exactly, or says what is wrong with it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from streamkit.errors import RecordingError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal, XdfWriter, read_recording, write_recording
from streamkit.types import StreamSpec


def assert_same(first: Recording, second: Recording) -> None:
    """Every bit of the two is the same."""
    assert first.meta == second.meta
    assert [s.spec for s in first.signals] == [s.spec for s in second.signals]
    for one, other in zip(first.signals, second.signals, strict=True):
        assert one.data.dtype == other.data.dtype
        assert one.data.tobytes() == other.data.tobytes()
        assert one.stamps.tobytes() == other.stamps.tobytes()
    for one, other in zip(first.markers, second.markers, strict=True):
        assert (one.spec, one.labels, one.columns) == (other.spec, other.labels, other.columns)
        assert one.stamps.tobytes() == other.stamps.tobytes()
    assert {k: p.read_bytes() for k, p in first.stimuli.items()} == {
        k: p.read_bytes() for k, p in second.stimuli.items()
    }
    assert list(first.stimulus_arrays) == list(second.stimulus_arrays)
    for label, image in first.stimulus_arrays.items():
        assert image.dtype == second.stimulus_arrays[label].dtype
        assert image.tobytes() == second.stimulus_arrays[label].tobytes()


def test_a_recording_comes_back_bit_for_bit(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "deep" / "native")
    assert_same(whole, read_recording(path))
    assert_same(whole, read_recording(write_recording(read_recording(path), tmp_path / "again")))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "?"])
def test_every_type_of_number_comes_back(dtype: str, tmp_path: Path) -> None:
    data = np.arange(12).reshape(6, 2).astype(dtype)
    recording = Recording((Signal(StreamSpec(name="x", ch_names=("a", "b"), sfreq=10), data, np.arange(6.0)),))
    back = read_recording(write_recording(recording, tmp_path / "x")).signal()
    assert back.data.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(back.data, data)


def test_other_types_are_refused(tmp_path: Path) -> None:
    data = np.zeros((2, 1), complex)
    recording = Recording((Signal(StreamSpec(name="x", ch_names=("a",), sfreq=10), data, np.arange(2.0)),))
    with pytest.raises(RecordingError, match=r"stream 'x' has data of type complex128, which XDF cannot hold"):
        write_recording(recording, tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_streams_of_one_name_and_empty_streams_are_kept(tmp_path: Path) -> None:
    spec = StreamSpec(name="twin", ch_names=("a",), sfreq=10)
    marks = Markers(spec.model_copy(update={"sfreq": 0.0, "channel_format": "string"}), (), np.zeros(0))
    full = Signal(spec, np.ones((2, 1), np.float32), np.arange(2.0))
    recording = Recording((full, Signal(spec, np.zeros((0, 1), np.float32), np.zeros(0)), full), (marks,))
    assert_same(recording, read_recording(write_recording(recording, tmp_path / "x")))


def test_the_parts_are_what_other_programs_read(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    streams, _ = pyxdf.load_xdf(path / "recording.xdf", dejitter_timestamps=False)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    assert np.array_equal(by_name["amp & <co>"]["time_series"], whole.signals[1].data, equal_nan=True)
    assert by_name["flashes"]["time_series"] == [["face"], ["höuse\n2"], ["face"]]
    sidecar = json.loads((path / "recording.json").read_text("utf-8"))
    assert sidecar["format"] == "streamkit-recording"
    assert sidecar["stimuli"]["again"] == "stimuli/h_use.bin"
    from PIL import Image

    with Image.open(path / "stimuli" / "face.png") as picture:
        assert picture.size == (5, 4)


def test_an_existing_folder_is_not_overwritten_unless_asked(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    other = replace(whole, meta=RecordingMeta(name="other"))
    with pytest.raises(RecordingError, match=r"x exists already\. Choose another folder, or pass overwrite=True"):
        write_recording(other, path)
    assert read_recording(path).meta.name == "all of it"
    write_recording(other, path, overwrite=True)
    assert read_recording(path).meta.name == "other"
    assert [entry for entry in os.listdir(tmp_path) if entry.startswith(".")] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stimuli": {"face": Path("/nowhere/face.png")}}, r"the stimulus /nowhere/face\.png cannot be copied"),
        ({"meta": RecordingMeta(details={"x": {1, 2}})}, r"must be plain JSON values"),
    ],
)
def test_a_recording_that_cannot_be_written_leaves_nothing(
    change: dict[str, object], message: str, whole: Recording, tmp_path: Path
) -> None:
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(RecordingError, match=message):
        write_recording(replace(whole, **change), tmp_path / "x")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("a",)}, r"marker stream 'flashes': stamps has 3 entries for 1 labels"),
        ({"columns": {"trial": [1]}}, r"marker stream 'flashes': trial has 1 entries for 3 labels"),
        ({"spec": StreamSpec(name="n", ch_names=("c",), sfreq=0, channel_format="int8")}, r"'n' is declared int8, but"),
    ],
)
def test_markers_that_contradict_themselves_are_refused(
    change: dict[str, object], message: str, flashes: Markers, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match=message):
        write_recording(Recording((), (replace(flashes, **change),)), tmp_path / "x")


def test_a_missing_part_is_named(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    (path / "stimuli" / "face.png").unlink()
    with pytest.raises(RecordingError, match=r"x is incomplete: stimuli/face\.png is missing"):
        read_recording(path)
    (path / "recording.xdf").unlink()
    with pytest.raises(
        RecordingError, match=r"x is not a recording: it has no recording\.xdf \(found: recording\.json"
    ):
        read_recording(path)


def test_a_lost_array_is_named(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    (path / "stimuli" / "arrays.safetensors").write_bytes(b"broken")
    with pytest.raises(RecordingError, match=r"arrays\.safetensors cannot be read"):
        read_recording(path)


def test_a_label_that_is_a_file_name_is_that_file(whole: Recording, tmp_path: Path) -> None:
    square = np.full((1, 4, 4), 51, np.float32) / np.float32(255)
    images = {"cat.png": square, "cat": np.float32(102) / np.float32(255) + 0 * square, "dog": square}
    path = write_recording(replace(whole, stimuli={}, stimulus_arrays=images), tmp_path / "x")
    names = {file.name for file in (path / "stimuli").iterdir()}
    assert {"cat.png", "dog.png"} < names
    assert len(names) == 3
    assert not any(name.endswith(".png.png") for name in names)
    back = read_recording(path).stimulus_arrays
    assert list(back) == list(images)
    for label, image in images.items():
        np.testing.assert_array_equal(back[label], image)


def test_a_stimulus_outside_the_folder_is_refused(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    sidecar = json.loads((path / "recording.json").read_text())
    sidecar["stimuli"]["face"] = "../../secret.png"
    (path / "recording.json").write_text(json.dumps(sidecar))
    with pytest.raises(
        RecordingError, match=r"names '\.\./\.\./secret\.png' as a stimulus, which is outside the folder"
    ):
        read_recording(path)


def test_a_sidecar_with_an_unknown_key_says_where(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    sidecar = json.loads((path / "recording.json").read_text())
    (path / "recording.json").write_text(json.dumps(sidecar | {"colour": "red"}))
    with pytest.raises(RecordingError, match=r"recording\.json is not valid at colour: no such key is known"):
        read_recording(path)
    (path / "recording.json").write_text("{")
    with pytest.raises(RecordingError, match=r"recording\.json is not valid at the whole: Invalid JSON"):
        read_recording(path)


def test_an_xdf_file_with_fewer_samples_than_it_should_hold_is_refused(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    (path / "recording.xdf").unlink()
    with XdfWriter(path / "recording.xdf") as writer:
        stream = writer.add_stream(whole.signals[0].spec)
        writer.samples(stream, whole.signals[0].data[:9], whole.signals[0].stamps[:9])
    with pytest.raises(RecordingError, match=r"holds 9 samples of stream 1, but recording\.json says 40"):
        read_recording(path)
    salvaged = read_recording(path, salvage=True)
    assert [s.data.shape for s in salvaged.signals] == [(9, 2)]


def test_a_folder_without_sidecar_is_read_as_far_as_it_was_written(whole: Recording, tmp_path: Path) -> None:
    path = write_recording(whole, tmp_path / "x")
    (path / "recording.json").unlink()
    content = (path / "recording.xdf").read_bytes()
    (path / "recording.xdf").write_bytes(content[:-3])
    recording = read_recording(path)
    assert recording.signal("amp & <co>").data.tobytes() == whole.signals[1].data.tobytes()
    assert recording.meta.name == "x"
    assert any("the recorder did not finish" in note for note in recording.meta.details["notes"])


def test_an_empty_folder_is_not_a_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"is not a recording: it has no recording\.xdf \(found: nothing\)"):
        read_recording(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "bci_essentials_xdf_history/ssvep_example.xdf",
        "xdf_example_files/clock_resets.xdf",
        "eeglab_sample/eeglab_data.set",
    ],
)
def test_real_recordings_come_back_bit_for_bit(name: str, real_data: Path, tmp_path: Path) -> None:
    recording = read_recording(real_data / name)
    assert_same(recording, read_recording(write_recording(recording, tmp_path / "x")))
