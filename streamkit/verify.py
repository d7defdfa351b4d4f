"""verify: the live answer against the offline answer, prediction by prediction.

The offline answer comes from the file alone, in one pass, with windows cut by plain slicing. The live
answer comes from whoever ran the session: `over_memory` here (a virtual clock, chunks of random
sizes), or real LSL streams collected by the caller. Neither knows the other's figures.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from streamkit.bundle import ModelBundle, load_bundle
from streamkit.clock import monotonic
from streamkit.errors import RecordingError
from streamkit.lsl.contract import channel_picks, signal_of
from streamkit.pipeline import Pipeline
from streamkit.preprocess import Preprocessor, windows_of
from streamkit.recording import Recording, Signal, read_recording
from streamkit.types import Chunk, Event, FloatArray, Prediction

LIVE_PARITY = 1e-5
"""Largest absolute difference allowed between live and offline on one backend."""

EVENT_MATCH_S = 1e-3
"""A live event is the file's event of the same label when their stamps agree this well."""

Feed = Iterable[Chunk | Event]


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
    signal = signal_of(recording, bundle.contract.stream)
    return signal, channel_picks(bundle.contract.stream, signal.spec)


def offline_answer(bundle_path: Path, recording_path: Path, backend: str = "auto") -> Answer:
    """Answer from the file alone: the whole signal as one chunk, windows sliced from the result."""
    bundle, recording = load_bundle(bundle_path), read_recording(recording_path)
    signal, picks = contract_signal(bundle, recording)
    contract = bundle.contract
    data: FloatArray = signal.data if picks is None else signal.data[:, picks]
    preprocessor = Preprocessor(contract.stream, contract.preprocess)
    processed = preprocessor.process(Chunk(data, monotonic(signal.stamps), 0))
    windows = windows_of(processed, recording.events(), preprocessor.out.sfreq, contract.window)
    runner = bundle.open_runner(backend)
    predictions = [
        Prediction(runner.infer(np.ascontiguousarray(w.data.T, np.float32)[None]), w.stamp, w.last, seq, w.event)
        for seq, w in enumerate(windows)
    ]
    answer = Answer.of(runner.backend, predictions, contract.output.shape)
    runner.close()
    return answer


def offline_in_its_own_process(bundle_path: Path, recording_path: Path, backend: str = "auto") -> Answer:
    """`offline_answer` computed by a fresh process that shares nothing with this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(offline_answer, bundle_path, recording_path, backend).result()


def feed(recording: Recording, signal: Signal, seed: int = 0) -> Iterator[Chunk | Event]:
    """Chunks of random sizes and events in order of time, as a virtual clock would deliver them.

    An event arrives after the chunk that covers it, as a marker that crosses a network does.
    """
    rng = np.random.default_rng(seed)
    events = [(event.stamp, i, event) for i, event in enumerate(recording.events())]
    heapq.heapify(events)
    stamps = monotonic(signal.stamps)
    first = 0
    while first < len(stamps):
        size = int(rng.integers(1, 65))
        part = slice(first, first + size)
        yield Chunk(signal.data[part], stamps[part], first)
        while events and events[0][0] <= stamps[part][-1]:
            yield heapq.heappop(events)[2]
        first += size
    yield from (event for _, _, event in sorted(events))


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
    signal, picks = contract_signal(bundle, recording)
    contract, runner = bundle.contract, bundle.open_runner(backend)
    pipeline = Pipeline(contract.stream, contract.preprocess, contract.window, runner, picks=picks)
    predictions: list[Prediction] = []
    for item in tamper(feed(recording, signal, seed)):
        predictions += pipeline.push(item) if isinstance(item, Chunk) else pipeline.push_event(item)
    predictions += pipeline.finish()
    runner.close()
    return Answer.of(runner.backend, predictions, contract.output.shape)


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
