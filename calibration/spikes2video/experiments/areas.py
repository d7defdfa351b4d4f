"""Experiments on regions: which the network relies on, and what each of them tells alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.spikes2video.analyses.significance import corrected, share_of_nulls, t_test
from calibration.spikes2video.content import (
    CONTENT,
    LEVELS,
    MEASURES,
    Level,
    Scenes,
    cue_pixels,
    dot_colours,
)
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.fit import Fitted
from calibration.spikes2video.material import Trials
from calibration.spikes2video.motion import turn
from calibration.spikes2video.nulls import clips_of_noise
from calibration.spikes2video.paper import COLOUR_CHANGE, CUE_CHANGE, TURN
from calibration.spikes2video.scores import Scored, named, of_models, of_seeds, rows_of, score, stacked
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from calibration.tables.items import Items, Row, difference, mean, number, row
from calibration.tables.table import Table

Array = NDArray[np.floating]
CHANGES = (CUE_CHANGE, COLOUR_CHANGE, TURN)
WHOLE = "all regions"


def masking(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """What changes, and what gets worse, when the sites of one region are set to their mean.

    This is what the network relies on a region for. What two regions both know is not missed when one is masked.
    """
    models, test, draws = trained.of(settings, seeds), trained.material.test, plan.draws
    whole = of_models(models, test, draws, CONTENT)
    means = [Scenes.of(fitted.predict(test.X), test).means() for fitted in models]
    rows, changed = rows_of(WHOLE, whole, test, draws), dict[str, dict[str, list[Items]]]()
    left: dict[str, Scored] = {}
    for name in test.regions:
        changed[name], left[name] = _masked(name, models, means, test, draws)
        size = {"region": name, "sites": len(test.sites(name))}
        rows += [row(name, items, draws, **size) for items in changed[name].values()]
        for level in LEVELS:
            rows += _worse(name, level, whole, left[name], draws, size)
    rows = corrected(rows)
    for metric in CHANGES:
        rows += _most({name: found[metric] for name, found in changed.items()}, draws)
    for level in LEVELS:
        without = {name: of_seeds(scored, level) for name, scored in left.items()}
        for metric in CONTENT:
            rows += _worst({name: found[metric] for name, found in without.items()}, level, draws)
    return Table(rows)


FROM_ALL = "from the reconstruction with all regions"


def _masked(
    name: str, models: Sequence[Fitted], means: Sequence[Scenes], test: Trials, draws: Draws
) -> tuple[dict[str, list[Items]], Scored]:
    """How far reconstructions without a region are from whole ones, condition means, and what they score."""
    changed, left = [], []
    for fitted, whole in zip(models, means, strict=True):
        clips = fitted.predict(test.X, (name,))
        changed.append(_change(whole, Scenes.of(clips, test).means()))
        left.append(score(clips, test, draws, CONTENT))
    return {metric: [each[metric] for each in changed] for metric in CHANGES}, stacked(left)


def _change(whole: Scenes, left: Scenes) -> dict[str, Items]:
    def apart(features: Array, others: Array) -> Array:
        return 255 * np.abs(np.asarray(features, np.float64) - others).mean(1)

    found = {
        CUE_CHANGE: apart(*(cue_pixels(side.seen, side.stages) for side in (whole, left))),
        COLOUR_CHANGE: apart(*(dot_colours(side.seen, side.stages) for side in (whole, left))),
        TURN: turn(whole.decoded, left.decoded),
    }
    notes = {CUE_CHANGE: "mean absolute, of 255", COLOUR_CHANGE: "mean absolute, of 255", TURN: "degrees"}
    return {
        name: Items(name, values, 0.0, np.empty(0), note=f"{notes[name]}; {FROM_ALL}", unit="conditions")
        for name, values in found.items()
    }


def _worse(name: str, level: Level, whole: Scored, left: Scored, draws: Draws, size: dict[str, object]) -> list[Row]:
    """Scores with a region masked, the paired difference, and the paper's t test of 64 with and 64 without."""
    rows, before, facts = [], of_seeds(whole, level), {**size, "level": level}
    for metric, items in of_seeds(left, level).items():
        test = t_test(mean_of(items), mean_of(before[metric]))
        rows.append(row(named(name, level), items, draws, **facts, **test.facts()))
        rows.append(difference(named(name, level), before[metric], items, draws, **facts))
    return rows


def mean_of(seeds: Sequence[Items]) -> Array:
    """``(n,)`` mean over seeds of what is defined, condition by condition."""
    return np.array([mean(each) for each in np.stack([items.each for items in seeds], axis=1)])


def _worst(found: dict[str, list[Items]], level: Level, draws: Draws) -> list[Row]:
    """The score without the region that is missed most, less the scores without each of the others."""
    least = {name: mean(mean_of(items)) * (-1 if items[0].lower else 1) for name, items in found.items()}
    first = min(least, key=lambda name: np.nan_to_num(least[name], nan=np.inf))
    return [
        difference(named(f"without {first} − without {name}", level), others, found[first], draws, level=level)
        for name, others in found.items()
        if name != first
    ]


def _most(found: dict[str, list[Items]], draws: Draws) -> list[Row]:
    """The region whose absence changes most, less each of the others."""
    first = max(found, key=lambda name: np.nan_to_num(mean(mean_of(found[name])), nan=-1.0))
    return [
        difference(f"{first} − {name}", others, found[first], draws) for name, others in found.items() if name != first
    ]


def regions(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Networks that read one region alone, beside their own answers to noise.

    A decoder fed N(0, 1) is the paper's null. Activity that follows the trial but tells no condition apart beats it,
    for it at least gives the mean clip; whether anything of the condition is told is what the permutations say.
    """
    names = trained.material.test.regions
    models = trained.all([settings.but(regions=(name,)) for name in names], seeds)
    rows: list[Row] = []
    for name, each in zip(names, models, strict=True):
        rows += _alone(name, each, trained.material.test, plan)
    return Table(corrected(rows))


def _alone(name: str, models: Sequence[Fitted], test: Trials, plan: Plan) -> list[Row]:
    scored = of_models(models, test, plan.draws, CONTENT)
    noise = _of_noise(models, test, plan)
    size = {"region": name, "sites": len(test.sites(name))}
    return [
        {**line, **beside(of_seeds(scored, line["level"])[line["metric"]], noise[line["metric"]])}
        for line in rows_of(name, scored, test, plan.draws, **size)
    ]


def _of_noise(models: Sequence[Fitted], test: Trials, plan: Plan) -> dict[str, Array]:
    """``(nulls,)`` of each metric: an answer to noise beside clips of one condition after another, mean over seeds."""
    groups = [rows for _, rows in test.rows_of_conditions()]
    rows = np.array([groups[k % len(groups)][0] for k in range(plan.nulls)])
    found: dict[str, list[Array]] = {metric: [] for metric in CONTENT}
    for fitted in models:
        scenes = Scenes.of(clips_of_noise(fitted, test.size[0], plan.nulls, plan.seed), test[rows])
        for metric in CONTENT:
            measure = MEASURES[metric]
            pairs = zip(measure.seen(scenes), measure.shown(scenes), strict=True)
            found[metric].append(np.array([measure.compare(a[None], b[None])[0, 0] for a, b in pairs]))
    return {metric: np.array([mean(each) for each in np.stack(values, 1)]) for metric, values in found.items()}


def beside(items: Sequence[Items], noise: Array) -> Row:
    """What the answers to noise get, and both of the paper's p values against them."""
    each, known = mean_of(items), noise[np.isfinite(noise)]
    edges = [number(edge) for edge in np.percentile(known, (2.5, 97.5))] if len(known) else [None, None]
    facts: Row = {"noise": number(mean(noise)), "noise95": edges}
    facts["p_noise"] = number(share_of_nulls(mean(each), noise, items[0].lower))
    return facts | t_test(each, noise).facts()
