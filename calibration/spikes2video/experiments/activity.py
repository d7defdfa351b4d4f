"""Experiments on activity itself: how alike trials are, and where sites, moments and trials lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.analyses.projection import LAYOUTS, lay_out, like_neighbours, same_kind
from calibration.spikes2video.analyses.significance import corrected, t_test
from calibration.spikes2video.analyses.similarity import CROSS, WITHIN, similarity
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.fit import Fitted, scale_of
from calibration.spikes2video.material import CELLS, Trials
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from calibration.tables.items import Items, row
from calibration.tables.table import Table

Array = NDArray[np.floating]
SITES, MOMENTS, LATENT = "sites", "moments", "bottleneck"


def alike(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Correlation of pairs of trials: of one condition, of two, and across the split; no network takes part."""
    material = trained.material
    found = similarity(material.train, material.test, plan.draws, plan.pairs)
    rows = [
        row(kind, [items], plan.draws, pairs=found.each[kind].size)
        for kind, items in zip(found.each, found.items(), strict=True)
    ]
    flat = {kind: each.ravel() for kind, each in found.each.items()}
    for line, other in zip(rows, (CROSS, WITHIN, WITHIN), strict=True):
        line.update(t_test(flat[line["row"]], flat[other]).facts(), against=other)
    return Table(corrected(rows, family=()), dict(found.each))


def layouts(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """PCA and t-SNE of sites, moments and bottlenecks, and whether neighbours in them are of one kind.

    Sites are points of their mean course over a trial, moments points of the activity of all sites in one bin of one
    condition, bottlenecks points of one test trial each.
    """
    test = trained.material.test
    mean, std = scale_of(trained.material.train.X)
    _, courses = test.mean_of_conditions((test.X - mean) / std)  # (n_conditions, n_bins, n_sites)
    found, arrays = _laid((_sites(courses, test), _moments(courses, test, plan)), plan)
    for fitted in trained.of(settings, seeds) if settings.network == "unet" else ():
        items, at = _laid((_bottleneck(fitted, test, plan),), plan)
        arrays = at | arrays  # the first seed's are drawn
        for title, each in items.items():
            found.setdefault(title, []).extend(each)
    return Table([row(title, items, plan.draws) for title, items in found.items()], arrays)


Cloud = tuple[str, Array, dict[str, NDArray]]
"""What the points are, ``(n, d)``, and what they are coloured by: kinds (text) or values (numbers)."""


def _sites(courses: Array, test: Trials) -> Cloud:
    """Each site's mean course, by area and by how much the stimulus changes it."""
    points, stages = courses.mean(0).T, test.stages
    per_frame = test.size[0] // stages.n_frames
    stage = np.repeat(stages.of_frames(), per_frame)
    response = points[:, stage == "stimulus"].mean(1) - points[:, stage == "fixation"].mean(1)
    return SITES, points, {"area": test.region, "response": response}


def _moments(courses: Array, test: Trials, plan: Plan) -> Cloud:
    """The population in every bin of every condition, by stage."""
    stage = np.repeat(test.stages.of_frames(), test.size[0] // test.stages.n_frames)
    points, kinds = courses.reshape(-1, courses.shape[2]), np.tile(stage, len(courses))
    kept = _some(len(points), plan)
    return MOMENTS, points[kept], {"stage": kinds[kept]}


def _bottleneck(fitted: Fitted, test: Trials, plan: Plan) -> Cloud:
    """The narrowest place of the network in every test trial, by what it shows."""
    kept = _some(len(test), plan)
    kinds = {what: test.conditions.cell(what)[test.condition[kept]].astype(np.str_) for what in CELLS}
    return LATENT, fitted.latent(test.X[kept]), kinds


def _some(n: int, plan: Plan) -> NDArray[np.intp]:
    """All of them, or as many as are laid out at most, drawn by the seed."""
    if n <= plan.points:
        return np.arange(n)
    return np.sort(np.random.default_rng(plan.seed).choice(n, plan.points, replace=False))


def _laid(clouds: Sequence[Cloud], plan: Plan) -> tuple[dict[str, list[Items]], dict[str, NDArray]]:
    """Scores and arrays of every cloud in every layout."""
    found, arrays = {}, {}
    for what, points, colours in clouds:
        for layout in LAYOUTS:
            at = lay_out(points, layout, plan.perplexity)
            for name, kind in colours.items():
                metric = same_kind if kind.dtype.kind in "US" else like_neighbours
                title = f"{what}, {layout}, {name}"
                found[title] = [metric("neighbours alike", at, kind, plan.draws)]
                arrays |= {f"{title} at": at, f"{title} kind": kind}
    return found, arrays
