"""What computing in fewer bits does to scores and to time, backend by backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from calibration.evaluate import Evaluation, evaluate
from calibration.metrics import Score, difference_interval
from calibration.progress import Progress
from calibration.small import error_of
from streamkit.bundle import Effect, ModelBundle
from streamkit.errors import CheckFailed
from streamkit.inference import Settings
from streamkit.inference.contest import close_all, contest
from streamkit.inference.settings import Precision
from streamkit.inference.wish import Wish
from streamkit.recording import Recording

LOSS = 0.25
"""An int8 graph that loses more than this part of what the main score has above chance is not written, unless the
interval of the loss includes none."""

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
PERMUTATIONS = 200
"""For the chance level of pixels; p values are those of `evaluate`."""


@dataclass(frozen=True)
class Run:
    """One backend at one precision.

    Attributes
    ----------
    error
        Largest error on the reference pairs of any graph, relative to the largest reference output.
    effects
        What it does to each score, beside float32 on the same backend.
    latencies
        Seconds per call of the graph that takes longest, at cadence.
    """

    backend: str
    precision: Precision
    error: float
    effects: tuple[Effect, ...] = ()
    latencies: tuple[float, ...] = field(default=(), repr=False)

    @property
    def latency(self) -> float:
        """Median seconds per call."""
        return float(np.median(self.latencies)) if self.latencies else float("nan")


def measure(
    bundle: ModelBundle, recordings: Sequence[Recording], runtimes: Sequence[str], threads: int, progress: Progress
) -> tuple[Run, ...]:
    """Score every runtime in float32 and int8."""
    scored = _scored(bundle)
    progress.begin("measuring", 2 * len(runtimes))
    runs: list[Run] = []
    for name in runtimes:
        full, reduced = (answers_with(scored, recordings, name, each, threads).scores for each in PRECISIONS)
        for precision, effects in zip(PRECISIONS, ((), compare(full, reduced)), strict=True):
            runs.append(Run(name, precision, _worst_error(name, bundle, precision, threads), effects))
            progress.advance(f"{name} {precision}")
    return tuple(runs)


def _scored(bundle: ModelBundle) -> ModelBundle:
    """`bundle` without what its scoring does beside the scores."""
    recipe = bundle.provenance.recipe
    if not recipe:
        return bundle
    settings = {**recipe.get("evaluate", {}), "cca": {}, "permutations": PERMUTATIONS}
    provenance = bundle.provenance.model_copy(update={"recipe": {**recipe, "evaluate": settings}})
    return replace(bundle, provenance=provenance)


def _worst_error(backend: str, bundle: ModelBundle, precision: Precision, threads: int) -> float:
    return max(error_of(backend, bundle, name, precision, threads) for name in bundle.contract.runner.needs)


def answers_with(
    bundle: ModelBundle, recordings: Sequence[Recording], backend: str, precision: Precision, threads: int
) -> Evaluation:
    """Evaluate a bundle with exactly this backend and precision."""
    return evaluate(bundle, recordings, backend=Wish(backend, "cpu", precision, threads), strict=True)


def compare(full: Sequence[Score], reduced: Sequence[Score]) -> tuple[Effect, ...]:
    """What happened to each score; the interval resamples the items of both together."""
    return tuple(
        Effect(
            name=before.name,
            full=before.value,
            reduced=after.value,
            ci95=difference_interval(before, after),
            n=before.n,
            chance=before.chance,
        )
        for before, after in zip(full, reduced, strict=True)
    )


def worst(runs: Sequence[Run]) -> tuple[Effect, ...]:
    """Effect of int8 on the runtime where the main score loses most."""
    effects = [run.effects for run in runs if run.precision == "int8"]
    return min(effects, key=lambda effect: effect[0].reduced - effect[0].full)


def check_not_destroyed(effects: Sequence[Effect]) -> None:
    """Refuse a network that lost what it had; see `LOSS`.

    Raises
    ------
    CheckFailed
        Says what was lost.
    """
    main = effects[0]
    had = main.full - (main.chance or 0.0)
    lost = main.full - main.reduced
    if np.isfinite(main.reduced) and not (had > 0 and lost > LOSS * had and main.ci95[1] < 0):
        return
    raise CheckFailed(
        f"int8 destroys this network: {main.name} falls from {main.full:.3f} to {main.reduced:.3f} (chance "
        f"{main.chance or 0:.3f}) on {main.n} items: no bundle was written. Try another --method, more --windows, or "
        "stay with float32"
    )


def doubts(runs: Sequence[Run]) -> list[str]:
    """Say what makes an effect worth little."""
    main = worst(runs)[0]
    if main.chance is not None and main.full <= main.chance:
        return [f"float32 itself has {main.name} {main.full:.3f}, not above chance: the effect says little here"]
    return []


def timed(bundle: ModelBundle, runs: Sequence[Run], threads: int, cadence: float, calls: int) -> tuple[Run, ...]:
    """Time all runs in turn, at cadence, on the graph that takes longest."""
    name = bundle.contract.runner.needs[0]
    contenders = [(run.backend, Settings(threads, precision=run.precision)) for run in runs]
    trials = contest(bundle.graphs[name], bundle.references()[name], contenders, cadence, calls, float("inf"))
    close_all(trials)
    return tuple(replace(run, latencies=tuple(trial.latencies)) for run, trial in zip(runs, trials, strict=True))
