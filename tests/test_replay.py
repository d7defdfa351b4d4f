"""A replayed recording arrives whole, unchanged and on time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from apps.commands.replay import command
from streamkit.errors import ConfigError, RecordingError, StreamNotFound
from streamkit.recording import Markers, Recording, Signal, read_recording, write_recording
from streamkit.replay import Replay
from streamkit.types import StreamSpec
from tests.recording.lsl_capture import RESOLVE_S, Listener, captured, running, short_recording

pytestmark = pytest.mark.lsl

COUNTS = {"short-shown": 2, "words": 3, "codes": 2, "eeg": 500, "acc": 104, "slow": 5}
"""What a capture of all but the images may wait for; who comes late to the images misses some."""

XDF_FILES = (
    "bci_essentials_xdf/data/switch_example.xdf",
    "bci_essentials_xdf_history/ssvep_example.xdf",
    "eeglab_sample/test_data/test.xdf",
    *(
        f"museLSL2_xdf/data/sub-{who}/ses-S001/eeg/sub-{who}_ses-S001_task-Default_run-001_eeg.xdf"
        for who in ("P001", "P031", "P032")
    ),
    *(
        f"xdf_example_files/{name}.xdf"
        for name in ("clock_resets", "data_with_clock_resets", "empty_streams", "minimal")
    ),
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return short_recording()


@pytest.fixture(scope="module")
def capture(recording: Recording) -> tuple[Replay, dict[str, Listener]]:
    """All streams of the recording, heard by plain pylsl."""
    replay = Replay(recording, wait_for_consumers=RESOLVE_S, linger=1.0)
    return replay, captured(replay, COUNTS)


def test_source_ids_name_the_streams(recording: Recording) -> None:
    assert Replay(recording, base="me").source_ids == {name: f"me/{name}" for name in COUNTS}
    first, second = (Replay(recording).source_ids["eeg"] for _ in range(2))
    assert first.startswith("replay-")
    assert first != second


@pytest.mark.parametrize("index", [0, 1, 2])
def test_signals_arrive_sample_for_sample_with_the_stamps_of_the_schedule(
    index: int, recording: Recording, capture: tuple[Replay, dict[str, Listener]]
) -> None:
    replay, heard = capture
    signal = recording.signals[index]
    got = heard[signal.spec.name]
    assert np.array_equal(np.array(got.values, signal.data.dtype), signal.data)
    assert np.array_equal(got.stamps, signal.stamps + replay.shift)
    assert got.info.channel_format() == {"eeg": 1, "acc": 5, "slow": 2}[signal.spec.name]


def test_markers_arrive_as_text_and_as_numbers(
    recording: Recording, capture: tuple[Replay, dict[str, Listener]]
) -> None:
    replay, heard = capture
    assert heard["words"].values == [["face"], ["höuse"], ["face"]]
    assert heard["codes"].values == [[1], [22]]
    for markers in recording.markers:
        assert np.array_equal(heard[markers.spec.name].stamps, markers.stamps + replay.shift)


def test_shown_images_arrive_with_the_stamps_of_their_markers(
    recording: Recording, capture: tuple[Replay, dict[str, Listener]]
) -> None:
    replay, heard = capture
    shown = heard["short-shown"]
    image = recording.stimulus_arrays["face"]
    assert np.array_equal(np.array(shown.values, np.float32), [image.ravel()] * 2)
    assert np.array_equal(shown.stamps, recording.markers[0].stamps[[0, 2]] + replay.shift)
    facts = {
        "shape": "1,3,4",
        "layout": "CHW",
        "role": "shown",
        "simulated": "true",
        "recording": "short",
        "speed": "1.0",
    }
    assert shown.keys() == facts
    assert shown.info.type() == "Image"


def test_nothing_arrives_before_its_time_and_the_typical_delay_is_short(
    capture: tuple[Replay, dict[str, Listener]],
) -> None:
    for name, got in capture[1].items():
        delay = np.array(got.arrivals) - np.array(got.stamps)
        assert delay.min() >= 0, name
    markers = np.array(capture[1]["words"].arrivals) - np.array(capture[1]["words"].stamps)
    eeg = np.array(capture[1]["eeg"].arrivals) - np.array(capture[1]["eeg"].stamps)
    assert np.median(markers) < 0.02
    assert np.median(eeg) < 0.02 + 0.01


def test_the_description_has_labels_and_units(capture: tuple[Replay, dict[str, Listener]]) -> None:
    info = capture[1]["eeg"].info
    assert info.get_channel_labels() == ["C3", "C4", "count"]
    assert info.get_channel_units() == ["microvolts"] * 3
    assert (info.type(), info.nominal_srate()) == ("EEG", 250.0)


def test_a_part_at_four_times_the_speed(recording: Recording) -> None:
    replay = Replay(recording, speed=4, start=0.5, stop=1.5, wait_for_consumers=RESOLVE_S, linger=0.5)
    begin = recording.span[0]
    eeg = recording.signals[0]
    stamps = np.maximum.accumulate(eeg.stamps)
    kept = (stamps >= begin + 0.5) & (stamps < begin + 1.5)
    got = captured(replay, {"eeg": int(kept.sum()), "words": 1, "codes": 2, "acc": 52, "slow": 1})["eeg"]
    assert np.array_equal(np.array(got.values, np.float32), eeg.data[kept])
    assert np.array_equal(got.stamps, eeg.stamps[kept] / 4 + replay.shift)
    assert got.info.nominal_srate() == 250
    assert got.keys()["speed"] == "4.0"
    assert np.isclose(got.stamps[-1] - got.stamps[0], 0.25, atol=0.01)


def test_a_loop_goes_on_without_a_jump() -> None:
    data = np.arange(25, dtype=np.float64)[:, None]
    spec = StreamSpec(name="tick", type="EEG", ch_names=("n",), sfreq=100)
    replay = Replay(Recording((Signal(spec, data, 3 + np.arange(25) / 100),)), loop=True, wait_for_consumers=RESOLVE_S)
    got = captured(replay, {"tick": 60})["tick"]
    assert [row[0] for row in got.values[:60]] == [n % 25 for n in range(60)]
    assert np.allclose(np.diff(got.stamps), 0.01, atol=1e-9)
    assert np.isclose(replay.period, 0.25)


def counted(name: str, rate: float, first: float, seconds: float) -> Signal:
    """A steady signal whose values count its samples."""
    n_times = round(seconds * rate)
    spec = StreamSpec(name=name, type="EEG", ch_names=("n",), sfreq=rate, channel_format="int32")
    return Signal(spec, np.arange(n_times, dtype=np.int32)[:, None], first + np.arange(n_times) / rate)


def worded(*stamps: float) -> Markers:
    spec = StreamSpec(name="words", type="Markers", ch_names=("m",), sfreq=0, channel_format="string")
    return Markers(spec, tuple(f"m{i}" for i in range(len(stamps))), np.array(stamps))


def first_channel(listener: Listener) -> list[int]:
    return [row[0] for row in listener.values]


def test_several_streams_loop_in_steps_of_one_period_with_markers_in_place() -> None:
    recording = Recording((counted("fast", 500, 7.0, 1.0), counted("slow", 40, 7.013, 1.0)), (worded(7.1, 7.52),))
    replay = Replay(recording, loop=True, wait_for_consumers=RESOLVE_S)
    heard = captured(replay, {"fast": 1300, "slow": 100, "words": 5})
    for name, rate in (("fast", 500), ("slow", 40)):
        assert np.abs(np.diff(heard[name].stamps) - 1 / rate).max() < 1e-9
    assert np.isclose(replay.period, 0.95)
    marks = np.array(heard["words"].stamps[:4])
    assert np.allclose(marks - replay.shift, [7.1, 7.52, 7.1 + replay.period, 7.52 + replay.period])
    at = np.searchsorted(heard["fast"].stamps, marks - 1e-6)
    assert [first_channel(heard["fast"])[i] for i in at] == [50, 260] * 2


def test_half_the_speed_takes_twice_as_long() -> None:
    replay = Replay(Recording((counted("n", 200, 3.0, 0.5),)), speed=0.5, wait_for_consumers=RESOLVE_S, linger=0.3)
    got = captured(replay, {"n": 100})["n"]
    assert first_channel(got) == list(range(100))
    assert np.allclose(np.diff(got.stamps), 0.01)
    assert got.arrivals[-1] - got.arrivals[0] > 0.9


def test_seeking_goes_on_elsewhere_with_stamps_that_grow() -> None:
    recording = Recording((counted("n", 500, 100.0, 60.0),), (worded(130.1, 150.0),))
    replay = Replay(recording, loop=True, wait_for_consumers=RESOLVE_S)
    with running(replay):
        number, words = (Listener(replay.source_ids[name], count) for name, count in (("n", 500), ("words", 1)))
        for listener in (number, words):
            listener.start()
        assert wait_until(lambda: len(number.values) > 0)
        for target, reached in ((30.0, 15100), (59.8, 29950), (5.0, 2600), (100.0, 100)):
            before = len(number.values)
            replay.seek(target)
            arrived = wait_until(lambda reached=reached, before=before: reached in first_channel(number)[before:])
            assert arrived, target
        for listener in (number, words):
            listener.stop()
    steps = np.diff(number.stamps)
    jumps = np.flatnonzero(np.diff(first_channel(number)) != 1)
    assert [first_channel(number)[i + 1] // 10 for i in jumps] == [1500, 2990, 250, 0]
    assert (steps > 0).all()
    assert steps.max() < 0.5
    assert words.values[:1] == [["m0"]]


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + RESOLVE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_what_lies_at_one_instant_does_not_loop() -> None:
    with pytest.raises(ConfigError, match=r"cannot loop: all of it lies at one instant.* Play it once, without loop"):
        Replay(Recording((), (worded(5.0),)), loop=True)
    assert Replay(Recording((), (worded(5.0),))).period == 0


def test_a_part_loops() -> None:
    recording = Recording((counted("n", 100, 0.0, 10.0),))
    replay = Replay(recording, loop=True, start=2.0, stop=2.3, wait_for_consumers=RESOLVE_S)
    got = captured(replay, {"n": 70})["n"]
    assert first_channel(got)[:70] == [200 + n % 30 for n in range(70)]
    assert np.allclose(np.diff(got.stamps), 0.01, atol=1e-9)


def test_a_reader_that_vanishes_leaves_the_others_their_samples() -> None:
    replay = Replay(Recording((counted("n", 1000, 0.0, 1.5),)), linger=0.5, go=threading.Event())
    with running(replay):
        listeners = [Listener(replay.source_ids["n"], count) for count in (1500, 200)]
        for listener in listeners:
            listener.start()
        replay.go.set()
        stays, leaves = listeners
        assert leaves.done.wait(RESOLVE_S)
        leaves.stop()
        assert stays.done.wait(RESOLVE_S)
        stays.stop()
    assert first_channel(stays) == list(range(1500))


def test_a_clock_that_was_set_back_does_not_hurry_what_comes_after() -> None:
    signal = counted("n", 100, 50.0, 2.0)
    stamps = np.where(np.arange(200) < 100, signal.stamps, signal.stamps - 30.0)
    replay = Replay(Recording((replace(signal, stamps=stamps),)), wait_for_consumers=RESOLVE_S, linger=0.3)
    got = captured(replay, {"n": 200})["n"]
    assert replay.notes == ["n has stamps of a clock that was set back (times: 1); they are sent as recorded"]
    assert np.allclose(got.stamps, stamps + replay.shift)
    assert got.arrivals[-1] - got.arrivals[100] > 0.9


def test_what_is_empty_late_early_or_full_of_holes_is_said() -> None:
    whole, late, holed = (
        counted("whole", 100, 0.0, 60.0),
        counted("late", 50, 20.0, 20.0),
        counted("holed", 50, 0.0, 60),
    )
    keep = np.ones(len(holed.stamps), bool)
    for first in (500, 1000, 1500, 2000):
        keep[first : first + 100] = False
    holed = replace(holed, data=holed.data[keep], stamps=holed.stamps[keep])
    empty = replace(whole, spec=whole.spec.model_copy(update={"name": "none"}), data=whole.data[:0], stamps=np.zeros(0))
    replay = Replay(Recording((whole, late, holed, empty)), loop=True)
    assert set(replay.source_ids) == {"whole", "late", "holed"}
    assert replay.notes == [
        "none is empty and is not published",
        "late begins 20.0 s after the first stream does",
        "late ends 20.0 s before the last stream does",
        "holed pauses for 2.0 s from 10.0 s on",
        "holed pauses for 2.0 s from 20.0 s on",
        "holed pauses for 2.0 s from 30.0 s on",
        "holed pauses 4 times in all, for 8.1 s",
        "late is shorter than the others and pauses at every turn of the loop",
    ]


def test_it_says_how_late_it_sent(capture: tuple[Replay, dict[str, Listener]]) -> None:
    lateness = capture[0].lateness
    assert set(lateness) == set(COUNTS)
    assert lateness["words"]["n"] == 3
    assert 190 <= lateness["eeg"]["n"] <= 201
    assert all(0 <= late["p50"] <= late["max"] < 1000 for late in lateness.values())


@pytest.mark.data
@pytest.mark.parametrize("name", XDF_FILES)
def test_every_real_xdf_replays_value_for_value(name: str, real_data: Path) -> None:
    recording = read_recording(real_data / name)
    begin, end = recording.span
    replay = Replay(recording, speed=max(1.0, (end - begin) / 0.8), wait_for_consumers=RESOLVE_S, linger=0.3)
    streams = {stream.spec.name: stream for stream in (*recording.signals, *recording.markers)}
    assert set(replay.source_ids) == set(streams)
    heard = captured(replay, {name: len(stream.stamps) for name, stream in streams.items()})
    for name, stream in streams.items():
        assert np.array_equal(heard[name].stamps, stream.stamps / replay.speed + replay.shift)
        sent = stream.data if isinstance(stream, Signal) else np.array(stream.labels)[:, None]
        got = np.array(heard[name].values).astype(sent.dtype)
        assert np.array_equal(got, sent, equal_nan=isinstance(stream, Signal))


def test_stop_ends_it_from_another_thread(recording: Recording) -> None:
    replay = Replay(recording, loop=True, linger=60)
    with running(replay) as thread:
        replay.stop()
        thread.join(5)
        assert not thread.is_alive()


def test_stop_ends_the_wait_for_readers(recording: Recording) -> None:
    replay = Replay(recording, wait_for_consumers=600)
    with running(replay) as thread:
        replay.stop()
        thread.join(5)
        assert not thread.is_alive()
    assert np.isnan(replay.shift)


def test_a_stream_nobody_reads_is_named(recording: Recording) -> None:
    replay = Replay(recording, base="lonely", wait_for_consumers=0.0)
    with pytest.raises(
        StreamNotFound, match=r"nobody subscribed to the replayed stream 'words' \(source_id lonely/words\)"
    ):
        replay.run()


@pytest.mark.parametrize("options", [{"speed": 0}, {"speed": -1}, {"speed": float("nan")}, {"chunk": 0}])
def test_impossible_options_are_refused(options: dict[str, float], recording: Recording) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(options))} is .*, expected a positive number"):
        Replay(recording, **options)


def test_an_empty_part_and_an_empty_recording_are_refused(recording: Recording) -> None:
    with pytest.raises(ConfigError, match="nothing lies between 60 s and the end"):
        Replay(recording, start=60)
    with pytest.raises(RecordingError, match="every stream is empty"):
        Replay(replace(recording, signals=(), markers=()))


def test_labels_that_are_no_numbers_are_refused_before_anything_goes_out(recording: Recording) -> None:
    words, codes = recording.markers
    with pytest.raises(RecordingError, match="'codes' is declared int32, but holds a label that is no number"):
        Replay(replace(recording, markers=(replace(words, spec=codes.spec),)))


def test_image_files_share_one_shape_and_streams_of_one_name_get_distinct_ids(tmp_path: Path) -> None:
    source = short_recording()
    for name, size in (("a.png", (300, 150)), ("b.png", (20, 20))):
        Image.new("RGB", size, (255, 0, 0)).save(tmp_path / name)
    twins = (source.signals[0], source.signals[0])
    files = {"face": tmp_path / "a.png", "höuse": tmp_path / "b.png"}
    replay = Replay(replace(source, signals=twins, stimulus_arrays={}, stimuli=files), base="b", linger=1.0)
    assert list(replay.source_ids.values()) == ["b/short-shown", "b/words", "b/codes", "b/eeg", "b/eeg-2"]


def test_the_command_says_what_it_publishes_and_where(recording: Recording, tmp_path: Path, unique_id: str) -> None:
    path = write_recording(recording, tmp_path / "short")
    heard: list[Listener] = []

    def listen() -> None:
        for name in ("eeg", "acc", "slow", "words", "codes"):
            heard.append(Listener(f"{unique_id}/{name}", 1))
            heard[-1].start()

    thread = threading.Thread(target=listen)
    thread.start()
    args = [str(path), "--base", unique_id, "--speed", "2", "--from", "0.2", "--to", "1.8", "--wait", str(RESOLVE_S)]
    result = CliRunner().invoke(command, args, catch_exceptions=False)
    thread.join()
    for listener in heard:
        listener.stop()
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "publishing short (simulated):" in result.stderr
    assert f"name=eeg  source_id={unique_id}/eeg  3 ch, 250 Hz" in result.stderr
    assert f"name=words  source_id={unique_id}/words  3 markers" in result.stderr
    assert all(listener.done.is_set() for listener in heard)
