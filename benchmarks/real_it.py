"""Which of seven objects was seen, by the clips that spikes to video makes of inferior temporal cortex.

python -m benchmarks.real_it FOLDER

Pseudo-populations of units recorded one after another, five folds of consecutive trials of every unit, object and
position. The networks learn to show the (schematic) picture that was on the screen; the object is that of the picture
most like the mean of the frames whose windows lie behind its onset, both less what all have in common. Beside them, on
the same pseudo-trials, a maximum-correlation classifier. Every choice, network or span and templates, is made on blocks
inside the training blocks of a fold. Five seeds; pseudo-trials to be tested use every held-out trial of a unit at most
once, and are paired anew several times. Controls: objects shuffled before training, and the time before the picture.
Writes one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench.machine import machine
from benchmarks.entry import entry
from benchmarks.it_population import (
    CELLS,
    OBJECTS,
    POSITIONS,
    STAGES,
    Pseudo,
    Unit,
    blocks_of,
    counts,
    drawn,
    joined,
    paired,
    pictures,
    pseudo_trials,
    read_units,
)
from calibration.metrics import correlations
from calibration.progress import Bar
from calibration.spikes2video.fit import Fitted, fit_spikes2video
from calibration.spikes2video.material import Trials
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.training.fan_out import Task, fan_out

Hits = NDArray[np.float64]
SEEDS, FOLDS, INNER, PAIRINGS, PER_CELL, BOOTSTRAP = (0, 1, 2, 3, 4), 5, 2, 5, 400, 2000
CHANCE = 1 / len(OBJECTS)
SMALL = Spikes2VideoSettings(
    hidden=128,
    base=8,
    kernels=(3, 3, 3, 3),
    pools=((1, 2, 2), (3, 2, 2), (5, 2, 2), (1, 1, 1)),
    mlp_hidden=(128, 64),
    norm="unit",
    loss="paper",
    batch_size=32,
    epochs=8,
)
"""The loss as printed, in which the squared error decides, and a scale for every unit: pseudo-trials are noisy."""


@dataclass(frozen=True)
class Choice:
    """A network, and the noise that is added to what it is trained on.

    Attributes
    ----------
    jitter
        Deviation of what is added to a unit's counts, the same in all windows of a pseudo-trial, in deviations of these
        counts: a dozen trials of a cell are then not learnt by heart.
    """

    settings: Spikes2VideoSettings
    jitter: float = 0.0


NETWORKS: dict[str, Choice] = {
    "unet": Choice(SMALL.but(network="unet", epochs=4)),
    "mlp": Choice(SMALL.but(network="mlp")),
    "mlp, jittered": Choice(SMALL.but(network="mlp"), jitter=1.0),
}
SPANS = ((100, 200), (100, 300), (100, 400), (100, 500), (0, 500))
"""Milliseconds after the picture that are counted."""
TEMPLATES = ("object", "object and position")
CORRELATIONS = {f"{a}-{b} ms, by {by}": ((a, b), by) for a, b in SPANS for by in TEMPLATES}
BEFORE = ((-480, -80), "object")


@dataclass(frozen=True)
class Population:
    """Counts of every unit, and its trials by block, unit and cell."""

    units: Sequence[Unit]
    counted: list[NDArray[np.float32]]
    blocks: list[list[list[NDArray[np.intp]]]]

    def trained_on(self, blocks: Iterable[int], seed: int) -> Pseudo:
        """Pseudo-trials of some blocks, drawn with replacement."""
        rows = joined([self.blocks[k] for k in blocks])
        return pseudo_trials(self.units, self.counted, drawn(rows, PER_CELL, np.random.default_rng(seed)))

    def tested(self, block: int, pairing: int) -> Pseudo:
        """Pseudo-trials of a block in which no trial of a unit is twice."""
        return pseudo_trials(
            self.units, self.counted, paired(self.blocks[block], np.random.default_rng(1000 + pairing))
        )


def population_of(units: Sequence[Unit]) -> Population:
    """Counts in windows, and blocks."""
    return Population(units, [counts(unit.raster) for unit in units], blocks_of(units, FOLDS))


def by_clips(choice: Choice, seed: int, train: Pseudo, tests: Sequence[Pseudo], shuffled: bool) -> list[Hits]:
    """Whether the object is right, by the picture most like the reconstruction."""
    learnt, rng = train.trials, np.random.default_rng(seed)
    if shuffled:
        order = rng.permutation(len(learnt))
        learnt = replace(learnt, condition=learnt.condition[order], shown=learnt.shown[order])
    noise = choice.jitter * learnt.X.std((0, 1)) * rng.standard_normal((len(learnt), 1, learnt.size[1]))
    jittered = replace(learnt, X=(learnt.X + noise).astype(np.float32))
    fitted = fit_spikes2video(jittered, None, choice.settings.but(seed=seed))
    shown, common = pictures() / 255, shown_by(fitted, learnt).mean(0)
    return [right(correlations(shown_by(fitted, test.trials) - common, shown - shown.mean(0)), test) for test in tests]


def shown_by(fitted: Fitted, trials: Trials) -> NDArray[np.floating]:
    """``(n, 3, SIZE, SIZE)`` mean of the frames whose windows lie behind the picture."""
    return fitted.predict(trials.X)[:, :, STAGES.frames("stimulus")].mean(2)


def by_correlation(span: tuple[int, int], by: str, train: Pseudo, tests: Sequence[Pseudo]) -> list[Hits]:
    """Whether the object is right, by the template most like the counts; units are standardised on `train`."""
    X, kind = train.in_span(span), np.arange(CELLS)
    if by == "object":
        kind = kind // len(POSITIONS)
    mean, std = X.mean(0), np.where(X.std(0) > 0, X.std(0), 1)
    standard = (X - mean) / std
    templates = np.stack([standard[kind[train.trials.condition] == each].mean(0) for each in kind])
    return [right(correlations((test.in_span(span) - mean) / std, templates), test) for test in tests]


def right(likeness: NDArray[np.floating], test: Pseudo) -> Hits:
    """1 where the object of the likeliest cell is right; as many parts of 1 as are right where several tie."""
    best = likeness >= likeness.max(1, keepdims=True) - 1e-12
    same = np.arange(CELLS)[None] // len(POSITIONS) == (test.trials.condition // len(POSITIONS))[:, None]
    return (best & same).sum(1) / best.sum(1)


def chosen(
    held: int,
    score: Callable[[str, Pseudo, list[Pseudo]], float],
    names: Iterable[str],
    population: Population,
    inner: int,
) -> dict[str, float]:
    """Mean accuracy of every choice on blocks inside the training blocks."""
    inside = [k for k in range(FOLDS) if k != held]
    found: dict[str, list[float]] = {name: [] for name in names}
    for aside in inside[:inner]:
        train = population.trained_on([k for k in inside if k != aside], seed=aside)
        for name in found:
            found[name].append(score(name, train, [population.tested(aside, 0)]))
    return {name: float(np.mean(each)) for name, each in found.items()}


def network_fold(
    population: Population, held: int, names: Sequence[str], seeds: Sequence[int], shuffled: bool = False
) -> dict[str, Any]:
    """One fold of the networks: the choice, and hits by seed and pairing. A task that may run anywhere."""

    def score(name: str, train: Pseudo, tests: list[Pseudo]) -> float:
        return float(by_clips(NETWORKS[name], SEEDS[0], train, tests, False)[0].mean())

    inner = chosen(held, score, names, population, INNER) if len(names) > 1 else {names[0]: float("nan")}
    best = max(inner, key=lambda name: inner[name]) if len(names) > 1 else names[0]
    train = population.trained_on([k for k in range(FOLDS) if k != held], seed=held)
    tests = [population.tested(held, pairing) for pairing in range(PAIRINGS)]
    hits = {seed: by_clips(NETWORKS[best], seed, train, tests, shuffled) for seed in seeds}
    return {"chosen": best, "inner": inner, "hits": hits}


def correlation_fold(population: Population, held: int, names: Mapping[str, Any]) -> dict[str, Any]:
    """One fold of the maximum-correlation classifier."""

    def score(name: str, train: Pseudo, tests: list[Pseudo]) -> float:
        return float(by_correlation(*names[name], train, tests)[0].mean())

    inner = chosen(held, score, names, population, FOLDS - 1)
    best = max(inner, key=lambda name: inner[name])
    train = population.trained_on([k for k in range(FOLDS) if k != held], seed=held)
    tests = [population.tested(held, pairing) for pairing in range(PAIRINGS)]
    return {"chosen": best, "inner": inner, "hits": by_correlation(*names[best], train, tests)}


def joined_hits(folds: Sequence[Sequence[Hits]]) -> NDArray[np.float64]:
    """``(pairings, n)`` over all folds."""
    return np.stack([np.concatenate([fold[pairing] for fold in folds]) for pairing in range(PAIRINGS)])


def facts(hits: NDArray[np.float64], chance: float) -> dict[str, Any]:
    """Mean of ``(seeds, pairings, n)`` with an interval.

    Pseudo-trials of one pairing and seeds are drawn with replacement; the pairings are pooled, not averaged, so that
    looking at the same trials several times does not make the interval narrower.
    """
    rng, boot = np.random.default_rng(0), []
    n_seeds, n_pairings, n = hits.shape
    for k in range(BOOTSTRAP):
        rows, seeds = rng.integers(n, size=n), rng.integers(n_seeds, size=n_seeds)
        boot.append(hits[seeds, k % n_pairings][:, rows].mean())
    low, high = np.percentile(boot, (2.5, 97.5))
    return {"value": float(hits.mean()), "ci95": [float(low), float(high)], "chance": chance, "n": n}


def compare(folder: Path, scheduler: str | None) -> dict[str, Any]:
    """Run all folds of both, and the controls."""
    units = read_units(folder)
    population = population_of(units)
    correlation = [correlation_fold(population, held, CORRELATIONS) for held in range(FOLDS)]
    before = [correlation_fold(population, held, {"before the picture": BEFORE}) for held in range(FOLDS)]
    with Bar() as progress:
        networks = folds_of(population, list(NETWORKS), SEEDS, scheduler, progress, False)
        best = [fold["chosen"] for fold in networks]
        shuffled = folds_of(population, [max(set(best), key=best.count)], SEEDS[:1], scheduler, progress, True)
    by_seed = np.stack([joined_hits([fold["hits"][seed] for fold in networks]) for seed in SEEDS])
    other = joined_hits([fold["hits"] for fold in correlation])[None]
    return {
        "units": len(units),
        "networks": facts(by_seed, CHANCE),
        "networks_by_seed": {str(seed): float(hits.mean()) for seed, hits in zip(SEEDS, by_seed, strict=True)},
        "maximum_correlation": facts(other, CHANCE),
        "networks_minus_maximum_correlation": facts(by_seed - other, 0.0),
        "shuffled_objects": facts(joined_hits([fold["hits"][SEEDS[0]] for fold in shuffled])[None], CHANCE),
        "maximum_correlation_before_the_picture": facts(joined_hits([fold["hits"] for fold in before])[None], CHANCE),
        "folds": [
            {"networks": {key: fold[key] for key in ("chosen", "inner")}, "maximum_correlation": other["chosen"]}
            for fold, other in zip(networks, correlation, strict=True)
        ],
    }


def folds_of(
    population: Population, names: list[str], seeds: Sequence[int], scheduler: str | None, progress: Bar, shuffled: bool
) -> list[dict[str, Any]]:
    """All folds of the networks, side by side with a scheduler."""
    shared = {"population": population, "names": names, "seeds": tuple(seeds), "shuffled": shuffled}
    tasks = [Task(f"fold {held + 1}", {"held": held, **shared}) for held in range(FOLDS)]
    if scheduler is None:
        return [network_fold(**task.kwargs) for task in tasks]
    return [result.value for result in fan_out(network_fold, tasks, scheduler, progress=progress)]


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--scheduler", default="local", help="`local`, a Dask scheduler, or `none` for one after the other"
    )
    given = parser.parse_args()
    begin = time.monotonic()
    found = compare(given.folder, None if given.scheduler == "none" else given.scheduler)
    json.dump({"machine": machine(), "seconds": time.monotonic() - begin, **found}, sys.stdout, indent=1)


if __name__ == "__main__":
    entry(main)
