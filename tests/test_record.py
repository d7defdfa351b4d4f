"""The recorder keeps every sample, and what it wrote survives its death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from click.testing import CliRunner

from apps.commands.record import command
from streamkit.errors import RecordingError, StreamNotFound
from streamkit.record import Recorder
from streamkit.recording import Recording, read_recording
from streamkit.replay import Replay
from tests.recording.lsl_capture import RESOLVE_S, running, short_recording

pytestmark = pytest.mark.lsl


def queries(replay: Replay) -> list[str]:
    return [f"source_id={source_id}" for source_id in replay.source_ids.values()]


def gone(replay: Replay, thread: threading.Thread) -> None:
    """Wait until everything was sent and had time to arrive."""
    thread.join(RESOLVE_S)
    assert not thread.is_alive()


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


def test_a_killed_recorder_leaves_a_readable_folder(recording: Recording, tmp_path: Path, unique_id: str) -> None:
    out = tmp_path / "killed"
    replay = Replay(recording, base=unique_id, loop=True, wait_for_consumers=RESOLVE_S)
    code = (
        "import sys; from streamkit.record import Recorder;"
        "r = Recorder(sys.argv[1], sys.argv[2:], timeout=30); r.start(); print('on', flush=True); r.run()"
    )
    with running(replay):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(out), *queries(replay)], stdout=subprocess.PIPE, env=os.environ.copy()
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"on\n"
        deadline = time.monotonic() + RESOLVE_S
        while (out / "recording.xdf").stat().st_size < 30_000 and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert sorted(os.listdir(out)) == ["recording.xdf"]
    recorded = read_recording(out)
    assert any("the recorder did not finish" in note for note in recorded.meta.details["notes"])
    eeg = recorded.signal("eeg")
    assert len(eeg.stamps) > 400
    original = recording.signals[0]
    n_once = min(len(eeg.stamps), len(original.stamps))
    assert np.array_equal(eeg.data[:n_once], original.data[:n_once])
    assert np.array_equal(eeg.stamps[:n_once], original.stamps[:n_once] + replay.shift)
    assert recorded.markers[0].labels[:1] in (("face",), ("1",))


def test_a_source_that_goes_away_for_good_ends_its_recording(tmp_path: Path) -> None:
    import pylsl

    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("mortal", "EEG", 1, 100, "float32", ""))
    recorder = Recorder(tmp_path / "x", ["name=mortal"], timeout=RESOLVE_S)
    recorder.start()
    outlet.push_chunk(np.ones((5, 1), np.float32), [1.0, 2.0, 3.0, 4.0, 5.0])
    while recorder.count(recorder.sources[0]) < 5:
        threading.Event().wait(0.01)
    del outlet
    recorder.run(RESOLVE_S)
    recorded = read_recording(tmp_path / "x")
    assert recorded.signal("mortal").stamps.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert "stream 'mortal' ended early: the source went away for good" in recorded.meta.details["notes"]


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
