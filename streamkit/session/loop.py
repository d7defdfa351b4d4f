"""The decode loop: what happens between going live and stopping, all in one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pylsl

from streamkit.lsl.health import Health
from streamkit.session.books import Books
from streamkit.session.options import WhenBehind
from streamkit.session.rig import Rig
from streamkit.types import Prediction, Window

DRAIN_S = 0.25
"""A source that sends nothing for so long has sent all."""

UNDER_WAY_S = 1.0
"""Longest that a sample stamped before the end may take to come."""


class DecodeLoop:
    """Pull, preprocess, cut, infer, publish.

    Parameters
    ----------
    rig
        What to pull from and publish on.
    health
        Is told what came.
    when_behind
        See `SessionOptions`.
    on_prediction
        Called with every published prediction.

    Attributes
    ----------
    counts
        ``samples``, ``markers``, ``predictions`` so far; ``duplicate_marker`` markers that came twice; ``skipped``
        windows left out because newer ones were ready; ``epoch_skipped`` epochs not compared because too many waited;
        ``backlog`` samples that had come and not been pulled when the last prediction left.
    books
        What is written to disk; None when nothing is.
    """

    def __init__(
        self,
        rig: Rig,
        health: Health,
        when_behind: WhenBehind = "all",
        on_prediction: Callable[[Prediction], None] | None = None,
    ) -> None:
        self._rig, self._health = rig, health
        self._latest = when_behind == "latest"
        self._on_prediction = on_prediction
        self.books: Books | None = None
        rig.sides.tell(health)
        self.counts = dict.fromkeys(("samples", "markers", "duplicate_marker", "predictions", "skipped", "backlog"), 0)
        self._errands = rig.errands
        if self._errands is not None:
            self.counts["epoch_skipped"] = 0
            self._errands.start()

    def step(self, timeout: float) -> float | None:
        """Decode what has come, after waiting up to `timeout` seconds for a sample.

        Returns
        -------
        float or None
            Stamp of the newest sample; None when none came.
        """
        newest, windows = self._await(timeout)
        # Whoever wants the latest window must know them all before the model is run on one.
        while self._latest and newest is not None and self._rig.signal.backlog:
            kept = [window.owned() for window in self._wanted(windows)]  # it may wait longer than samples are held
            later, more = self._take(0.0)
            newest, windows = later or newest, kept + more
        self._decode(windows)
        self._compare(self._rig.pipeline.epochs())
        return newest

    def _await(self, timeout: float) -> tuple[float | None, list[Window]]:
        """As `_take`, with a rehearsal while waiting for a chunk that can be foreseen."""
        warmth = self._rig.warmth
        pause = None if warmth is None else warmth.pause()
        if warmth is None or pause is None or pause >= timeout:
            return self._take(timeout)
        newest, windows = self._take(pause)
        if newest is not None:
            return newest, windows
        warmth.rehearse()
        newest, more = self._take(timeout)
        return newest, windows + more

    def empty(self, until: float) -> None:
        """Decode what had come when this was called, and what is stamped before `until`; a source may go on for ever.

        A source that stamps with a clock of its own may never come to `until`: it has `UNDER_WAY_S` after that.
        """
        waiting = self.counts["samples"] + self._rig.signal.backlog
        while (newest := self.step(DRAIN_S)) is not None:
            if self.counts["samples"] < waiting:
                continue
            if newest > until:
                self._decode(self._take_beside())  # a marker may come after its samples
                return
            if pylsl.local_clock() > until + UNDER_WAY_S:
                self.step(0.0)  # what came while the model ran
                return

    def finish(self) -> None:
        """Decode what is stamped before this moment, and what can be said about pending events."""
        self.empty(pylsl.local_clock())
        for window in self._rig.pipeline.last_windows():
            self._publish(window)
        self._compare(self._rig.pipeline.last_epochs())
        self.end_errands()

    def end_errands(self, drain: bool = True) -> None:
        """Do what still follows from the answers, or leave it; raises what went wrong with it."""
        if self._errands is not None:
            self._errands.close(drain)
            self._errands.check()

    def _take(self, timeout: float) -> tuple[float | None, list[Window]]:
        """Pull once; returns the stamp of the newest sample, and the windows that are ready."""
        chunk = self._rig.signal.pull(min(timeout, self._health.patience))
        windows = self._take_beside()
        self._health.saw_samples(len(chunk), self._rig.trouble)
        if not len(chunk):
            return None, windows
        self.counts["samples"] += len(chunk)
        if self._rig.warmth is not None:
            self._rig.warmth.pace.saw(chunk.arrival, len(chunk))
        return float(chunk.stamps[-1]), windows + self._rig.pipeline.windows(chunk)

    def _take_beside(self) -> list[Window]:
        """Take what has come beside the primary stream; returns the windows whose samples are all there already."""
        self._pull_sides()
        self._rig.markers.join()
        if self.books is not None:
            self.books.follow(self._rig)
        return self._marked()

    def _pull_sides(self) -> None:
        """Take what has come of the side streams: it must be known before the primary stream's samples are."""
        if not len(self._rig.sides):
            return
        for number, chunk in self._rig.sides.pull():
            self._rig.pipeline.windows(chunk, number)
        self._rig.sides.tell(self._health)

    def _marked(self) -> list[Window]:
        """Take the markers; returns the windows whose samples are all there already."""
        windows = []
        for number, event, again in self._rig.markers.pull():
            self.counts["duplicate_marker" if again else "markers"] += 1
            if self.books is not None:
                self.books.marker(number, event)
            if again:
                continue
            if self._rig.shown is not None:
                self._rig.shown.push(event)
            windows += self._rig.pipeline.event_windows(event)
        return windows

    def _decode(self, windows: list[Window]) -> None:
        """Publish each prediction before the next window is looked at."""
        for window in self._wanted(windows):
            self._publish(window)

    def _wanted(self, windows: list[Window]) -> list[Window]:
        """Those to decode: all, or the latest."""
        if not self._latest or len(windows) < 2:
            return windows
        self.counts["skipped"] += len(windows) - 1
        return [max(windows, key=lambda window: window.stamp)]

    def _publish(self, window: Window) -> None:
        prediction = self._rig.pipeline.infer(window)
        self._rig.broadcast.publish(prediction)
        self.counts["predictions"] += 1
        self.counts["backlog"] = self._rig.signal.backlog
        if self.books is not None:
            self.books.prediction(prediction, self.counts["backlog"])
        if self._on_prediction is not None:
            self._on_prediction(prediction)
        if self._errands is not None and (candidates := self._rig.candidates) is not None:
            self._errands.hand_over(lambda: _once(candidates.push, prediction))

    def _compare(self, epochs: list[Window]) -> None:
        """Hand over the epochs that came to an end: what is done about them never keeps a window waiting."""
        if self._errands is None:
            return
        if (encoding := self._rig.encoding) is not None:
            for window in epochs:
                self.counts["epoch_skipped"] += not self._errands.hand_over(partial(encoding.errand, window))
        self._errands.check()


def _once(work: Callable[[Prediction], None], prediction: Prediction) -> Iterator[None]:
    work(prediction)
    yield
