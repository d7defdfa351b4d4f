"""verify passes what is right and fails what is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from click.testing import CliRunner, Result

from apps.commands.verify import command
from streamkit.bundle import load_bundle
from streamkit.errors import ContractMismatch, RecordingError
from streamkit.preprocess import filters
from streamkit.recording import Recording, Signal, read_recording, write_recording
from streamkit.types import Chunk, Event
from streamkit.verify import (
    Answer,
    Feed,
    VirtualClock,
    compare,
    offline_answer,
    over_memory,
    predictions_over_memory,
)
from tests.small import SFREQ, linear_bundle, noise_recording


@pytest.fixture(params=["event", "hop"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bundle(tmp_path: Path, mode: str) -> Path:
    return linear_bundle(tmp_path / "bundle", mode=mode).path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(noise_recording(), tmp_path / "recording")


def run(bundle: Path, recording: Path, *options: str, **seams: Any) -> tuple[Result, dict[str, Any]]:
    arguments = [str(bundle), str(recording), "--json", "--backend", "onnxruntime", *options]
    result = CliRunner().invoke(command, arguments, obj=seams, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result, json.loads(result.stdout)


def drop_a_chunk(items: Feed) -> Iterator[Chunk | Event]:
    chunks = 0
    for item in items:
        chunks += isinstance(item, Chunk)
        if not (isinstance(item, Chunk) and chunks == 12):
            yield item


def shift_by_one_sample(items: Feed) -> Iterator[Chunk | Event]:
    previous: np.ndarray[Any, Any] | None = None
    for item in items:
        if isinstance(item, Chunk):
            before = item.data[:1] if previous is None else previous
            shifted = np.concatenate([before, item.data[:-1]])
            previous = item.data[-1:]
            yield replace(item, data=shifted)
        else:
            yield item


def double_an_event(items: Feed) -> Iterator[Chunk | Event]:
    doubled = False
    for item in items:
        yield item
        if isinstance(item, Event) and not doubled:
            doubled = True
            yield item


def test_a_causal_pipeline_passes_over_memory(bundle: Path, recording: Path) -> None:
    result, report = run(bundle, recording, "--over", "memory")
    assert result.return_value == 0
    assert report["passed"]
    assert report["expected"] == report["live"] > 5
    assert report["missed"] == report["duplicated"] == report["unexpected"] == 0
    assert report["max_abs"] <= 1e-5
    assert report["bit_equal_on_repeat"]
    assert report["hash"] == over_memory(bundle, recording, "onnxruntime").hash


@pytest.mark.lsl
@pytest.mark.slow
def test_a_causal_pipeline_passes_over_lsl(bundle: Path, recording: Path) -> None:
    _, report = run(bundle, recording)
    assert report["passed"], report
    assert report["expected"] == report["live"]
    assert report["max_abs"] <= 1e-5


@pytest.mark.parametrize("tamper", [drop_a_chunk, shift_by_one_sample])
def test_a_damaged_feed_fails(bundle: Path, recording: Path, tamper: Callable[[Feed], Feed]) -> None:
    result, report = run(bundle, recording, "--over", "memory", tamper=tamper)
    assert result.return_value == 1
    assert not report["passed"]
    assert report["missed"] > 0 or report["max_abs"] > 1e-5


@pytest.mark.parametrize("mode", ["event"], indirect=True)
def test_a_doubled_event_fails(bundle: Path, recording: Path) -> None:
    result, report = run(bundle, recording, "--over", "memory", tamper=double_an_event)
    assert result.return_value == 1
    assert report["duplicated"] == 1
    assert report["missed"] == 0


def test_the_predictions_are_the_same_bits_in_another_process_and_with_other_chunks(
    bundle: Path, recording: Path
) -> None:
    here = over_memory(bundle, recording, "onnxruntime")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(over_memory, bundle, recording, "onnxruntime", seed=7).result()
    assert here.hash == there.hash
    assert len(here.hash) == 64


@pytest.mark.parametrize("mode", ["event"], indirect=True)
def test_the_command_gives_the_hash(bundle: Path, recording: Path) -> None:
    said = CliRunner().invoke(command, [str(bundle), str(recording), "--over", "memory", "--backend", "onnxruntime"])
    assert said.exit_code == 0
    expected = over_memory(bundle, recording, "onnxruntime").hash
    assert f"predictions {expected}, the same with other chunks" in said.stdout


@pytest.mark.parametrize("mode", ["event"], indirect=True)
def test_a_repeat_that_differs_fails(bundle: Path, recording: Path) -> None:
    turns = iter([lambda items: items, shift_by_one_sample])
    result, report = run(bundle, recording, "--over", "memory", tamper=lambda items: next(turns)(items))
    assert report["passed"]
    assert not report["bit_equal_on_repeat"]
    assert result.return_value == 1


def test_ledger_stamps_repeat_under_the_virtual_clock(bundle: Path, recording: Path) -> None:
    loaded, whole = load_bundle(bundle), read_recording(recording)
    runner = loaded.open_runner("onnxruntime")
    first, again = (predictions_over_memory(loaded.contract, whole, runner, seed=3) for _ in range(2))
    runner.close()
    assert [p.timing for p in first] == [p.timing for p in again]
    for timing in (p.timing for p in first):
        assert timing["sample"] <= timing["arrival"] <= timing["processed"] <= timing["infer_end"]
        assert timing["infer_end"] - timing["sample"] < 0.5


def test_the_virtual_clock_stands_still_and_never_goes_back() -> None:
    clock = VirtualClock()
    assert np.isnan(clock())
    clock.advance(5.0)
    clock.advance(4.0)
    assert clock() == clock() == 5.0
    chunk = clock.arrived(Chunk(np.zeros((2, 1)), np.array([5.5, 6.0])))
    assert chunk.arrival == clock() == 6.0


ANSWER = Answer(
    backend="b",
    values=np.arange(6, dtype=np.float32).reshape(3, 2),
    stamps=np.array([0.5, 1.0, 1.5]),
    last=np.array([4, 9, 14]),
    events=(Event("a", 0.25, "m"), Event("b", 0.75, "m"), None),
)


def flipped(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers but for the least bit of the last."""
    bits = column.copy().view(np.uint8).reshape(-1, column.itemsize)
    bits[-1, 0] ^= 1
    return bits.reshape(-1).view(column.dtype).reshape(column.shape)


@pytest.mark.parametrize("name", ["values", "stamps", "last"])
def test_one_flipped_bit_changes_the_hash(name: str) -> None:
    other = replace(ANSWER, **{name: flipped(getattr(ANSWER, name))})
    assert other.hash != ANSWER.hash
    assert replace(other, **{name: getattr(ANSWER, name).copy()}).hash == ANSWER.hash


@pytest.mark.parametrize(
    "events",
    [
        ANSWER.events[::-1],
        (Event("a", np.nextafter(0.25, 1), "m"), *ANSWER.events[1:]),
        (Event("A", 0.25, "m"), *ANSWER.events[1:]),
        (Event("a", 0.25, "n"), *ANSWER.events[1:]),
        (None, *ANSWER.events[1:]),
    ],
    ids=["order", "stamp", "label", "stream", "none"],
)
def test_other_events_change_the_hash(events: tuple[Event | None, ...]) -> None:
    assert replace(ANSWER, events=events).hash != ANSWER.hash


def test_shape_is_part_of_the_hash_and_the_backend_is_not() -> None:
    assert replace(ANSWER, values=ANSWER.values.reshape(3, 1, 2)).hash != ANSWER.hash
    assert replace(ANSWER, backend="other").hash == ANSWER.hash


def test_the_hash_is_what_its_description_says() -> None:
    parts = [b"[3, 2]", ANSWER.values.tobytes(), ANSWER.stamps.tobytes(), ANSWER.last.tobytes()]
    parts.append(b'[["a", "0x1.0000000000000p-2", "m"], ["b", "0x1.8000000000000p-1", "m"], null]')
    assert ANSWER.hash == hashlib.sha256(b"".join(parts)).hexdigest()


def zero_phase(self: filters.Filter, data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    sos = scipy.signal.butter(2, [1, 30], "bandpass", fs=SFREQ, output="sos")
    return np.asarray(scipy.signal.sosfiltfilt(sos, data, axis=0, padlen=min(20, len(data) - 1)))


def test_a_zero_phase_stage_in_the_live_path_fails(
    bundle: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters.Filter, "transform", zero_phase)  # the offline answer comes from another process
    result, report = run(bundle, recording, "--over", "memory")
    assert result.return_value == 1
    assert not report["passed"]
    assert report["max_abs"] > 1e-5


def test_a_zero_phase_stage_in_both_paths_fails(bundle: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters.Filter, "transform", zero_phase)
    offline = offline_answer(bundle, recording, "onnxruntime")
    verdict = compare(offline, over_memory(bundle, recording, "onnxruntime"), SFREQ)
    assert not verdict.passed
    assert verdict.max_abs > 1e-5


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["event"], indirect=True)
def test_a_dropped_chunk_fails_over_lsl(bundle: Path, recording: Path, tmp_path: Path) -> None:
    whole = noise_recording()
    signal = whole.signal()
    keep = np.ones(len(signal.stamps), bool)
    keep[500:510] = False
    damaged = replace(whole, signals=(Signal(signal.spec, signal.data[keep], signal.stamps[keep]),))
    result, report = run(bundle, recording, played=write_recording(damaged, tmp_path / "damaged"))
    assert result.return_value == 1
    assert not report["passed"]


def test_a_recording_with_nothing_to_decode_is_refused(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path / "bundle").path
    silent: Recording = replace(noise_recording(), markers=())
    path = write_recording(silent, tmp_path / "silent")
    with pytest.raises(RecordingError, match="nothing this bundle would decode"):
        run(bundle, path, "--over", "memory")


def test_a_recording_of_another_rate_is_refused_with_the_difference(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path / "bundle").path
    recording = noise_recording()
    signal = recording.signal()
    slow = Signal(signal.spec.model_copy(update={"sfreq": 200.0}), signal.data, signal.stamps)
    path = write_recording(replace(recording, signals=(slow,)), tmp_path / "slow")
    with pytest.raises(ContractMismatch, match="250") as caught:
        run(bundle, path, "--over", "memory")
    assert caught.value.exit_status == 2
