"""verify: the live answer against the offline answer, prediction by prediction.

The offline answer comes from the file alone, in one pass, with windows cut by plain slicing. The live
answer comes from whoever ran the session: `over_memory` here (a virtual clock, chunks of random
sizes), or real LSL streams collected by the caller. Neither knows the other's figures.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from streamkit.bundle import Contract, ModelBundle, contract_signals, load_bundle
from streamkit.clock import TIE_S, monotonic
from streamkit.errors import RecordingError
from streamkit.lsl.contract import channel_picks
from streamkit.pipeline import Pipeline
from streamkit.preprocess import Preprocessor, align_whole, windows_of
from streamkit.recording import Recording, Signal, read_recording
from streamkit.timeline import Timeline
from streamkit.types import Chunk, Event, Prediction, StreamSpec

LIVE_PARITY = 1e-5
"""Largest absolute difference allowed between live and offline on one backend."""

EVENT_MATCH_S = 1e-3
"""A live event is the file's event of the same label when their stamps agree this well."""


@dataclass(frozen=True)
class SideChunk:
    """A chunk of side stream `stream`, counted from 1."""

    stream: int
    chunk: Chunk


Feed = Iterable[Chunk | SideChunk | Event]


@dataclass(frozen=True)
class Answer:
    """What one way of running a bundle said about a recording.

    Attributes
    ----------
    backend
        The backend that computed it.
    values
        ``(n_predictions, *output shape)`` float32.
    stamps
        ``(n_predictions,)`` stamp of the last input sample, seconds on the recording's clock.
    last
        ``(n_predictions,)`` processed index of that sample.
    events
        The event each prediction answers, stamps on the recording's clock; None in hop mode.
    """

    backend: str
    values: NDArray[np.float32]
    stamps: NDArray[np.float64]
    last: NDArray[np.int64]
    events: tuple[Event | None, ...]

    @classmethod
    def of(cls, backend: str, predictions: list[Prediction], shape: tuple[int, ...]) -> Answer:
        """Collect predictions whose stamps are on the recording's clock."""
        values = np.array([p.values for p in predictions], np.float32).reshape(-1, *shape)
        return cls(
            backend,
            values,
            np.array([p.stamp for p in predictions], np.float64),
            np.array([p.last for p in predictions], np.int64),
            tuple(p.event for p in predictions),
        )


class Verdict(BaseModel):
    """What `compare` found.

    Parameters
    ----------
    expected, live
        Number of predictions offline and live.
    missed, duplicated, unexpected
        Offline predictions with no live one; live ones beyond the first for the same event or hop;
        live ones that answer nothing the file holds.
    max_abs
        Largest absolute difference between matched values; NaN when nothing matched.
    max_stamp_error
        Largest difference between matched stamps, seconds.
    passed
        Whether every condition held.
    """

    backend: str
    expected: int
    live: int
    missed: int
    duplicated: int
    unexpected: int
    max_abs: float
    tolerance: float
    max_stamp_error: float
    passed: bool


def contract_signal(bundle: ModelBundle, recording: Recording) -> tuple[Signal, NDArray[np.intp] | None]:
    """Find the recording's signal that meets the bundle's contract, and the columns to pick from it.

    Raises
    ------
    ContractMismatch
        When none does; with the differences of the closest, line by line.
    RecordingError
        When the recording has no signal at all.
    """
    signal, _ = contract_signals(bundle.contract, recording)
    return signal, channel_picks(bundle.contract.stream, signal.spec)


def offline_answer(bundle_path: Path, recording_path: Path, backend: str = "auto") -> Answer:
    """Answer from the file alone: the whole signals as one chunk each, windows sliced from the result."""
    bundle, recording = load_bundle(bundle_path), read_recording(recording_path)
    contract = bundle.contract
    processed = offline_samples(contract, recording)
    windows = windows_of(processed, recording.events(), contract.processed.sfreq, contract.window)
    runner = bundle.open_runner(backend)
    predictions = [
        Prediction(runner.infer(np.ascontiguousarray(w.data.T, np.float32)[None]), w.stamp, w.last, seq, w.event)
        for seq, w in enumerate(windows)
    ]
    answer = Answer.of(runner.backend, predictions, contract.output.shape)
    runner.close()
    return answer


def offline_samples(contract: Contract, recording: Recording) -> Chunk:
    """Process and align every sample of a recording, in one pass."""
    signal, sides = contract_signals(contract, recording)
    processed = Preprocessor(contract.stream, contract.preprocess).process(_whole(signal, contract.stream))
    if not contract.also:
        return processed
    whole = [
        None if side is None else _whole(side, config.stream) for side, config in zip(sides, contract.also, strict=True)
    ]
    return align_whole(processed, contract.also, whole)


def _whole(signal: Signal, expected: StreamSpec) -> Chunk:
    picks, whole = channel_picks(expected, signal.spec), signal.whole()
    return whole if picks is None else dataclasses.replace(whole, data=whole.data[:, picks])


def offline_in_its_own_process(bundle_path: Path, recording_path: Path, backend: str = "auto") -> Answer:
    """`offline_answer` computed by a fresh process that shares nothing with this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(offline_answer, bundle_path, recording_path, backend).result()


def feed(
    recording: Recording, signal: Signal, seed: int = 0, sides: Sequence[tuple[Signal | None, float]] = ()
) -> Iterator[Chunk | SideChunk | Event]:
    """Chunks of random sizes and events in order of time, as a virtual clock would deliver them.

    A chunk arrives when its last sample does. An event arrives after the chunk that covers it, as a marker that
    crosses a network does.

    Parameters
    ----------
    signal
        The primary one.
    seed
        Of the chunk sizes.
    sides
        The side streams, None for one that was not recorded, and the delay of each: no chunk of it spans more.
    """
    rng = np.random.default_rng(seed)
    lanes = [_parts(signal, rng)]
    lanes += [_parts(side, rng, delay, number) for number, (side, delay) in enumerate(sides, 1) if side is not None]
    events = deque(recording.events())
    for stamp, number, chunk in heapq.merge(*lanes, key=lambda arrival: arrival[:2]):
        yield SideChunk(-number, chunk) if number else chunk
        while number == 0 and events and events[0].stamp <= stamp:
            yield events.popleft()
    yield from events


Arrival = tuple[float, int, Chunk]
"""When; minus the number of the stream, as of what arrives at once the side streams go first; what."""


def _parts(signal: Signal, rng: np.random.Generator, span: float = np.inf, number: int = 0) -> Iterator[Arrival]:
    """Cut a stream into chunks of up to 64 samples that span at most `span` seconds."""
    due, timeline = monotonic(signal.stamps), Timeline(signal.spec.sfreq)
    first = 0
    while first < len(due):
        fits = int(np.searchsorted(due, due[first] + span - TIE_S)) - first
        part = slice(first, first + max(1, min(int(rng.integers(1, 65)), fits)))
        data, raw = signal.data[part], signal.stamps[part]
        stamps, gap, duplicate, _ = timeline.correct(raw, data)
        chunk = Chunk(data, stamps, first, gap=gap, raw_stamps=raw, duplicate=duplicate)
        first += len(chunk)
        yield float(stamps[-1]), -number, chunk


def over_memory(
    bundle_path: Path,
    recording_path: Path,
    backend: str = "auto",
    *,
    seed: int = 0,
    tamper: Callable[[Feed], Feed] = lambda items: items,
) -> Answer:
    """Answer of the live pipeline under a virtual clock, as fast as it will go.

    Parameters
    ----------
    bundle_path, recording_path
        What to run and on what.
    backend
        Backend name.
    seed
        Of the chunk sizes.
    tamper
        Wraps the feed; tests use it to drop, shift and double what arrives.
    """
    bundle, recording = load_bundle(bundle_path), read_recording(recording_path)
    contract, runner = bundle.contract, bundle.open_runner(backend)
    signal, sides = contract_signals(contract, recording)
    pipeline = Pipeline(
        contract.stream,
        contract.preprocess,
        contract.window,
        runner,
        picks=channel_picks(contract.stream, signal.spec),
        also=contract.also,
    )
    also_picks = [
        None if found is None else channel_picks(side.stream, found.spec)
        for side, found in zip(contract.also, sides, strict=True)
    ]
    delays = [side.delay for side in contract.also]
    predictions: list[Prediction] = []
    for item in tamper(feed(recording, signal, seed, tuple(zip(sides, delays, strict=True)))):
        predictions += _push(pipeline, item, also_picks)
    predictions += pipeline.finish()
    runner.close()
    return Answer.of(runner.backend, predictions, contract.output.shape)


def _push(
    pipeline: Pipeline, item: Chunk | SideChunk | Event, also_picks: Sequence[NDArray[np.intp] | None]
) -> list[Prediction]:
    if isinstance(item, SideChunk):
        picks = also_picks[item.stream - 1]
        chunk = item.chunk if picks is None else replace(item.chunk, data=item.chunk.data[:, picks])
        return pipeline.push(chunk, item.stream)
    return pipeline.push(item) if isinstance(item, Chunk) else pipeline.push_event(item)


def compare(offline: Answer, live: Answer, sfreq: float, tolerance: float = LIVE_PARITY) -> Verdict:
    """Match live to offline predictions by event or hop and measure how far they differ.

    Parameters
    ----------
    offline, live
        The two answers, both with stamps on the recording's clock.
    sfreq
        Rate of the processed stream, Hz: stamps must agree within half a sample.
    tolerance
        Largest absolute difference allowed.

    Raises
    ------
    RecordingError
        When the file itself gives the model nothing to decode.
    """
    if len(offline.events) == 0:
        raise RecordingError(
            "the recording holds nothing this bundle would decode: no event matches its window's patterns "
            "or the signal is shorter than one window"
        )
    unmatched = {i: None for i in range(len(offline.events))}
    pairs, duplicated, unexpected = [], 0, 0
    for j in range(len(live.events)):
        candidates = _candidates(offline, live, j)
        fresh = next((i for i in candidates if i in unmatched), None)
        if fresh is not None:
            del unmatched[fresh]
            pairs.append((fresh, j))
        elif candidates:
            duplicated += 1
        else:
            unexpected += 1
    max_abs, stamp_error = _differences(offline, live, pairs)
    passed = (
        not unmatched
        and duplicated == unexpected == 0
        and max_abs <= tolerance
        and stamp_error <= 0.5 / sfreq
        and offline.backend == live.backend
    )
    return Verdict(
        backend=live.backend,
        expected=len(offline.events),
        live=len(live.events),
        missed=len(unmatched),
        duplicated=duplicated,
        unexpected=unexpected,
        max_abs=max_abs,
        tolerance=tolerance,
        max_stamp_error=stamp_error,
        passed=passed,
    )


def _candidates(offline: Answer, live: Answer, j: int) -> list[int]:
    """Offline predictions that answer the same event or hop as live prediction `j`."""
    event = live.events[j]
    if event is None:
        return [int(i) for i in np.flatnonzero(offline.last == live.last[j]) if offline.events[i] is None]
    near = [
        (abs(other.stamp - event.stamp), i)
        for i, other in enumerate(offline.events)
        if other is not None and other.label == event.label and abs(other.stamp - event.stamp) <= EVENT_MATCH_S
    ]
    return [i for _, i in sorted(near)]


def _differences(offline: Answer, live: Answer, pairs: list[tuple[int, int]]) -> tuple[float, float]:
    if not pairs:
        return float("nan"), float("nan")
    i, j = np.array(pairs).T
    values = np.abs(offline.values[i].astype(np.float64) - live.values[j])
    return float(values.max()), float(np.abs(offline.stamps[i] - live.stamps[j]).max())
