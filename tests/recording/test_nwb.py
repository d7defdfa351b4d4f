"""NWB files that pynwb wrote come back value by value: signals, spikes, tables, pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from PIL import Image
from pynwb.ecephys import ElectricalSeries
from pynwb.image import ImageSeries, IndexSeries
from pynwb.misc import AnnotationSeries

from streamkit.errors import ConfigError, MissingPackage, RecordingError
from streamkit.recording import Recording, read_recording, write_recording
from streamkit.recording.nwb import read_nwb
from streamkit.recording.nwb_series import steady_rate
from streamkit.recording.nwb_stimuli import as_image
from tests.recording.published import (
    COLOUR,
    COUNTS,
    GREY,
    IRREGULAR,
    JITTERED,
    STACK,
    START,
    add_licks,
    fill,
    show_pictures,
    voltages,
    write_nwb,
)

MICROVOLTS = (COUNTS * (2e-7 * np.array([1.0, 2.0, 0.5])) + 1e-5) * 1e6


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything."""
    return write_nwb(tmp_path_factory.mktemp("nwb") / "sub-m1" / "sub-m1_ses-day-1.nwb", fill, add_licks)


@pytest.fixture(scope="module")
def recording(path: Path) -> Recording:
    return read_recording(path)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Callable[[pynwb.NWBFile], object]], Path]:
    """Write a file with what a function adds to it."""
    return partial(write_nwb, tmp_path / "made.nwb")


def notes(recording: Recording) -> str:
    return "\n".join(recording.meta.details.get("notes", []))


def test_signals_of_the_brain_come_first(recording: Recording) -> None:
    assert [(s.spec.name, s.spec.type, s.spec.unit, s.spec.sfreq) for s in recording.signals] == [
        ("raw", "Ephys", "microvolts", 250.0),
        ("units", "Spikes", "counts", 100.0),
        ("lfp", "LFP", "microvolts", 100.0),
        ("lick", "Misc", "N", 0.0),
        ("wheel", "Misc", "", 100.0),
    ]


def test_voltages_are_microvolts_named_by_their_electrodes(recording: Recording) -> None:
    raw = recording.signal("raw")
    assert raw.spec.ch_names == ("A2", "A0", "A3")
    assert raw.data.dtype == np.float32
    assert np.allclose(raw.data, MICROVOLTS, rtol=1e-6)
    assert np.array_equal(raw.stamps, 5.0 + np.arange(1000) / 250)


def test_explicit_stamps_are_kept_and_a_steady_rate_is_found_in_them(recording: Recording) -> None:
    lfp = recording.signal("lfp")
    assert np.array_equal(lfp.stamps, JITTERED)
    assert np.allclose(lfp.data, MICROVOLTS[:500], rtol=1e-6)


def test_irregular_stamps_are_kept(recording: Recording) -> None:
    lick = recording.signal("lick")
    assert np.array_equal(lick.stamps, IRREGULAR)
    assert np.array_equal(lick.data[:, 0], np.arange(40.0))
    assert lick.data.dtype == np.float64


def test_whole_numbers_without_a_scale_stay_as_they_are(recording: Recording) -> None:
    wheel = recording.signal("wheel")
    assert wheel.data.dtype == np.int32
    assert np.array_equal(wheel.data[:, 0], np.arange(300))


def test_spikes_are_counted_in_bins_stamped_with_their_end(recording: Recording) -> None:
    units = recording.signal("units")
    assert units.spec.ch_names == ("u0", "u1", "u2")
    assert units.spec.description["bin"] == "0.01"
    assert units.data.dtype == np.int16
    assert np.allclose(units.stamps, 5.01 + np.arange(30) / 100)
    expected = np.zeros((30, 3))
    expected[[0, 1, 29], 0] = [1, 2, 1]
    expected[0, 1] = 1
    assert np.array_equal(units.data, expected)


def test_the_width_of_bins_can_be_chosen(path: Path) -> None:
    units = read_nwb(path, spike_bin=0.1).signal("units")
    assert units.spec.sfreq == 10
    assert units.data[:, 0].tolist() == [3, 0, 1]
    assert np.allclose(units.stamps, [5.1, 5.2, 5.3])


def test_trials_are_markers_in_order_of_time_with_their_columns(recording: Recording) -> None:
    trials = next(m for m in recording.markers if m.spec.name == "trials")
    assert trials.labels == ("stop", "go", "go")
    assert trials.stamps.tolist() == [5.5, 6.0, 7.0]
    assert trials.columns["score"] == [None, 1.0, 3.0]
    assert trials.columns["duration"] == [0.25] * 3
    assert trials.columns["stop_time"] == [5.75, 6.25, 7.25]


def test_a_table_of_events_is_a_marker_stream(recording: Recording) -> None:
    licks = next(m for m in recording.markers if m.spec.name == "licks")
    assert (licks.labels, licks.stamps.tolist()) == (("right", "left"), [5.4, 5.9])


def test_pictures_are_markers_with_their_names_and_stimuli(recording: Recording) -> None:
    shown = next(m for m in recording.markers if m.spec.name == "shown")
    assert (shown.labels, shown.stamps.tolist()) == (("dog", "cat", "dog"), [5.2, 5.7, 6.2])
    assert np.array_equal(recording.stimulus_arrays["cat"], GREY[None] / np.float32(255))
    assert np.array_equal(recording.stimulus_arrays["dog"], np.moveaxis(COLOUR, 2, 0) / np.float32(255))


def test_a_table_of_presentations_shows_the_frames_that_it_names(recording: Recording) -> None:
    scenes = next(m for m in recording.markers if m.spec.name == "scenes_presentations")
    assert scenes.labels == ("scenes/2", "scenes", "scenes/0")
    assert set(recording.stimulus_arrays) == {"cat", "dog", "scenes/0", "scenes/2"}
    assert np.array_equal(recording.stimulus_arrays["scenes/2"], STACK[2][None] / np.float32(255))


def test_provenance_is_that_of_the_subject_and_session(recording: Recording) -> None:
    meta = recording.meta
    assert (meta.name, meta.group) == ("sub-m1_ses-day-1", "sub-m1_ses-day-1")
    assert (meta.subject, meta.session) == ("m1", "day-1")
    assert meta.details["subject"] == {"species": "Mus musculus", "age": "P90D"}
    assert meta.source == "sub-m1_ses-day-1.nwb"


def test_the_dandiset_gives_identifier_and_licence(path: Path) -> None:
    described = path.parents[1] / "dandiset.yaml"
    described.write_text("identifier: DANDI:000001\nlicense:\n- spdx:CC-BY-4.0\nname: Simulated\n")
    meta = read_recording(path).meta
    assert (meta.source, meta.licence) == ("DANDI:000001", "CC-BY-4.0")
    described.write_text("license: [unclosed")
    with pytest.raises(RecordingError, match=r"dandiset\.yaml cannot be read"):
        read_recording(path)
    described.unlink()


def test_a_file_survives_the_native_folder_bit_for_bit(recording: Recording, tmp_path: Path) -> None:
    back = read_recording(write_recording(recording, tmp_path / "native"))
    for one, other in zip(recording.signals, back.signals, strict=True):
        assert one.spec == other.spec
        assert (one.data.tobytes(), one.stamps.tobytes()) == (other.data.tobytes(), other.stamps.tobytes())
    for markers, others in zip(recording.markers, back.markers, strict=True):
        assert (markers.labels, markers.columns) == (others.labels, others.columns)
    for label, image in recording.stimulus_arrays.items():
        assert np.array_equal(image, back.stimulus_arrays[label])


def test_a_part_is_all_that_is_read(path: Path) -> None:
    part = read_nwb(path, start=5.5, stop=6.5, streams=["raw", "lick"])
    assert [s.spec.name for s in part.signals] == ["raw", "lick"]
    assert np.allclose(part.signal().stamps, 5.5 + np.arange(250) / 250)
    assert np.allclose(part.signal().data, MICROVOLTS[125:375], rtol=1e-6)
    assert [e.label for e in part.events()] == ["stop", "cat", "left", "go", "dog"]
    with pytest.raises(ConfigError, match=r"has no signal 'wheels'; it has raw, units, lfp, lick, wheel"):
        read_nwb(path, streams=["wheels"])
    with pytest.raises(ConfigError, match="stop has to come later"):
        read_nwb(path, start=2, stop=1)


def test_reading_in_blocks_changes_nothing(path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamkit.recording.nwb_series.BLOCK", 10)
    assert np.array_equal(read_recording(path).signal().data, recording.signal().data)


def test_only_the_samples_asked_for_are_read_from_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, object]] = []
    plain = h5py.Dataset.__getitem__
    monkeypatch.setattr(
        h5py.Dataset, "__getitem__", lambda self, key, **kw: taken.append((self.name, key)) or plain(self, key, **kw)
    )
    read_nwb(path, start=5.5, stop=5.6, streams=["raw"])
    read = {name for name, _ in taken}
    assert ("/acquisition/raw/data", slice(125, 150, None)) in taken
    assert not [name for name in read if name.endswith(("lfp/data", "scenes/data", "pictures/cat"))]


def test_more_than_memory_holds_is_refused_with_what_to_leave_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.sysconf
    monkeypatch.setattr(os, "sysconf", lambda name: 10 if name == "SC_PHYS_PAGES" else real(name))
    with pytest.raises(RecordingError, match=r"would take .* GB of memory \(raw .*--option streams=NAME"):
        read_recording(path)


def test_frames_of_a_film_are_shown_at_their_stamps(saved: Callable[..., Path]) -> None:
    film = ImageSeries(name="film", data=STACK, unit="n.a.", timestamps=[1.0, 1.5, 2.0])
    recording = read_recording(saved(lambda file: file.add_stimulus(film)))
    assert [(e.label, e.stamp) for e in recording.events()] == [("film/0", 1.0), ("film/1", 1.5), ("film/2", 2.0)]
    assert np.array_equal(recording.stimulus_arrays["film/1"], STACK[1][None] / np.float32(255))


def test_an_index_into_a_stack_is_labelled_by_frame_and_minus_one_is_blank(saved: Callable[..., Path]) -> None:
    path = saved(show_pictures)
    with h5py.File(path, "r+") as file:  # as files before NWB 2.5 have it; pynwb reads that, but does not write it
        shown = file["stimulus/presentation/shown"]
        facts = dict(shown["data"].attrs)
        del shown["data"], shown["indexed_images"]
        shown["data"] = np.array([2, -1, 2], np.int32)
        shown["data"].attrs.update(facts)
        shown["indexed_timeseries"] = h5py.SoftLink("/stimulus/templates/scenes")
    recording = read_recording(path)
    assert recording.markers[0].labels == ("scenes/2", "blank", "scenes/2")
    assert set(recording.stimulus_arrays) == {"scenes/2", "scenes/0"}


def test_image_files_beside_the_file_are_shown(saved: Callable[..., Path], tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "one.png")
    files = ImageSeries(
        name="cards", external_file=["one.png", "two.png", "film.mp4"], format="external", unit="n.a.",
        starting_frame=[0, 1, 2], timestamps=[1.0, 2.0, 3.0],
    )  # fmt: skip
    recording = read_recording(saved(lambda file: file.add_stimulus(files)))
    assert recording.stimuli == {"cards/0": tmp_path / "one.png"}
    assert [e.label for e in recording.events()] == ["cards/0", "cards/1", "cards/2"]
    assert f"the stimulus {tmp_path / 'two.png'} is missing, so it is not shown" in notes(recording)
    assert "film.mp4 is not shown: only image files beside the NWB file are" in notes(recording)


def test_words_are_markers(saved: Callable[..., Path]) -> None:
    def add(file: pynwb.NWBFile) -> None:
        file.add_acquisition(AnnotationSeries(name="log", data=["start", "stop"], timestamps=[0.1, 0.9]))

    recording = read_recording(saved(add))
    assert [(e.label, e.stamp, e.stream) for e in recording.events()] == [("start", 0.1, "log"), ("stop", 0.9, "log")]


def test_numbers_of_electrodes_name_channels_where_there_are_no_names(tmp_path: Path) -> None:
    file = pynwb.NWBFile(session_description="simulated", identifier="x", session_start_time=START)
    shank = file.create_electrode_group("shank", "one", "V1", file.create_device(name="probe"))
    for k in (7, 9):
        file.add_electrode(group=shank, location="V1", id=k)
    region = {"electrodes": file.create_electrode_table_region(region=[1, 0], description="both")}
    file.add_acquisition(ElectricalSeries(name="raw", data=COUNTS[:, :2], rate=250.0, **region))
    with pynwb.NWBHDF5IO(str(tmp_path / "x.nwb"), "w") as io:
        io.write(file)
    recording = read_recording(tmp_path / "x.nwb")
    assert recording.signal().spec.ch_names == ("E9", "E7")
    assert (recording.meta.subject, recording.meta.session) == ("", "x")


def test_what_is_no_signal_is_left_out_with_a_note(saved: Callable[..., Path]) -> None:
    def add(file: pynwb.NWBFile) -> None:
        file.add_acquisition(voltages(file))
        file.add_acquisition(pynwb.TimeSeries(name="cube", data=np.zeros((4, 2, 2)), unit="V", rate=1.0))

    recording = read_recording(saved(add))
    assert [s.spec.name for s in recording.signals] == ["raw"]
    assert "cube is left out: TimeSeries of shape (4, 2, 2) is no signal" in notes(recording)


def test_units_without_spikes_are_left_out_with_a_note(saved: Callable[..., Path]) -> None:
    def add(file: pynwb.NWBFile) -> None:
        file.add_acquisition(voltages(file))
        file.add_unit(spike_times=[])

    recording = read_recording(saved(add))
    assert [s.spec.name for s in recording.signals] == ["raw"]
    assert "the table of units holds no spikes" in notes(recording)


def only_empty_units(file: pynwb.NWBFile) -> None:
    file.add_unit(spike_times=[])


def stamps_not_finite(file: pynwb.NWBFile) -> None:
    stamps = np.where(np.arange(40) == 3, np.nan, IRREGULAR)
    file.add_acquisition(pynwb.TimeSeries(name="lick", data=np.arange(40.0), unit="N", timestamps=stamps))


def spikes_not_finite(file: pynwb.NWBFile) -> None:
    file.add_unit(spike_times=[1.0, np.nan])


def index_beyond_the_pictures(file: pynwb.NWBFile) -> None:
    fill(file)
    shelf = file.stimulus["shown"].indexed_images
    file.add_stimulus(IndexSeries(name="more", data=[9], unit="N/A", indexed_images=shelf, timestamps=[1.0]))


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda file: None, r"made\.nwb holds nothing to replay: no time series, spikes, trials or events"),
        (only_empty_units, r"made\.nwb holds nothing to replay"),
        (stamps_not_finite, r"lick: 1 of 40 timestamps are not finite, the first at 3"),
        (spikes_not_finite, r"units, unit 0: 1 of 2 spike times are not finite, the first at 1"),
        (index_beyond_the_pictures, r"more refers to image 9 of 2, counted from 0"),
    ],
)
def test_what_cannot_be_is_one_error(add: Callable[..., object], message: str, saved: Callable[..., Path]) -> None:
    with pytest.raises(RecordingError, match=message):
        read_recording(saved(add))


def test_a_wrong_unit_is_refused(saved: Callable[..., Path]) -> None:
    path = saved(lambda file: file.add_acquisition(voltages(file)))
    with h5py.File(path, "r+") as file:
        file["acquisition/raw/data"].attrs["unit"] = "degrees"
    with pytest.raises(RecordingError, match=r"raw is an ElectricalSeries in 'degrees', expected volts"):
        read_recording(path)


def test_a_truncated_file_is_cut_short(path: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.nwb").write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(RecordingError, match=r"cut\.nwb is cut short \(.*eof = 50000.*Copy or download it again"):
        read_recording(tmp_path / "cut.nwb")


def test_another_kind_of_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.nwb").write_text("this is no HDF5")
    with pytest.raises(RecordingError, match=r"text\.nwb cannot be read as NWB \(.*file signature not found"):
        read_recording(tmp_path / "text.nwb")
    with h5py.File(tmp_path / "bare.nwb", "w") as file:
        file["x"] = 1
    with pytest.raises(RecordingError, match=r"bare\.nwb cannot be read as NWB"):
        read_recording(tmp_path / "bare.nwb")


def test_a_damaged_block_of_samples_is_one_error(saved: Callable[..., Path]) -> None:
    from hdmf.backends.hdf5.h5_utils import H5DataIO

    data = H5DataIO(COUNTS, compression="gzip", chunks=(100, 3))
    path = saved(lambda file: file.add_acquisition(voltages(file, data=data)))
    with h5py.File(path, "r") as file:
        chunk = file["acquisition/raw/data"].id.get_chunk_info(5)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"made\.nwb cannot be read as NWB \(.*it is damaged"):
        read_recording(path)


def test_a_folder_of_several_files_names_them(path: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"sub-{name}").mkdir()
        (tmp_path / f"sub-{name}" / f"sub-{name}.nwb").write_bytes(path.read_bytes())
    with pytest.raises(RecordingError, match=r"holds 2 NWB files: sub-a/sub-a\.nwb, sub-b/sub-b\.nwb\. Give one"):
        read_recording(tmp_path)
    assert read_recording(tmp_path / "sub-b").meta.name == "sub-b"


def test_without_pynwb_the_extra_to_install_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynwb", None)
    with pytest.raises(MissingPackage, match=r"reading NWB files needs .*pip install 'streamkit\[nwb\]'"):
        read_recording(path)


@pytest.mark.parametrize(
    ("steps", "rate"),
    [
        ([1 / 2500] * 99, 2500.0),
        ([1 / 2500.02] * 99, 2500.0),
        ([1 / 1249.999] * 50 + [3.0] + [1 / 1249.999] * 50, 1250.0),
        ([0.4] * 20, 2.5),
        ([0.1, 0.2] * 20, 0.0),
        ([0.0] * 20, 0.0),
        ([0.1] * 5, 0.0),
    ],
)
def test_a_rate_is_stated_only_for_steady_stamps(steps: list[float], rate: float) -> None:
    assert steady_rate(np.cumsum([0.0, *steps])) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("pixels", "top"),
    [
        (np.array([[0, 65535]], np.uint16), 1.0),
        (np.array([[0.0, 0.5]]), 0.5),
        (np.array([[0.0, 255.0]]), 1.0),
        (np.array([[False, True]]), 1.0),
        (np.full((2, 2, 4), 255, np.uint8), 1.0),
    ],
)
def test_pixels_of_any_type_end_between_0_and_1(pixels: np.ndarray, top: float) -> None:
    image = as_image(pixels, "x")
    assert image.dtype == np.float32
    assert (image.max(), image.shape[0]) == (top, 3 if pixels.ndim == 3 else 1)


def test_a_volume_is_no_image() -> None:
    with pytest.raises(RecordingError, match=r"x: expected an image of \(rows, columns\[, 3 or 4 colours\]\)"):
        as_image(np.zeros((4, 4, 7)), "x")
