"""The live answer without a network: the live pipeline under a virtual clock, fed in the order of arrival."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamkit.bundle import Contract, contract_signals, load_bundle
from streamkit.clock import TIE_S, monotonic
from streamkit.inference import Wishes
from streamkit.lsl.contract import channel_picks
from streamkit.pipeline import Infers, Pipeline
from streamkit.recording import Recording, Signal, read_recording
from streamkit.timeline import Timeline
from streamkit.types import Chunk, Event, Prediction, Window
from streamkit.verify.answer import Answer
from streamkit.verify.epochs import epochs_answer


@dataclass(frozen=True)
class SideChunk:
    """A chunk of side stream `stream`, counted from 1."""

    stream: int
    chunk: Chunk


Feed = Iterable[Chunk | SideChunk | Event]


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


class VirtualClock:
    """A clock that stands still until it is told the time: what is computed under it takes no time at all.

    Attributes
    ----------
    now
        Seconds; on the recording's clock when a recording is fed. NaN until something has arrived.
    """

    def __init__(self) -> None:
        self.now = math.nan

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, to: float) -> None:
        """Let it be `to`, or stay as it is where that is past."""
        self.now = to if math.isnan(self.now) else max(self.now, to)

    def arrived(self, chunk: Chunk) -> Chunk:
        """Let it be the time of a chunk's last sample, which is when the chunk arrives."""
        if len(chunk):
            self.advance(float(chunk.stamps[-1]))
        return replace(chunk, arrival=self.now)


def over_memory(
    bundle_path: Path,
    recording_path: Path,
    backend: Wishes = "auto",
    *,
    seed: int = 0,
    tamper: Callable[[Feed], Feed] = lambda items: items,
    timer: Callable[[], float] | None = None,
) -> Answer:
    """Answer of the live pipeline under a virtual clock, as fast as it will go.

    Parameters
    ----------
    bundle_path, recording_path
        What to run and on what.
    backend
        What to run it with; a word is a backend.
    seed
        Of the chunk sizes.
    tamper
        Wraps the feed; tests use it to drop, shift and double what arrives.
    timer
        What a time budget is measured with, seconds; by default the virtual clock, under which no step takes any.
    """
    bundle, recording = load_bundle(bundle_path), read_recording(recording_path)
    clock = VirtualClock()
    runner = bundle.open_runner(backend, clock=timer or clock)
    windows: list[Window] = []
    predictions = predictions_over_memory(
        bundle.contract, recording, runner, seed=seed, tamper=tamper, clock=clock, epochs=windows
    )
    runner.close()
    answer = Answer.of(runner.backend, predictions, bundle.contract.output.shape)
    predictor = bundle.open_predictor(backend)
    if predictor is None:
        return answer
    with closing(predictor):
        return replace(answer, epochs=epochs_answer(bundle, predictor, windows))


def predictions_over_memory(
    contract: Contract,
    recording: Recording,
    runner: Infers,
    *,
    seed: int = 0,
    tamper: Callable[[Feed], Feed] = lambda items: items,
    clock: VirtualClock | None = None,
    epochs: list[Window] | None = None,
) -> list[Prediction]:
    """Predictions of the live pipeline under a `VirtualClock`, the ledger stamps of which repeat with all else.

    Recorded epochs of known stimuli are added to `epochs`, where it is given.
    """
    signal, sides = contract_signals(contract, recording)
    clock = clock or VirtualClock()
    pipeline = Pipeline(
        contract.stream,
        contract.preprocess,
        contract.window,
        runner,
        picks=channel_picks(contract.stream, signal.spec),
        also=contract.also,
        clock=clock,
        encoding=None if epochs is None else contract.encoding,
    )
    recorded = [] if epochs is None else epochs
    also_picks = [
        None if found is None else channel_picks(side.stream, found.spec)
        for side, found in zip(contract.also, sides, strict=True)
    ]
    delays = [side.delay for side in contract.also]
    predictions: list[Prediction] = []
    for item in tamper(feed(recording, signal, seed, tuple(zip(sides, delays, strict=True)))):
        predictions += _push(pipeline, item, also_picks, clock)
        recorded += pipeline.epochs()
    predictions += pipeline.finish()
    recorded += pipeline.last_epochs()
    return predictions


def _push(
    pipeline: Pipeline,
    item: Chunk | SideChunk | Event,
    also_picks: Sequence[NDArray[np.intp] | None],
    clock: VirtualClock,
) -> list[Prediction]:
    if isinstance(item, SideChunk):
        picks, chunk = also_picks[item.stream - 1], clock.arrived(item.chunk)
        return pipeline.push(chunk if picks is None else replace(chunk, data=chunk.data[:, picks]), item.stream)
    return pipeline.push(clock.arrived(item)) if isinstance(item, Chunk) else pipeline.push_event(item)
