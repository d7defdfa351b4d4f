"""Backends prove themselves on reference pairs, and the fastest that passes is chosen."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from streamkit.errors import BackendError, StreamkitError
from streamkit.inference.backend import Array, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.table import BACKENDS, open_backend

TOLERANCE = 1e-4
WARM_UP_CALLS = 3
CONTEST_CALLS = 10
CONTEST_S = 1.0
logger = logging.getLogger(__name__)
Reference = tuple[Array, Array]


def prove(backend: Backend, reference_input: Array, reference_output: Array, tolerance: float = TOLERANCE) -> float:
    """Run the reference inputs one by one, as live does, and compare with the reference outputs.

    Parameters
    ----------
    backend
        Open, at batch 1.
    reference_input, reference_output
        ``(n, n_chans, n_times)`` and ``(n, *out_shape)``.
    tolerance
        Largest error that passes.

    Returns
    -------
    float
        Largest absolute difference, relative to the largest absolute value of `reference_output`.

    Raises
    ------
    BackendError
        When the shapes differ, or the error is larger than `tolerance` or not a number.
    """
    got = np.concatenate([backend.infer(reference_input[i : i + 1]) for i in range(len(reference_input))])
    if got.shape != reference_output.shape:
        raise BackendError(
            f"backend {backend.name!r} gave outputs of shape {got.shape}, the reference has {reference_output.shape}"
        )
    scale = float(np.max(np.abs(reference_output))) or 1.0
    error = float(np.max(np.abs(got.astype(np.float64) - reference_output))) / scale
    if not error <= tolerance:
        raise BackendError(
            f"backend {backend.name!r} failed its proof: its outputs differ from the reference by {error:.2g} "
            f"(relative), allowed is {tolerance:g}. Try another backend, or --backend auto"
        )
    return error


def open_proven(name: str, graph: Graph, reference: Reference, threads: int = 1) -> tuple[Backend, float]:
    """Open a backend and make it prove itself, which also pays the cost of its first calls.

    Returns
    -------
    Backend, float
        Open and warm, and the relative error of its proof.
    """
    backend = open_backend(name, graph, threads)
    try:
        error = prove(backend, *reference)
        for _ in range(WARM_UP_CALLS):
            backend.infer(reference[0][:1])
    except BaseException:
        backend.close()
        raise
    return backend, error


@dataclass
class Trial:
    """How one backend fared: either `why_not`, or the rest.

    Attributes
    ----------
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
    why_not: str = ""
    failed: bool = False
    error: float = float("nan")
    latencies: list[float] = field(default_factory=list)
    backend: Backend | None = None

    @property
    def latency(self) -> float:
        """Median seconds per call; infinite when it did not run."""
        return float(np.median(self.latencies)) if self.latencies else np.inf


def _enter(name: str, graph: Graph, reference: Reference, threads: int) -> Trial:
    row = BACKENDS.get(name)
    if row is not None and (why_not := row.available()[1] or row.lacks(graph)):
        logger.info("backend %s is out: %s", name, why_not)
        return Trial(name, why_not)
    try:
        backend, error = open_proven(name, graph, reference, threads)
    except StreamkitError as failure:
        logger.warning("backend %s is out: %s", name, failure)
        return Trial(name, str(failure), failed=True)
    return Trial(name, error=error, backend=backend)


def contest(
    graph: Graph,
    reference: Reference,
    candidates: Iterable[str],
    cadence: float = 0.05,
    threads: int = 1,
    calls: int = CONTEST_CALLS,
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
        One per candidate, in their order. The backends in it are open: close them.
    """
    trials = [_enter(name, graph, reference, threads) for name in candidates]
    racers = [trial for trial in trials if trial.backend is not None]
    if len(racers) > 1:
        race(racers, reference[0][:1], cadence, calls)
    return trials


def race(racers: list[Trial], x: Array, cadence: float, calls: int = CONTEST_CALLS, budget: float = CONTEST_S) -> None:
    """Time up to `calls` calls of each racer within about `budget` seconds, at least one each if any."""
    end = time.perf_counter() + budget
    for _ in range(calls):
        for racer in racers:
            time.sleep(cadence / len(racers))
            begin = time.perf_counter()
            racer.backend.infer(x)  # type: ignore[union-attr]
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


def choose(
    graph: Graph, reference: Reference, candidates: Iterable[str], cadence: float = 0.05, threads: int = 1
) -> str:
    """Name of the fastest of `candidates` that passes its proof on `reference`, measured at about live cadence."""
    trials = contest(graph, reference, candidates, cadence, threads)
    try:
        return winner(trials).name
    finally:
        close_all(trials)


def close_all(trials: Iterable[Trial], keep: Backend | None = None) -> None:
    """Close the backends of a contest, all but `keep`."""
    for trial in trials:
        if trial.backend is not None and trial.backend is not keep:
            trial.backend.close()
