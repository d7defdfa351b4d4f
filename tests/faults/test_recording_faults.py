"""The disk runs full, or the process is killed, while a recording is being written: what was written stays readable."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest
import pyxdf

from streamkit.ledger import STAGES
from streamkit.lsl.discovery import find_one
from streamkit.recording import Recording, read_recording
from streamkit.replay import Replay
from tests.faults.processes import WAIT_S, Command, command, wait_for_size
from tests.recording.lsl_capture import running
from tests.recording.walker import Walk, walk
from tests.small import linear_bundle, noise_recording

pytestmark = [pytest.mark.lsl, pytest.mark.timeout(180)]

LIMIT = 30_000
"""Bytes that the disk takes of one file: some seconds of the recording."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_bundle(tmp_path_factory.mktemp("bundle") / "b", mode="hop").path


@pytest.fixture
def source(unique_id: str) -> Iterator[str]:
    """Base of the source ids of a recording that is played again and again."""
    with running(Replay(noise_recording(), base=unique_id, loop=True)):
        yield unique_id


def live(stack: ExitStack, bundle: Path, source: str, out: Path, **options: Any) -> Command:
    """A session that records itself, live."""
    words = ("live", bundle, "--stream", f"source_id={source}/amp", "--markers", f"source_id={source}/events")
    words += (
        "--backend",
        "onnxruntime",
        "--name",
        source,
        "--uid",
        "x",
        "--timeout",
        WAIT_S,
        "--record",
        out,
        "--json",
    )
    started = stack.enter_context(command(*words, **options))
    started.wait_until_said("live on ")
    return started


def record(stack: ExitStack, source: str, out: Path, **options: Any) -> Command:
    """A recorder at work."""
    queries = [word for name in ("amp", "events") for word in ("--stream", f"source_id={source}/{name}")]
    started = stack.enter_context(command("record", out, *queries, "--timeout", WAIT_S, "--json", **options))
    started.wait_until_said("recording name=")
    return started


def readable(folder: Path) -> Walk:
    """Check that an unfinished recording reads the same three ways, and that nothing in it is missing or changed."""
    path = folder / "recording.xdf"
    found = walk(path, finished=False)
    with np.errstate(all="ignore"):
        streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    amp = found.named("amp")
    assert np.array_equal(by_name["amp"]["time_series"], amp.values)
    assert np.array_equal(by_name["amp"]["time_stamps"], amp.times)
    recorded = read_recording(folder)
    assert np.array_equal(recorded.signal("amp").data, amp.values)
    assert any("the recorder did not finish" in note for note in recorded.meta.details["notes"])
    check_samples(amp.values, noise_recording())
    return found


def check_samples(values: np.ndarray, recording: Recording) -> None:
    """Every sample is the one that follows in the loop that was played."""
    whole = recording.signals[0].data
    rows = {row.tobytes(): number for number, row in enumerate(whole)}
    numbers = np.array([rows[row.tobytes()] for row in values])
    steps = np.diff(numbers)
    turns = steps != 1
    assert len(values) > 100
    assert (numbers[1:][turns] < 10).all()
    assert (numbers[:-1][turns] > len(whole) - 10).all()


def test_record_stops_with_an_error_when_the_disk_is_full(source: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        recorder = record(stack, source, tmp_path / "x", largest_file=LIMIT)
        status, _ = recorder.result()
    assert status == 1
    assert recorder.said[-1].startswith(f"error: cannot write {tmp_path / 'x' / 'recording.xdf'}: File too large")
    assert not (tmp_path / "x" / "recording.json").exists()
    file = readable(tmp_path / "x")
    assert file.cut == 0
    assert LIMIT - 20_000 < (tmp_path / "x" / "recording.xdf").stat().st_size <= LIMIT


def test_a_full_disk_is_said_at_once_and_decoding_goes_on(bundle: Path, source: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        session = live(stack, bundle, source, tmp_path / "x", largest_file=LIMIT)
        health = pylsl.StreamInlet(find_one(f"source_id={source}-x/health", timeout=WAIT_S))
        predictions = pylsl.StreamInlet(find_one(f"source_id={source}-x/prediction", timeout=WAIT_S))
        predictions.open_stream(WAIT_S)
        session.wait_until_said("warning: cannot write")
        said_at = pylsl.local_clock()
        reports = [json.loads(health.pull_sample(WAIT_S)[0][0])]
        while reports[-1]["recording"]["state"] != "failed":
            reports.append(json.loads(health.pull_sample(WAIT_S)[0][0]))
        later: list[float] = []
        while len(later) < 6:
            later += [
                stamp for stamp in predictions.pull_chunk(1.0, max_samples=8, min_samples=1)[1] if stamp > said_at
            ]
        session.interrupt()
        status, report = session.result()
    (warning,) = (line for line in session.said if line.startswith("warning: cannot write"))
    assert "File too large. What was written before is kept. Decoding goes on." in warning
    assert session.said[-1].startswith("error: what was written to disk is not whole: cannot write")
    assert (status, report["state"]) == (1, "stopped")
    assert reports[-1]["state"] == "live"
    assert "File too large" in reports[-1]["recording"]["message"]
    file = readable(tmp_path / "x")
    assert file.cut == 0
    assert report["predictions"] > len(file.named(f"{source}-prediction").times) > 5
    assert np.median(np.diff(later)) == pytest.approx(25 / 250, abs=0.01)


def test_a_disk_that_is_full_from_the_start_ends_the_session_before_it_decodes(
    bundle: Path, source: str, tmp_path: Path
) -> None:
    words = ("live", bundle, "--stream", f"source_id={source}/amp", "--name", source, "--timeout", WAIT_S)
    with command(*words, "--record", tmp_path / "x", "--json", largest_file=10) as session:
        status, report = session.result()
    assert (status, report.get("predictions", 0)) == (1, 0)
    assert session.said[-1].startswith(f"error: cannot write {tmp_path / 'x' / 'recording.xdf'}: File too large")


def test_a_killed_recorder_loses_less_than_a_second(source: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        recorder = record(stack, source, tmp_path / "x")
        wait_for_size(tmp_path / "x" / "recording.xdf", 15_000)
        killed = recorder.kill()
    file = readable(tmp_path / "x")
    assert file.named("amp").times[-1] > killed - 1.0
    assert set(label for (label,) in file.named("events").values) == {"a", "b"}


def test_a_killed_session_loses_less_than_a_second(bundle: Path, source: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        session = live(stack, bundle, source, tmp_path / "x")
        wait_for_size(tmp_path / "x" / "recording.xdf", 35_000)
        killed = session.kill()
    file = readable(tmp_path / "x")
    newest = {name: file.named(name).times[-1] for name in ("amp", f"{source}-prediction", f"{source}-latency")}
    assert min(newest.values()) > killed - 1.0
    with (tmp_path / "x" / "ledger.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert [int(row["seq"]) for row in rows] == list(range(len(rows)))
    assert float(rows[-1]["t_publish"]) > killed - 1.0
    assert all(abs(sum(float(row[f"{s}_ms"]) for s in STAGES[:-1]) - float(row["total_ms"])) < 0.05 for row in rows)
