"""Ctrl-C and a request to terminate: nothing is lost, nothing is left running, all is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pylsl
import pytest

from streamkit.recording import Recording, read_recording, write_recording
from tests.small import linear_bundle, noise_recording

pytestmark = [pytest.mark.lsl, pytest.mark.timeout(120)]

WAIT_S = 30.0
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as a terminal sends them")


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording and a continuous decoder for it."""
    folder = tmp_path_factory.mktemp("things")
    write_recording(noise_recording(), folder / "recording")
    linear_bundle(folder / "bundle", mode="hop")
    return folder


def hears_ctrl_c() -> None:
    """In the new process: what is started from a job in the background inherits that Ctrl-C is not heard."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def streamkit(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A command as a shell starts it: leader of a process group of its own, which is gone afterwards."""
    line = [sys.executable, "-m", "apps.cli", *map(str, words)]
    pipe, surroundings = subprocess.PIPE, os.environ | {"PYTHONFAULTHANDLER": "1"}
    process = subprocess.Popen(
        line,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=surroundings,
        start_new_session=True,
        preexec_fn=hears_ctrl_c if os.name == "posix" else None,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def read_until(stream: IO[str] | None, words: str) -> str:
    """Lines up to the first that has these words."""
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        if words in line:
            return said
    raise AssertionError(f"{words!r} was never said, only: {said}")


def ctrl_c(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a terminal does: the signal goes to the whole group; returns stdout and what was left of stderr."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # it then says where it was
        raise AssertionError(f"it did not hear Ctrl-C: {process.communicate(timeout=WAIT_S)[1]}") from None


def command_lines(word: str) -> list[str]:
    """Command lines of running processes that hold `word`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


@POSIX
def test_live_with_a_recording_sums_up_and_loses_nothing(things: Path, tmp_path: Path, unique_id: str) -> None:
    out = tmp_path / unique_id
    query = f"source_id={unique_id}/amp"
    line = ("live", things / "bundle", "--stream", query, "--record", out, "--name", unique_id, "--json")
    with streamkit("replay", things / "recording", "--base", unique_id, "--loop") as player, streamkit(*line) as live:
        read_until(live.stderr, "live on ")
        (info,) = pylsl.resolve_byprop("name", f"{unique_id}-prediction", 1, WAIT_S)
        inlet = pylsl.StreamInlet(info)
        assert inlet.pull_sample(WAIT_S)[0] is not None
        output, said = ctrl_c(live)
        assert live.returncode == 0
        assert ctrl_c(player)[1].endswith("stopped\n")
        assert player.returncode == 0
    assert "Traceback" not in said
    report = json.loads(output)
    assert (report["state"], report["recording"]) == ("stopped", str(out))
    recorded = read_recording(out)
    assert len(recorded.signal(f"{unique_id}-prediction").stamps) == report["predictions"] >= 1
    assert len(recorded.signal("amp").stamps) >= report["counts"]["samples"] > 0
    assert "the recorder did not finish" not in json.dumps(recorded.meta.details)
    assert command_lines(unique_id) == []


@POSIX
def test_live_interrupted_before_it_found_a_stream_ends_at_once(things: Path, tmp_path: Path, unique_id: str) -> None:
    query = f"source_id={unique_id}"
    line = ("live", things / "bundle", "--stream", query, "--timeout", "60", "--record", tmp_path / "x", "--json")
    with streamkit(*line, "--name", unique_id) as live:
        assert pylsl.resolve_byprop("name", f"{unique_id}-health", 1, WAIT_S)
        output, said = ctrl_c(live)
    assert live.returncode == 0
    assert "Traceback" not in said
    report = json.loads(output)
    assert (report["state"], report["predictions"], report["recording"]) == ("stopped", 0, None)
    assert not (tmp_path / "x").exists()


@POSIX
def test_a_search_hears_ctrl_c(tmp_path: Path, unique_id: str) -> None:
    with streamkit("record", tmp_path / "x", "--stream", f"name={unique_id}", "--timeout", "100") as recorder:
        with pytest.raises(subprocess.TimeoutExpired):
            recorder.wait(1.5)  # by then it searches
        begin = time.monotonic()
        _, said = ctrl_c(recorder)
        assert time.monotonic() - begin < 10  # of the 100 s that it may search
    assert (recorder.returncode, said) == (130, "\nstopped by the user\n")
    assert not (tmp_path / "x").exists()


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_window_takes_its_replay_along(number: signal.Signals, tmp_path: Path, unique_id: str) -> None:
    pytest.importorskip("PyQt6.QtWidgets")
    (noise,) = noise_recording().signals
    folder = tmp_path / unique_id
    named = replace(noise, spec=noise.spec.model_copy(update={"name": unique_id}))
    write_recording(Recording((named,)), folder)
    with streamkit("view", "--from", folder) as view:
        assert pylsl.resolve_byprop("name", unique_id, 1, WAIT_S)
        assert len(command_lines(str(folder))) == 2
        os.kill(view.pid, number)
        _, said = view.communicate(timeout=WAIT_S)
    assert (view.returncode, said) == (0, "")
    assert command_lines(str(folder)) == []
