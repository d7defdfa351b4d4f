"""The recorder keeps every sample, and what it wrote survives its death."""

from __future__ import annotations

import json
import os
import pkgutil
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl
import pytest
import pyxdf
from click.testing import CliRunner

from apps.commands.record import command
from streamkit.errors import RecordingError, StreamNotFound
from streamkit.record import Recorder
from streamkit.recording import Recording, read_recording
from streamkit.recording.xdf_write import DTYPES
from streamkit.replay import Replay
from tests.elsewhere import ONLY_POSIX, ctrl_c_elsewhere
from tests.recording.lsl_capture import RESOLVE_S, running, short_recording
from tests.recording.walker import walk

pytestmark = pytest.mark.lsl


def queries(replay: Replay) -> list[str]:
    return [f"source_id={source_id}" for source_id in replay.source_ids.values()]


def gone(replay: Replay, thread: threading.Thread) -> None:
    """Wait until everything was sent and had time to arrive."""
    thread.join(RESOLVE_S)
    assert not thread.is_alive()


def wait_for(recorder: Recorder, n_times: int) -> None:
    """Wait until so many samples of the one stream are in the file."""
    deadline = time.monotonic() + RESOLVE_S
    while recorder.count(recorder.sources[0]) < n_times and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert recorder.count(recorder.sources[0]) == n_times


@pytest.fixture(scope="module")
def recording() -> Recording:
    return short_recording()


@pytest.fixture(scope="module")
def copy(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> tuple[Replay, Path]:
    """A replay of the recording, recorded."""
    out = tmp_path_factory.mktemp("record") / "copy"
    replay = Replay(recording, wait_for_consumers=RESOLVE_S, linger=1.0)
    with running(replay) as thread, Recorder(out, queries(replay), timeout=RESOLVE_S, clock_period=0.5):
        gone(replay, thread)
    return replay, out


def test_a_replay_is_recorded_sample_for_sample(recording: Recording, copy: tuple[Replay, Path]) -> None:
    replay, out = copy
    recorded = read_recording(out)
    for original in recording.signals:
        found = recorded.signal(original.spec.name)
        assert found.data.dtype == original.data.dtype
        assert np.array_equal(found.data, original.data)
        assert np.array_equal(found.stamps, original.stamps + replay.shift)
        assert found.spec.ch_names == original.spec.ch_names
        assert (found.spec.unit, found.spec.sfreq) == (original.spec.unit, original.spec.sfreq)
    for original in recording.markers:
        (found,) = (m for m in recorded.markers if m.spec.name == original.spec.name)
        assert found.labels == original.labels
        assert np.array_equal(found.stamps, original.stamps + replay.shift)


def test_shown_images_are_recorded_as_a_stream(recording: Recording, copy: tuple[Replay, Path]) -> None:
    shown = read_recording(copy[1]).signal("short-shown")
    assert np.array_equal(shown.data, [recording.stimulus_arrays["face"].ravel()] * 2)
    assert (shown.spec.description["role"], shown.spec.description["shape"]) == ("shown", "1,3,4")


def test_what_it_was_is_kept(copy: tuple[Replay, Path]) -> None:
    recorded = read_recording(copy[1])
    assert recorded.meta.name == "copy"
    assert recorded.meta.simulated
    assert recorded.meta.details["recorded"].startswith("20")
    assert recorded.signal().spec.name == "eeg"


def test_the_file_has_clock_offsets_and_footers(copy: tuple[Replay, Path]) -> None:
    streams, _ = pyxdf.load_xdf(copy[1] / "recording.xdf", dejitter_timestamps=False)
    eeg = next(s for s in streams if s["info"]["name"] == ["eeg"])
    assert len(eeg["clock_times"]) >= 4
    assert set(eeg["clock_values"]) == {0.0}
    assert eeg["footer"]["info"]["sample_count"] == ["500"]


def test_a_recording_of_a_replay_can_be_replayed(copy: tuple[Replay, Path]) -> None:
    again = Replay(read_recording(copy[1]), base="again")
    assert set(again.source_ids) == {"short-shown", "words", "codes", "eeg", "acc", "slow"}


def test_a_source_that_stays_away_ends_its_stream_and_not_the_recording(tmp_path: Path) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("mortal", "EEG", 1, 100, "float32", ""))
    said: queue.Queue[str] = queue.Queue()
    with Recorder(tmp_path / "x", ["name=mortal"], timeout=RESOLVE_S, on_change=said.put) as recorder:
        outlet.push_chunk(np.ones((5, 1), np.float32), [1.0, 2.0, 3.0, 4.0, 5.0])
        wait_for(recorder, 5)
        del outlet
        assert "stream 'mortal' on" in said.get(timeout=RESOLVE_S)
    recorded = read_recording(tmp_path / "x")
    assert recorded.signal("mortal").stamps.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    lost, ended = recorded.meta.details["notes"]
    assert "went away; waiting for a stream with the same name, type and host" in lost
    assert ended == "stream 'mortal' had not come back at the end"


def test_a_listener_that_fails_ends_no_recording(tmp_path: Path, unique_id: str) -> None:
    def outlet(name: str) -> pylsl.StreamOutlet:
        return pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 1, 100, "float32", f"{unique_id}/{name}"))

    called = threading.Event()

    def gone(_: str) -> None:
        called.set()
        raise BrokenPipeError("the terminal is gone")

    stays, goes = outlet("stays"), outlet("goes")
    queries = [f"source_id={unique_id}/stays", f"source_id={unique_id}/goes"]
    with Recorder(tmp_path / "x", queries, timeout=RESOLVE_S, on_change=gone) as recorder:
        goes.push_sample([1.0], 1.0)
        del goes
        assert called.wait(RESOLVE_S)
        stays.push_chunk(np.ones((5, 1), np.float32), [1.0, 2.0, 3.0, 4.0, 5.0])
        wait_for(recorder, 5)
    notes = read_recording(tmp_path / "x").meta.details["notes"]
    assert any("could not be passed on (BrokenPipeError: the terminal is gone): stream 'goes' on" in n for n in notes)


@ONLY_POSIX
def test_ctrl_c_is_heard_whichever_thread_receives_it(tmp_path: Path, unique_id: str) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("long", "EEG", 1, 100, "float32", unique_id))
    recorder = Recorder(tmp_path / "x", [f"source_id={unique_id}"], timeout=RESOLVE_S)
    recorder.start()
    outlet.push_chunk(np.ones((5, 1), np.float32), [1.0, 2.0, 3.0, 4.0, 5.0])
    wait_for(recorder, 5)
    with ctrl_c_elsewhere(recorder.halt), pytest.raises(KeyboardInterrupt):
        recorder.run()
    assert read_recording(tmp_path / "x").signal("long").stamps.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("where", ["streamkit.record.XdfWriter.close", "streamkit.record.write_sidecar"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_stop_that_was_interrupted_is_finished_by_the_next(
    where: str, before: bool, tmp_path: Path, unique_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("short", "EEG", 1, 100, "float32", unique_id))
    recorder = Recorder(tmp_path / "x", [f"source_id={unique_id}"], timeout=RESOLVE_S)
    recorder.start()
    outlet.push_chunk(np.ones((2, 1), np.float32), [1.0, 2.0])
    wait_for(recorder, 2)
    work = pkgutil.resolve_name(where)

    def interrupted(*args: object) -> None:
        monkeypatch.setattr(where, work)
        if not before:
            work(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorder.stop()
    recorder.stop()
    assert (tmp_path / "x" / "recording.json").exists()
    assert read_recording(tmp_path / "x").signal("short").stamps.tolist() == [1.0, 2.0]
    written = (tmp_path / "x" / "recording.json").stat().st_mtime_ns
    recorder.stop()
    assert (tmp_path / "x" / "recording.json").stat().st_mtime_ns == written


def test_a_source_that_comes_back_goes_on_in_its_stream(tmp_path: Path, unique_id: str) -> None:
    def outlet(n_chans: int = 2) -> pylsl.StreamOutlet:
        return pylsl.StreamOutlet(pylsl.StreamInfo("phoenix", "EEG", n_chans, 100, "int16", unique_id))

    def send(source: pylsl.StreamOutlet, *rows: list[int]) -> None:
        source.push_chunk(np.array(rows, np.int16), [float(row[0]) for row in rows])

    said: queue.Queue[str] = queue.Queue()
    source = outlet()
    recorder = Recorder(
        tmp_path / "x", [f"source_id={unique_id}"], timeout=RESOLVE_S, clock_period=0.2, on_change=said.put
    )
    with recorder:
        send(source, [1, 10], [2, 20])
        wait_for(recorder, 2)
        del source
        assert "went away; waiting for a stream with source id" in said.get(timeout=RESOLVE_S)
        stranger = outlet(n_chans=3)
        assert "number of channels: expected 2, the stream has 3" in said.get(timeout=RESOLVE_S)
        del stranger
        source = outlet()
        assert source.wait_for_consumers(RESOLVE_S)
        assert said.get(timeout=RESOLVE_S) == "stream 'phoenix' came back; its recording goes on"
        send(source, [3, -30], [4, -40])
        wait_for(recorder, 4)
    (phoenix,) = walk(tmp_path / "x" / "recording.xdf").streams.values()
    assert phoenix.values.tolist() == [[1, 10], [2, 20], [3, -30], [4, -40]]
    assert phoenix.times.tolist() == [1.0, 2.0, 3.0, 4.0]
    notes = read_recording(tmp_path / "x").meta.details["notes"]
    assert [note.partition("'phoenix' ")[2].split(" ")[0] for note in notes] == ["on", "came", "came"]


def test_a_source_that_fell_silent_is_found_under_its_new_connection(
    tmp_path: Path, unique_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A computer that lost its power closes no connection."""
    monkeypatch.setattr("streamkit.lsl.supervised.SILENT_S", 0.2)
    said: queue.Queue[str] = queue.Queue()
    silent = pylsl.StreamOutlet(pylsl.StreamInfo("mute", "EEG", 1, 100, "float32", unique_id))
    with Recorder(tmp_path / "x", [f"source_id={unique_id}"], timeout=RESOLVE_S, on_change=said.put) as recorder:
        silent.push_chunk(np.ones((2, 1), np.float32), [1.0, 2.0])
        wait_for(recorder, 2)
        restarted = pylsl.StreamOutlet(pylsl.StreamInfo("mute", "EEG", 1, 100, "float32", unique_id))
        assert said.get(timeout=RESOLVE_S) == "stream 'mute' came back; its recording goes on"
        restarted.push_chunk(np.ones((2, 1), np.float32), [3.0, 4.0])
        wait_for(recorder, 4)
    (mute,) = walk(tmp_path / "x" / "recording.xdf").streams.values()
    assert mute.times.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("channel_format", ["float32", "double64", "int8", "int16", "int32", "int64"])
def test_every_format_is_recorded_to_its_limits(channel_format: str, tmp_path: Path, unique_id: str) -> None:
    dtype = np.dtype(DTYPES[channel_format])
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    data = np.array([[limits.min, limits.max], [0, 1]], dtype)
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("extreme", "", 2, 0, channel_format, unique_id))
    with Recorder(tmp_path / "x", [f"source_id={unique_id}"], timeout=RESOLVE_S) as recorder:
        outlet.push_chunk(data, [1.25, 1e9 + 1e-6])
        wait_for(recorder, 2)
    (extreme,) = walk(tmp_path / "x" / "recording.xdf").streams.values()
    assert extreme.format == channel_format
    assert extreme.values.tobytes() == data.tobytes()
    assert extreme.times.tolist() == [1.25, 1e9 + 1e-6]
    assert read_recording(tmp_path / "x").signal().data.tobytes() == data.tobytes()


def test_text_of_several_channels_is_recorded_letter_for_letter(tmp_path: Path, unique_id: str) -> None:
    rows = [["go", "links ←"], ["", "日本語 🧠"], ["x" * 70_000, "two\nlines"]]
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("words", "Markers", 2, 0, "string", unique_id))
    with Recorder(tmp_path / "x", [f"source_id={unique_id}"], timeout=RESOLVE_S) as recorder:
        for number, row in enumerate(rows):
            outlet.push_sample(row, 5.0 + number)
        wait_for(recorder, 3)
    (words,) = walk(tmp_path / "x" / "recording.xdf").streams.values()
    assert words.values == rows
    assert words.times.tolist() == [5.0, 6.0, 7.0]
    (markers,) = read_recording(tmp_path / "x").markers
    assert markers.labels == tuple(first for first, _ in rows)
    assert markers.columns == {"ch2": [second for _, second in rows]}


def test_the_file_says_when_its_clock_was_measured_and_where_to_go_on(copy: tuple[Replay, Path]) -> None:
    file = walk(copy[1] / "recording.xdf")
    assert file.boundaries >= 2
    assert min(len(stream.offsets) for stream in file.streams.values()) >= 4


def test_a_full_disk_ends_the_recording_with_an_error(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(recording, loop=True, wait_for_consumers=RESOLVE_S)
    recorder = Recorder(tmp_path / "x", queries(replay), timeout=RESOLVE_S)
    with running(replay):
        recorder.start()

        def full(*_: object) -> None:
            raise RecordingError("cannot write x: No space left on device. What was written before is kept.")

        monkeypatch.setattr(recorder._writer, "samples", full)
        with pytest.raises(RecordingError, match="No space left on device"):
            recorder.run(RESOLVE_S)
    assert not (tmp_path / "x" / "recording.json").exists()


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"exists already\. Choose a new folder for the recording"):
        Recorder(tmp_path)


def test_no_stream_found_leaves_no_folder(tmp_path: Path, unique_id: str) -> None:
    with pytest.raises(StreamNotFound, match=rf"no stream matched 'name={unique_id}' within 0\.2 s"):
        Recorder(tmp_path / "x", [f"name={unique_id}"], timeout=0.2).start()
    assert not (tmp_path / "x").exists()


def test_the_command_reports_as_json(recording: Recording, tmp_path: Path, unique_id: str) -> None:
    one = replace(recording, signals=recording.signals[:1], markers=(), stimulus_arrays={})
    replay = Replay(one, base=unique_id, loop=True)
    args = [
        str(tmp_path / "x"),
        "--stream",
        f"source_id={unique_id}/eeg",
        "--duration",
        "0.6",
        "--timeout",
        "30",
        "--json",
    ]
    with running(replay):
        result = CliRunner().invoke(command, args, catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    (stream,) = report["streams"]
    assert report["recording"] == str(tmp_path / "x")
    assert (stream["name"], stream["source_id"], stream["n_chans"], stream["lost"]) == (
        "eeg",
        f"{unique_id}/eeg",
        3,
        "",
    )
    assert stream["samples"] == len(read_recording(tmp_path / "x").signal().stamps) > 100
    assert f"recording name=eeg  type=EEG  source_id={unique_id}/eeg  3 ch, 250 Hz" in result.stderr


@ONLY_POSIX
def test_the_command_ends_when_nobody_reads_what_it_says(tmp_path: Path, unique_id: str) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("amp", "EEG", 2, 100, "float32", unique_id))
    line = [sys.executable, "-m", "apps.cli", "record", str(tmp_path / "x"), "--stream", f"source_id={unique_id}"]
    reader, writer = os.pipe()
    os.close(reader)
    recorder = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    try:
        recorder.communicate(timeout=RESOLVE_S)
    finally:
        recorder.kill()
    assert recorder.returncode != 0
    assert (tmp_path / "x" / "recording.json").exists()
    del outlet


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_the_commands_ends_them_in_good_order(
    number: int, recording: Recording, tmp_path: Path, unique_id: str
) -> None:
    from streamkit.recording import write_recording

    source = write_recording(recording, tmp_path / "source")
    env = os.environ | {"PYTHONUNBUFFERED": "1"}

    def streamkit(*args: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "apps.cli", *args]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    player = streamkit("replay", str(source), "--base", unique_id, "--loop")
    query = f"source_id={unique_id}/eeg"
    recorder = streamkit("record", str(tmp_path / "out"), "--stream", query, "--timeout", "30", "--json")
    assert recorder.stderr is not None
    while not recorder.stderr.readline().startswith("recording "):
        assert recorder.poll() is None
    while (tmp_path / "out" / "recording.xdf").stat().st_size < 8_000:
        threading.Event().wait(0.05)
    recorder.send_signal(number)
    output, _ = recorder.communicate(timeout=RESOLVE_S)
    player.send_signal(number)
    _, said = player.communicate(timeout=RESOLVE_S)
    assert (recorder.returncode, player.returncode) == (0, 0)
    assert json.loads(output)["streams"][0]["samples"] == len(read_recording(tmp_path / "out").signal().stamps)
    assert "Traceback" not in said
    assert said.endswith("stopped\n")
