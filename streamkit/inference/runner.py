"""open_runner: the graphs of a bundle, chosen, proven, composed and warm."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from streamkit.errors import BackendError
from streamkit.inference.backend import Array, Backend
from streamkit.inference.choice import Choice, open_chosen
from streamkit.inference.graph import Graph
from streamkit.inference.proof import WARM_UP_CALLS, Reference
from streamkit.inference.runners import AnyRunnerConfig, Parts, Runner, RunnerConfig
from streamkit.inference.runners.base import Clock
from streamkit.inference.table import BACKENDS
from streamkit.inference.wish import Wish, Wishes, wish_for
from streamkit.types import OutputSpec

__all__ = ["AnyRunnerConfig", "Runner", "RunnerConfig", "open_runner"]


def open_runner(
    config: AnyRunnerConfig,
    graphs: Mapping[str, Graph],
    references: Mapping[str, Reference],
    output: OutputSpec,
    wishes: Wishes = "auto",
    cadence: float | None = None,
    strict: bool = False,
    *,
    tensors: Mapping[str, Array] | None = None,
    clock: Clock = time.perf_counter,
) -> Runner:
    """Open the runner of a bundle: every graph of it proven on its reference, and every first call made.

    Parameters
    ----------
    wishes
        What to run the graphs with. One wish for all is settled by the graph that takes longest; the others then run
        where that one does, if they can.
    cadence
        Seconds between two windows when live; None where nobody knows.
    strict
        Raise when a backend that is here fails its proof, rather than use another.
    tensors
        Further arrays by name.
    clock
        What a time budget is measured with, seconds.

    Raises
    ------
    BackendError
        When graphs, tensors and output do not fit together, or a backend cannot be opened; see `open_chosen`.
    """
    for name in config.needs:
        if name not in graphs or name not in references:
            raise BackendError(
                f"the runner needs graph {name!r} with a reference pair; there are graphs "
                f"{sorted(graphs)} and references for {sorted(references)}"
            )
    parts = Parts(graphs, tensors or {}, output)
    if why_not := config.lacks(parts):
        raise BackendError(why_not)
    opened: dict[str, Backend] = {}
    choices: dict[str, Choice] = {}
    try:
        for name in config.needs:
            wish = _wish(graphs[name], wishes, choices.get(config.needs[0]))
            often = 0.0 if name in config.repeated else cadence
            opened[name], choices[name] = open_chosen(graphs[name], references[name], wish, often, strict)
        runner = config.build(opened, parts, clock)
        runner.choices = choices
        for _ in range(WARM_UP_CALLS):
            runner.rehearse(runner.buffer)
    except BaseException:
        for backend in opened.values():
            backend.close()
        raise
    return runner


def _wish(graph: Graph, wishes: Wishes, first: Choice | None) -> Wish:
    """What to run one graph with; `first` is what runs the one that takes longest, once that is open."""
    if first is None or isinstance(wishes, Mapping):
        return wish_for(graph.name, wishes)
    if not BACKENDS[first.name].lacks(graph, first.settings):
        return first.wish
    wish = Wish.of(wishes)
    return replace(wish, precision="float32") if wish.backend == "auto" else wish
