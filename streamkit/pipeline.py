"""Pipeline: chunks and events in, predictions out; no threads, no input or output of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.encoding import EncodingSpec, EpochCutter
from streamkit.errors import ConfigError
from streamkit.inference import Runner
from streamkit.preprocess import Aligner, PreprocessConfig, Preprocessor, SideStream, WindowConfig, Windower
from streamkit.preprocess.sample_times import SampleTimes
from streamkit.types import Chunk, Event, Prediction, StreamSpec, Window


class Infers(Protocol):
    """The least that a pipeline needs to answer windows; a `streamkit.inference.Runner` can do more."""

    def infer(self, x: NDArray[np.float32], /) -> NDArray[np.float32]:
        """``(1, n_chans, n_times)`` to the output without the batch axis, in an array the caller owns."""


class _Plain:
    """Something that infers, in the place of a runner: it carries nothing from window to window."""

    steps = None

    def __init__(self, infers: Infers, shape: tuple[int, int, int]) -> None:
        self._infers, self.buffer = infers, np.zeros(shape, np.float32)

    def infer(self, x: NDArray[Any], at: int = 0) -> NDArray[np.float32]:
        return self._infers.infer(x)

    def reset(self) -> None:
        pass


class Pipeline:
    """Preprocess, cut windows, infer.

    Parameters
    ----------
    spec
        The stream the model was calibrated on: the channels it needs, in its order.
    preprocess, window
        How samples become windows.
    runner
        What turns a window into an output. What it carries from window to window is forgotten before the first one, and
        with the first window behind a gap where `preprocess` begins anew after gaps.
    picks
        Columns of an incoming chunk that are the channels of `spec`; None when they are those already.
    also
        The side streams to align with it.
    speed
        How many seconds of a recording pass in one second of stamps, where one is replayed.
    clock
        Gives the time, seconds on the LSL clock.
    history
        Seconds of processed samples kept for late markers.
    encoding
        What to cut recorded epochs for, beside the windows that are decoded; None for nothing.

    Raises
    ------
    ConfigError
        When a stage or the window does not fit the stream, or `picks` does not give its channels.

    Notes
    -----
    The predictions are the same bits whatever the chunks, as long as the runner is deterministic. The data of a
    window may be a view that later samples overwrite: infer before pushing more than `history` seconds.
    """

    def __init__(
        self,
        spec: StreamSpec,
        preprocess: PreprocessConfig,
        window: WindowConfig,
        runner: Infers,
        *,
        picks: NDArray[np.intp] | None = None,
        also: Sequence[SideStream] = (),
        speed: float = 1.0,
        clock: Callable[[], float] = pylsl.local_clock,
        history: float = 30.0,
        encoding: EncodingSpec | None = None,
    ) -> None:
        if picks is not None and len(picks) != spec.n_chans:
            raise ConfigError(f"picks names {len(picks)} columns, expected {spec.n_chans}: one for each channel")
        self._preprocessor = Preprocessor(spec, preprocess, speed)
        self._aligner = Aligner(self._preprocessor.out, also, speed) if also else None
        out = self._aligner.out if self._aligner else self._preprocessor.out
        self._windower = Windower(out, window, history, speed)
        self._epochs = None if encoding is None else EpochCutter(out, encoding, history, speed)
        shape = (1, out.n_chans, window.n_times)
        self._runner = runner if isinstance(runner, Runner) else _Plain(runner, shape)
        self._resets = preprocess.on_gap == "reset"
        self._gaps: int | None = None
        self._picks = picks
        self._clock = clock
        self._processed = SampleTimes(self._windower.capacity)
        self._seq = 0

    @property
    def counts(self) -> dict[str, int]:
        """What became of the windows, as `Windower.counts`; that of `Aligner` and `EpochCutter`, where there is one."""
        further = [part.counts for part in (self._aligner, self._epochs) if part is not None]
        return {name: n for counts in (self._windower.counts, *further) for name, n in counts.items()}

    @property
    def delay(self) -> float:
        """Group delay in seconds that the stages declare."""
        return self._preprocessor.delay

    @property
    def out(self) -> StreamSpec:
        """The processed stream that windows are cut from."""
        return self._preprocessor.out

    @property
    def missing(self) -> int | None:
        """Processed samples still to come until the next window is whole; None when no window is in sight."""
        return self._windower.missing

    def windows(self, chunk: Chunk, stream: int = 0) -> list[Window]:
        """Take in raw samples; returns the windows they complete, each to be given to `infer` or left out.

        Parameters
        ----------
        chunk
            The next samples of one stream.
        stream
            0 for the primary stream; *k* for side stream *k* of `also`, counted from 1, with the channels that
            `also` names, in that order. It completes no window.
        """
        if stream:
            self._beside(stream - 1, chunk)
            return []
        if self._picks is not None:
            chunk = dataclasses.replace(chunk, data=np.take(chunk.data, self._picks, axis=1))
        processed = self._preprocessor.process(chunk)
        if self._aligner is not None:
            processed = self._aligner.align(processed)
        now, before = self._clock(), self._windower.written
        windows = self._windower.push(processed)
        self._processed.extend(self._windower.written - before, now)
        if self._epochs is not None:
            self._epochs.samples(processed, now)
        return self._timed(windows)

    def event_windows(self, event: Event) -> list[Window]:
        """Take in an event; returns its window at once when all its samples are there already."""
        if self._epochs is not None:
            self._epochs.event(event)
        return self._timed(self._windower.push_event(event))

    def last_windows(self) -> list[Window]:
        """No more samples will come: the windows that can still be resolved."""
        return self._timed(self._windower.finish())

    def epochs(self) -> list[Window]:
        """Recorded epochs of known stimuli that are whole by now; to be asked for when the answers have left."""
        return self._epochs.take() if self._epochs else []

    def last_epochs(self) -> list[Window]:
        """No more samples will come: the epochs that can still be resolved."""
        return self._epochs.finish() if self._epochs else []

    def infer(self, window: Window) -> Prediction:
        """Answer one window; predictions are numbered in the order of these calls."""
        if self._gaps is None or (self._resets and window.gaps != self._gaps):
            self._runner.reset()
        self._gaps = window.gaps
        # The one place where (n_times, n_chans) becomes (batch, n_chans, n_times): in the network's own input.
        self._runner.buffer[0] = window.data.T
        started = self._clock()
        values = self._runner.infer(self._runner.buffer, window.last)
        timing = window.timing | {"infer_start": started, "infer_end": self._clock()}
        seq = self._seq
        self._seq += 1
        return Prediction(
            values, window.stamp, window.last, seq, window.event, window.valid, timing, self._runner.steps
        )

    def push(self, chunk: Chunk, stream: int = 0) -> list[Prediction]:
        """Take in raw samples of a stream, as `windows` does; returns the predictions they complete."""
        return [self.infer(window) for window in self.windows(chunk, stream)]

    def push_event(self, event: Event) -> list[Prediction]:
        """Take in an event; returns its prediction at once when all its samples are there already."""
        return [self.infer(window) for window in self.event_windows(event)]

    def finish(self) -> list[Prediction]:
        """No more samples will come: predict what can still be resolved."""
        return [self.infer(window) for window in self.last_windows()]

    def _beside(self, side: int, chunk: Chunk) -> None:
        since = self._aligner.push(side, chunk) if self._aligner else None
        if since is not None:
            self._windower.invalidate(since)
            if self._epochs is not None:
                self._epochs.invalidate(since)

    def _timed(self, windows: list[Window]) -> list[Window]:
        for window in windows:
            processed = self._processed[window.last]
            window.timing.update(sample=window.stamp, arrival=window.arrival, processed=processed, window=self._clock())
        return windows
