"""Choice: which backend runs a graph here, by measurement; remembered per machine and bundle, proven at every load."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamkit.errors import BackendError, CannotRun, MissingPackage
from streamkit.inference import cache
from streamkit.inference.backend import Backend
from streamkit.inference.contest import Trial, close_all, enter
from streamkit.inference.graph import Graph
from streamkit.inference.memory import file_for, recollect, remember
from streamkit.inference.proof import Reference, open_proven
from streamkit.inference.settings import Settings
from streamkit.inference.table import BACKENDS
from streamkit.inference.tournament import hold
from streamkit.inference.wish import Field, Wish, field_of, thread_counts

CADENCE_S = 0.05
"""Seconds between the calls of a contestant where nobody knows when windows will come, as after events; and the most
in any case, for a contest must be short, and caches and clocks are about as cold by then as they get."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What runs a graph, and why.

    Attributes
    ----------
    name, settings
        The backend, and how it was opened.
    error
        Relative error of its proof, now.
    table
        How every contender fared, and why others were none, as `Trial.facts` says; from the contest that is
        remembered where none was held. Nobody was timed when there was nothing to choose.
    remembered
        It was chosen at an earlier start.
    fell_back_from
        What was asked for and failed; empty when nothing did.
    reason
        How it failed.
    """

    name: str
    settings: Settings
    error: float = float("nan")
    table: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    remembered: bool = False
    fell_back_from: str = ""
    reason: str = ""

    @property
    def wish(self) -> Wish:
        """To get the same again, in another process."""
        return Wish.exactly((self.name, self.settings))

    @property
    def warning(self) -> str:
        """One line for the user about a fallback; empty when there was none."""
        if not self.fell_back_from:
            return ""
        return f"backend {self.fell_back_from} failed, {self} is used instead: {self.reason}"

    def facts(self) -> dict[str, Any]:
        """All but the table, as JSON values."""
        return {
            "backend": self.name,
            "device": self.settings.device,
            "precision": self.settings.precision,
            "threads": self.settings.threads,
            "relative_error": self.error,
            "remembered": self.remembered,
            "fell_back_from": self.fell_back_from or None,
            "reason": self.reason or None,
        }

    def __str__(self) -> str:
        """As people read it: ``openvino (cpu, float32, 1 thread)``."""
        return f"{self.name} ({self.settings})"


def open_chosen(
    graph: Graph,
    reference: Reference,
    wish: Wish | str = "auto",
    cadence: float | None = None,
    strict: bool = False,
) -> tuple[Backend, Choice]:
    """Open the backend that was asked for, what is left open being settled by a contest, proven and warm.

    Parameters
    ----------
    wish
        What to run it with; a word is a backend.
    cadence
        Seconds between two calls when live; None where nobody knows.
    strict
        Raise when a backend that is here fails its proof, rather than use another.

    Returns
    -------
    Backend, Choice
        Open, and what to say about it.

    Raises
    ------
    MissingPackage
        When the backend or device that was asked for is absent.
    CannotRun
        When it is nothing for this graph.
    BackendError
        When it failed its proof and `strict` allows no other, or no other passed.
    """
    wish = Wish.of(wish)
    cadence = contest_cadence(cadence)
    contestants = field_of(graph, wish)
    _check_any(contestants, graph, wish)
    try:
        return _open(graph, reference, wish, contestants, cadence, strict)
    except (MissingPackage, CannotRun):
        raise
    except BackendError as failure:
        if strict:
            raise BackendError(f"{failure}. Name another backend, or let another stand in for it") from failure
        return _fall_back(graph, reference, wish, cadence, failure)


def contest_cadence(cadence: float | None) -> float:
    """Seconds between two calls of a contestant, given those between two windows when live; None where nobody knows."""
    return CADENCE_S if cadence is None else min(cadence, CADENCE_S)


def _check_any(contestants: Field, graph: Graph, wish: Wish) -> None:
    """Raise unless somebody may enter."""
    if contestants.contenders:
        return
    if wish.backend == "auto":
        lines = [f"{name}: {why_not}" for (name, _), why_not in contestants.out]
        raise CannotRun("no backend can run this graph:\n  " + "\n  ".join(dict.fromkeys(lines)))
    unfit = all(BACKENDS[name].lacks(graph, settings) for (name, settings), _ in contestants.out)
    reasons = "; ".join(dict.fromkeys(why_not for _, why_not in contestants.out))
    raise (CannotRun if unfit else MissingPackage)(reasons)


def _open(
    graph: Graph, reference: Reference, wish: Wish, contestants: Field, cadence: float, strict: bool
) -> tuple[Backend, Choice]:
    """Open without any fallback."""
    counts = thread_counts(wish)
    if len(contestants.contenders) == 1 and len(counts) == 1:
        return _open_only(graph, reference, contestants)
    file = file_for(graph, wish, contestants, cadence)
    if recalled := _recall(file, graph, reference, contestants, counts, strict):
        return recalled
    trials = [Trial(name, settings, why_not) for (name, settings), why_not in contestants.out]
    try:
        best = hold(trials, graph, reference, contestants.contenders, counts, cadence)
        _tell_failures(trials, best, strict)
    except BaseException:
        close_all(trials)
        raise
    backend = best.opened
    close_all(trials, keep=best)
    choice = Choice(best.name, best.settings, best.error, tuple(trial.facts() for trial in trials))
    remember(file, (best.name, best.settings), choice.table)
    logger.info("chose %s for graph %s, relative error %.1e", choice, graph.name, choice.error)
    return backend, choice


def _open_only(graph: Graph, reference: Reference, contestants: Field) -> tuple[Backend, Choice]:
    """Open the only one there is: nothing needs to be measured."""
    trial = enter(contestants.contenders[0], graph, reference)
    if trial.backend is None:
        raise (BackendError if trial.failed else MissingPackage)(trial.why_not)
    out = (Trial(name, settings, why_not) for (name, settings), why_not in contestants.out)
    return trial.backend, Choice(trial.name, trial.settings, trial.error, tuple(each.facts() for each in (trial, *out)))


def _recall(
    file: Path, graph: Graph, reference: Reference, contestants: Field, counts: tuple[int, ...], strict: bool
) -> tuple[Backend, Choice] | None:
    """Open what is remembered, if that still proves itself; forget it, if not."""
    memory = recollect(file)
    if memory is None or (strict and memory.somebody_failed):
        return None
    try:
        name, settings = memory.contender
        fewest = replace(settings, threads=counts[0]) if settings.device == "cpu" else settings
        if (name, fewest) not in contestants.contenders or settings.threads not in (1, *counts):
            raise BackendError(f"{name} ({settings}) does not come into question")
        backend, error = open_proven(name, graph, reference, settings)
    except Exception as failure:
        logger.info("the choice kept in %s does not hold any more and is forgotten: %s", file, failure)
        cache.remove(file)
        return None
    return backend, Choice(name, settings, error, memory.table, remembered=True)


def _tell_failures(trials: list[Trial], best: Trial, strict: bool) -> None:
    for trial in trials:
        if not trial.failed:
            continue
        if strict:
            raise BackendError(trial.why_not)
        logger.warning("backend %s is out, %s is used: %s", trial.name, best.name, trial.why_not)


def _fall_back(
    graph: Graph, reference: Reference, wish: Wish, cadence: float, failure: BackendError
) -> tuple[Backend, Choice]:
    """Among the others as it was asked for; else, among all, at full precision and wherever it runs."""
    others = [(replace(wish, backend="auto"), wish.backend)] if wish.backend != "auto" else []
    if wish.precision != "float32" or wish.device != "auto":
        others.append((Wish(threads=wish.threads), wish.backend if wish.precision == "float32" else ""))
    for other, without in others:
        contestants = field_of(graph, other, without)
        if not contestants.contenders:
            continue
        try:
            backend, choice = _open(graph, reference, other, contestants, cadence, strict=False)
        except BackendError:
            continue
        choice = replace(choice, fell_back_from=str(wish), reason=str(failure))
        logger.warning("%s", choice.warning)
        return backend, choice
    raise failure
