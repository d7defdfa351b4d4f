"""A contest between backends: each proves itself, those that pass are timed in turn, the fastest wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamkit.errors import BackendError, CannotRun, MissingPackage
from streamkit.inference.backend import Arrays, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.proof import Reference, example, open_proven
from streamkit.inference.settings import Settings
from streamkit.inference.table import BACKENDS

CALLS = 50
"""Most timed calls of each in one race."""

SECONDS = 1.0
"""Longest race, unless a single round takes longer."""

MARGIN = 0.05
"""Who is faster by less than this part is not faster: another choice at every start would help nobody."""

logger = logging.getLogger(__name__)
Contender = tuple[str, Settings]


@dataclass(eq=False)
class Trial:
    """How one contender fared: either `why_not`, or the rest.

    Attributes
    ----------
    name, settings
        Which, and how it was opened.
    failed
        It was there and ought to have run, and did not pass.
    error
        Relative error of its proof.
    latencies
        Seconds per call at cadence.
    backend
        Open and warm.
    """

    name: str
    settings: Settings = field(default_factory=Settings)
    why_not: str = ""
    failed: bool = False
    error: float = float("nan")
    latencies: list[float] = field(default_factory=list)
    backend: Backend | None = None

    @property
    def latency(self) -> float:
        """Median seconds per call; infinite when none was timed."""
        return float(np.median(self.latencies)) if self.latencies else np.inf

    @property
    def opened(self) -> Backend:
        """Its backend, which must be open."""
        if self.backend is None:
            raise BackendError(f"backend {self.name!r} is not open")
        return self.backend

    def facts(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        passed = not self.why_not
        quantiles = np.percentile(np.array(self.latencies) * 1e3, [50, 99]).tolist() if self.latencies else []
        return {
            "backend": self.name,
            "device": self.settings.device,
            "precision": self.settings.precision,
            "threads": self.settings.threads,
            "passed": passed,
            "failed": self.failed,
            "why_not": self.why_not,
            "relative_error": self.error if passed else None,
            "latency_ms": dict(zip(("p50", "p99"), quantiles, strict=True)) if quantiles else None,
        }


def enter(contender: Contender, graph: Graph, reference: Reference) -> Trial:
    """Open one contender and let it prove itself; whatever goes wrong with it is its own failure."""
    name, settings = contender
    row = BACKENDS.get(name)
    if row is not None and (why_not := row.lacks(graph, settings) or row.available(settings.device)[1]):
        logger.info("backend %s is out: %s", name, why_not)
        return Trial(name, settings, why_not)
    try:
        backend, error = open_proven(name, graph, reference, settings)
    except Exception as failure:
        why_not = str(failure) or type(failure).__name__
        logger.info("backend %s is out: %s", name, why_not)
        return Trial(name, settings, why_not, failed=not isinstance(failure, MissingPackage | CannotRun))
    return Trial(name, settings, error=error, backend=backend)


def contest(
    graph: Graph,
    reference: Reference,
    contenders: Iterable[Contender],
    cadence: float = 0.05,
    calls: int = CALLS,
    budget: float = SECONDS,
) -> list[Trial]:
    """Let backends prove themselves, then time those that passed, in turn, at about live cadence.

    A tight loop would flatter whoever keeps caches and clocks warm; between live windows the processor is idle.

    Parameters
    ----------
    cadence
        Seconds between two calls of the same backend.
    calls, budget
        As `race` has them.

    Returns
    -------
    list of Trial
        One per contender, in their order. The backends in it are open: close them.
    """
    trials: list[Trial] = []
    try:
        trials += (enter(contender, graph, reference) for contender in contenders)
        racers = passed(trials)
        if len(racers) > 1:
            race(racers, example(reference), cadence, calls, budget)
    except BaseException:
        close_all(trials)
        raise
    return trials


def race(racers: list[Trial], x: Arrays, cadence: float, calls: int = CALLS, budget: float = SECONDS) -> None:
    """Time up to `calls` calls of each racer within about `budget` seconds, at least one each if any.

    The racers take turns, so that whatever else the machine does meets all of them, and another begins each round, so
    that nobody always finds the caches as the same one left them. What they did before is left out.
    Their `buffers` are filled beforehand, as a window is written there when live.
    """
    for racer in racers:
        racer.latencies = []
        for buffer, array in zip(racer.opened.buffers, x, strict=True):
            np.copyto(buffer, array)
    runs = [(racer, racer.opened.run, racer.opened.buffers) for racer in racers]
    pause = cadence / len(racers)
    due = time.perf_counter()
    end = due + budget
    for turn in range(calls):
        first = turn % len(runs)
        for racer, run, buffers in (*runs[first:], *runs[:first]):
            due = max(due + pause, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
            begin = time.perf_counter()
            run(*buffers)
            racer.latencies.append(time.perf_counter() - begin)
        if time.perf_counter() > end:
            return


def passed(trials: Iterable[Trial]) -> list[Trial]:
    """Those that are open, proven and warm."""
    return [trial for trial in trials if trial.backend is not None]


def winner(trials: list[Trial]) -> Trial:
    """Of those that passed and are within `MARGIN` of the fastest, the one with the fewest threads, then the first.

    Raises
    ------
    BackendError
        When none passed; lists why not, one line per contender. `CannotRun` when none of them failed.
    """
    racers = passed(trials)
    if not racers:
        raise _nobody(trials)
    best = min(racer.latency for racer in racers)
    close = [racer for racer in racers if racer.latency * (1 - MARGIN) <= best]
    return min(close, key=lambda racer: racer.settings.threads)


def _nobody(trials: list[Trial]) -> BackendError:
    """What to say when nobody passed; where only one could have, that needs no list."""
    failed = [trial for trial in trials if trial.failed]
    if failed and len({trial.name for trial in trials}) == 1:
        return BackendError(failed[0].why_not)
    reasons = dict.fromkeys(f"{trial.name}: {trial.why_not}" for trial in trials)
    kind = BackendError if failed else CannotRun
    return kind("no backend can run this graph:\n  " + "\n  ".join(reasons))


def close_all(trials: Iterable[Trial], keep: Trial | None = None) -> None:
    """Close the backends of a contest, all but that of `keep`."""
    for trial in trials:
        if trial.backend is not None and trial is not keep:
            trial.backend.close()
            trial.backend = None
