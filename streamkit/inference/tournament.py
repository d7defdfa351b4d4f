"""A tournament: the backends against each other at the fewest threads, then the leaders with more and more of them."""

from __future__ import annotations

from dataclasses import replace

from streamkit.inference.contest import Contender, Trial, close_all, contest, enter, passed, race, winner
from streamkit.inference.graph import Graph
from streamkit.inference.proof import Reference, example

FIRST_S, THREADS_S, ALL_S = 0.7, 0.2, 1.5
"""Seconds of timing: between the backends, for each larger number of threads at least, and in all."""

GAIN = 0.1
"""More threads must be faster by this part: they take cores from everything else, and twice as many never come free."""

FEW_CALLS = 5
"""To know how long a network takes, roughly."""

WORTH_S = 100e-6
"""A network that is quicker than this has nothing to gain from a second thread, which must be woken and waited for."""

LEADERS = 2
"""So many backends are tried with more threads."""


def hold(
    trials: list[Trial],
    graph: Graph,
    reference: Reference,
    contenders: tuple[Contender, ...],
    counts: tuple[int, ...],
    cadence: float,
) -> Trial:
    """Hold a tournament.

    More threads are tried only as long as they win: each step opens the network again.

    Parameters
    ----------
    trials
        Everybody who takes part is put here: close them.
    contenders
        All at ``counts[0]`` threads where they run on the processor.
    counts
        Numbers of threads to try, ascending.
    cadence
        Seconds between two calls of the same backend.

    Returns
    -------
    Trial
        The winner.

    Raises
    ------
    BackendError
        When nobody passed.
    """
    trials += contest(graph, reference, contenders, cadence, budget=FIRST_S)
    racers = passed(trials)
    if len(racers) == 1 and len(counts) > 1:
        race(racers, example(reference), 0.0, FEW_CALLS)
    best = winner(trials)
    leaders = _leaders(racers, best, counts[-1])
    close_all(racers, keep=best)
    left, more_counts = ALL_S - FIRST_S, list(counts[1:]) if best.latency > WORTH_S else []
    while more_counts and left > 0:
        budget = max(THREADS_S, left / len(more_counts))
        left -= budget
        fastest = _with_threads(more_counts.pop(0), trials, leaders, best, graph, reference, cadence, budget)
        if fastest is best:
            break
        best, leaders = fastest, [fastest]
    return best


def _with_threads(
    count: int,
    trials: list[Trial],
    leaders: list[Trial],
    best: Trial,
    graph: Graph,
    reference: Reference,
    cadence: float,
    budget: float,
) -> Trial:
    """Try `leaders` with `count` threads against `best`; whoever is to go on is left open."""
    more = [enter((racer.name, replace(racer.settings, threads=count)), graph, reference) for racer in leaders]
    trials += more
    if not passed(more):
        return best
    race([best, *passed(more)], example(reference), cadence, budget=budget)
    fastest = winner(more)
    if fastest.latency > best.latency * (1 - GAIN):
        fastest = best
    close_all([best, *more], keep=fastest)
    return fastest


def _leaders(racers: list[Trial], best: Trial, cores: int) -> list[Trial]:
    """The fastest on the processor, as far as all cores together could make them faster than the best."""
    hopeful = [racer for racer in racers if racer.settings.device == "cpu" and racer.latency <= cores * best.latency]
    return sorted(hopeful, key=lambda racer: (racer is not best, racer.latency))[:LEADERS]
