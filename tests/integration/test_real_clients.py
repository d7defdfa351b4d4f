"""What leaves is plain LSL and plain XDF: other people's programs read it, and their files are replayed as they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest
import pyxdf

from streamkit.lsl import SignalOutlet
from streamkit.recording import Recording, read_recording, write_recording
from streamkit.replay import Replay
from streamkit.session import Session
from streamkit.types import Prediction, StreamSpec
from tests.opened import wait_until_open
from tests.recording.lsl_capture import RESOLVE_S, Listener, captured, running, short_recording
from tests.small import SFREQ, linear_bundle, noise_recording

pytestmark = pytest.mark.lsl

SCHEDULE_S = 1e-3
"""How far a captured stamp may lie from its place on the schedule."""


def listening_to(replay: Replay, names: tuple[str, ...]) -> list[Listener]:
    """Readers of these streams, so that a replay which waits for all its readers begins."""
    listeners = [Listener(replay.source_ids[name], 1) for name in names]
    for listener in listeners:
        listener.start()
    return listeners


# mne-lsl


def wait_for(stream: Any, n_samples: int) -> None:
    """Wait until mne-lsl holds so many samples that nobody took."""
    deadline = time.monotonic() + RESOLVE_S
    while stream.n_new_samples < n_samples:
        assert time.monotonic() < deadline, f"mne-lsl has {stream.n_new_samples} of {n_samples} samples"
        threading.Event().wait(0.02)


def test_mne_lsl_reads_a_replayed_stream(unique_id: str) -> None:
    from mne_lsl.stream import StreamLSL

    recording = short_recording()
    replay = Replay(recording, base=unique_id, wait_for_consumers=RESOLVE_S, loop=True)
    with running(replay):
        others = listening_to(replay, ("words", "codes", "acc", "slow"))
        stream = StreamLSL(1.0, name="eeg", source_id=replay.source_ids["eeg"])
        stream.connect(acquisition_delay=0.05, timeout=RESOLVE_S)
        wait_for(stream, 50)
        data, stamps = stream.get_data()
        assert stream.ch_names == ["C3", "C4", "count"]
        assert int(stream.get_channel_units()[0][1]) == -6
        assert stream.info["sfreq"] == 250
        stream.disconnect()
        for listener in others:
            listener.stop()
    known = stamps > 0
    assert known.sum() > 20
    numbers = data[2, known].astype(int)
    eeg = recording.signals[0]
    assert np.array_equal(np.diff(numbers) % 500, np.ones(len(numbers) - 1))
    assert np.array_equal(data[:, known].T.astype(np.float32), eeg.data[numbers])
    turns = (stamps[known] - eeg.stamps[numbers] - replay.shift) / replay.period
    assert np.abs(turns - np.round(turns)).max() * replay.period < SCHEDULE_S


def test_mne_lsl_reads_the_predictions_of_a_live_session(tmp_path: Path, unique_id: str) -> None:
    from mne_lsl.stream import StreamLSL

    outlet = SignalOutlet(
        StreamSpec(
            name="amp", type="EEG", ch_names=("E0", "E1", "E2", "E3"), sfreq=SFREQ, unit="uV", source_id=unique_id
        )
    )
    said: list[Prediction] = []
    done = threading.Event()

    def keep(prediction: Prediction) -> None:
        said.append(prediction)
        if len(said) == 19:
            done.set()

    session = Session(
        linear_bundle(tmp_path / "bundle", mode="hop"),
        stream=f"source_id={unique_id}",
        backend="onnxruntime",
        wait_for_clients=True,
        on_prediction=keep,
    )
    session.start()
    try:
        source_id = session.source_ids["prediction"]
        assert pylsl.resolve_byprop("source_id", source_id, 1, RESOLVE_S)
        stream = StreamLSL(64, source_id=source_id)
        stream.connect(acquisition_delay=0.02, timeout=RESOLVE_S)
        wait_until_open(session, outlet)
        stamps = pylsl.local_clock() - np.arange(500)[::-1] / SFREQ
        outlet.push(noise_recording().signals[0].data[:500], stamps)
        assert done.wait(RESOLVE_S)
        wait_for(stream, 19)
        values, received = stream.get_data()
        assert stream.ch_names == ["a", "b"]
        assert stream.info["sfreq"] == 0
        stream.disconnect()
    finally:
        session.stop(drain=False)
        outlet.close()
    assert np.array_equal(values[:, -19:].T, np.array([p.values for p in said]))
    assert np.array_equal(received[-19:], stamps[49::25])


# pyxdf


def test_pyxdf_reads_what_a_live_session_recorded(tmp_path: Path, unique_id: str) -> None:
    recording = noise_recording()
    write_recording(recording, tmp_path / "source")
    bundle = linear_bundle(tmp_path / "bundle").path
    out = tmp_path / "out"
    player = streamkit("replay", tmp_path / "source", "--base", unique_id, "--wait", "60")
    words = ("--stream", f"source_id={unique_id}/amp", "--markers", f"source_id={unique_id}/events", "--uid", unique_id)
    live = streamkit("live", bundle, *words, "--backend", "onnxruntime", "--record", out, "--json")
    player.communicate(timeout=90)
    live.send_signal(signal.SIGINT)
    output, said = live.communicate(timeout=30)
    assert player.returncode == 0
    # Told to stop after its source had gone: everything is kept, and the status says that the end came without it.
    assert live.returncode in (0, 1), said
    assert live.returncode == 0 or "went away" in said
    report = json.loads(output)
    assert report["recording"] == str(out)

    streams = {s["info"]["name"][0]: s for s in pyxdf.load_xdf(out / "recording.xdf", dejitter_timestamps=False)[0]}
    assert set(streams) == {
        "amp",
        "events",
        *(f"streamkit-{x}" for x in ("prediction", "decisions", "latency", "health")),
    }
    amp, events = streams["amp"], streams["events"]
    assert np.array_equal(amp["time_series"], recording.signals[0].data)
    shift = amp["time_stamps"][0] - recording.signals[0].stamps[0]
    assert np.allclose(amp["time_stamps"], recording.signals[0].stamps + shift, atol=1e-9)
    assert [row[0] for row in events["time_series"]] == list(recording.markers[0].labels)
    assert np.allclose(events["time_stamps"], recording.markers[0].stamps + shift, atol=1e-9)
    predictions, decisions = streams["streamkit-prediction"], streams["streamkit-decisions"]
    assert len(predictions["time_stamps"]) == report["predictions"] == 8
    assert set(predictions["time_stamps"]) <= set(amp["time_stamps"])
    told = [json.loads(row[0]) for row in decisions["time_series"]]
    assert [d["event"] for d in told] == list(recording.markers[0].labels)
    best = np.argmax(predictions["time_series"], axis=1)
    assert [d["label"] for d in told] == ["ab"[index] for index in best]
    assert len(streams["streamkit-latency"]["time_stamps"]) == 8
    states = [json.loads(row[0])["state"] for row in streams["streamkit-health"]["time_series"]]
    assert "live" in states
    assert [e.label for e in read_recording(out).events()] == list(recording.markers[0].labels)


def streamkit(*words: object) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    line = [sys.executable, "-m", "apps.cli", *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())


# Other people's files


def part(path: Path, start: float, stop: float, base: str) -> tuple[Recording, Replay]:
    """A recording and a replay of some seconds of it at four times the speed."""
    recording = read_recording(path)
    return recording, Replay(recording, base=base, start=start, stop=stop, speed=4, wait_for_consumers=RESOLVE_S)


@pytest.mark.data
def test_a_lab_recorder_file_is_captured_sample_for_sample_on_schedule(real_data: Path, unique_id: str) -> None:
    path = real_data / "bci_essentials_xdf" / "data" / "switch_example.xdf"
    recording, replay = part(path, 8.0, 16.0, unique_id)
    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    begin = recording.span[0]
    wanted = {}
    for stream in streams:
        stamps = stream["time_stamps"]
        inside = (stamps >= begin + 8) & (stamps < begin + 16)
        values = [row for row, keep in zip(stream["time_series"], inside, strict=True) if keep]
        wanted[stream["info"]["name"][0]] = (values, stamps[inside])
    assert len(wanted["g.USBamp-1"][1]) == pytest.approx(8 * 256, abs=16)
    heard = captured(replay, {name: len(stamps) for name, (_, stamps) in wanted.items()})
    assert set(heard) == set(replay.source_ids)
    for name, (values, stamps) in wanted.items():
        got = heard[name]
        assert np.array_equal(np.array(got.values), np.array(values)), name
        assert np.abs(np.array(got.stamps) - (stamps / 4 + replay.shift)).max() < SCHEDULE_S, name
        assert min(np.array(got.arrivals) - np.array(got.stamps)) >= 0, name


@pytest.mark.data
def test_a_gdf_file_is_replayed_as_mne_reads_it(real_data: Path, unique_id: str) -> None:
    mne = pytest.importorskip("mne")
    (path,) = (real_data / "ssvep_exo_gdf" / "subject01").glob("*.gdf")
    raw = mne.io.read_raw_gdf(path, verbose="ERROR")
    _, replay = part(path, 12.0, 18.0, unique_id)
    first, last = 12 * 256, 18 * 256
    notes = [(a["onset"], a["description"]) for a in raw.annotations if 12 <= a["onset"] < 18]
    assert len(notes) >= 2
    eeg = f"{path.stem}-EEG"
    heard = captured(replay, {eeg: last - first, "annotations": len(notes)})
    expected = (raw.get_data(start=first, stop=last) * 1e6).astype(np.float32)
    assert np.array_equal(np.array(heard[eeg].values, np.float32).T, expected)
    assert np.abs(np.array(heard[eeg].stamps) - (raw.times[first:last] / 4 + replay.shift)).max() < SCHEDULE_S
    assert heard[eeg].info.get_channel_labels() == raw.ch_names
    assert heard[eeg].info.get_channel_units() == ["microvolts"] * 8
    assert [value for (value,) in heard["annotations"].values] == [str(text) for _, text in notes]
    onsets = np.array([onset for onset, _ in notes])
    assert np.abs(np.array(heard["annotations"].stamps) - (onsets / 4 + replay.shift)).max() < SCHEDULE_S
