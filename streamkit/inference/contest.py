"""A contest between backends: each proves itself, those that pass are timed in turn, the fastest wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from streamkit.errors import BackendError, StreamkitError
from streamkit.inference.backend import Arrays, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.proof import Reference, example, open_proven
from streamkit.inference.settings import Settings
from streamkit.inference.table import BACKENDS

CALLS = 10
SECONDS = 1.0
logger = logging.getLogger(__name__)
Contender = tuple[str, Settings]


@dataclass
class Trial:
    """How one backend fared: either `why_not`, or the rest.

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
        """Median seconds per call; infinite when it did not run."""
        return float(np.median(self.latencies)) if self.latencies else np.inf


def enter(contender: Contender, graph: Graph, reference: Reference) -> Trial:
    """Open one contender and let it prove itself."""
    name, settings = contender
    row = BACKENDS.get(name)
    if row is not None and (why_not := row.lacks(graph, settings) or row.available(settings.device)[1]):
        logger.info("backend %s is out: %s", name, why_not)
        return Trial(name, settings, why_not)
    try:
        backend, error = open_proven(name, graph, reference, settings)
    except StreamkitError as failure:
        logger.warning("backend %s is out: %s", name, failure)
        return Trial(name, settings, str(failure), failed=True)
    return Trial(name, settings, error=error, backend=backend)


def contest(
    graph: Graph,
    reference: Reference,
    contenders: Iterable[Contender],
    cadence: float = 0.05,
    calls: int = CALLS,
) -> list[Trial]:
    """Let backends prove themselves, then time those that passed, in turn, at about live cadence.

    A tight loop would flatter whoever keeps caches and clocks warm; between live windows the processor is idle.

    Parameters
    ----------
    cadence
        Seconds between two calls of the same backend.
    calls
        Timed calls of each, within about a second in all.

    Returns
    -------
    list of Trial
        One per contender, in their order. The backends in it are open: close them.
    """
    trials = [enter(contender, graph, reference) for contender in contenders]
    racers = [trial for trial in trials if trial.backend is not None]
    if len(racers) > 1:
        race(racers, example(reference), cadence, calls)
    return trials


def race(racers: list[Trial], x: Arrays, cadence: float, calls: int = CALLS, budget: float = SECONDS) -> None:
    """Time up to `calls` calls of each racer within about `budget` seconds, at least one each if any."""
    end = time.perf_counter() + budget
    for _ in range(calls):
        for racer in racers:
            time.sleep(cadence / len(racers))
            begin = time.perf_counter()
            racer.backend.run(*x)  # type: ignore[union-attr]
            racer.latencies.append(time.perf_counter() - begin)
        if time.perf_counter() > end:
            return


def winner(trials: list[Trial]) -> Trial:
    """The fastest trial that passed; logs a warning when it stands in for one that failed.

    Raises
    ------
    BackendError
        When none passed; lists why not, one line per backend.
    """
    passed = [trial for trial in trials if trial.backend is not None]
    if not passed:
        reasons = "\n  ".join(f"{trial.name}: {trial.why_not}" for trial in trials)
        raise BackendError(f"no backend can run this graph:\n  {reasons}")
    best = min(passed, key=lambda trial: trial.latency)
    failed = [trial.name for trial in trials if trial.failed]
    if failed:
        logger.warning("falling back to backend %s, for %s failed", best.name, " and ".join(failed))
    return best


def close_all(trials: Iterable[Trial], keep: Backend | None = None) -> None:
    """Close the backends of a contest, all but `keep`."""
    for trial in trials:
        if trial.backend is not None and trial.backend is not keep:
            trial.backend.close()
