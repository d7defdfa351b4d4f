"""Experiments on where voxels look: which way round their places are, and whether a film tells them.

All voxels watch one film, so what is drawn for a p value leaves what they have in common as it is: places are dealt out
by lot, predictions are shifted in time. Intervals draw voxels; they hold for other voxels of the same film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.experiments.painting import FIXED, scored
from calibration.brain2pix.experiments.plan import Plan
from calibration.brain2pix.fields import Answered, Fields, answered, estimate, known, pixels_apart, with_fields
from calibration.brain2pix.material import Movie
from calibration.brain2pix.orientation import TURNS, following, turned, with_pixels
from calibration.brain2pix.retina import pixels_of, shuffled
from calibration.brain2pix.scores import differences, rows_of
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.brain2pix.trained import Trained
from calibration.metrics import Draws, rotate_within
from calibration.tables.items import Items, Row, mean, number, row
from calibration.tables.table import Table

Array = NDArray[np.floating]
APART, ENCODING = "pixels off, median", "encoding r"
NEAR = 3
"""Pixels within which an estimated centre counts as found."""


def orientation(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """How voxels follow the pixel where they look, laid all eight ways; then trained both ways round."""
    ways = {"rows, columns": settings, "columns, rows (released code)": settings.but(axes="column-row")}
    both = [scored(models, trained.material.test, plan) for models in trained.all(list(ways.values()), seeds)]
    rows = turns(trained.material.train, plan.draws)
    for name, found in zip(ways, both, strict=True):
        rows += rows_of(name, found, plan.draws, decoder=name)
    return Table(rows + differences(" − ".join(ways), both[1], both[0], plan.draws))


def turns(train: Movie, draws: Draws) -> list[Row]:
    """How voxels follow the pixel where they look, laid all eight ways; nothing is trained for it."""
    table = with_pixels(train)
    return [row(turn, [following(table, pixels_of(turned(train, turn)), train.region, draws)], draws) for turn in TURNS]


def fields(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Receptive fields estimated from the film beside those it came with, and FixedRF trained on them."""
    material, draws = trained.material, plan.draws
    found = [estimate(material.train, material.validation, plan.fields.but(seed=s)) for s in seeds]
    rows = estimates(found, trained, plan)
    told = scored(trained.of(settings, seeds), material.test, plan)
    own = [
        scored(
            replace(trained, material=with_fields(material, each), kept={}).of(settings, [seed]), material.test, plan
        )[0]
        for each, seed in zip(found, seeds, strict=True)
    ]
    rows += rows_of("estimated places", own, draws, voxels=len(known(found[0])))
    return Table(rows + differences(f"{FIXED} − estimated places", own, told, draws))


def estimates(found: Sequence[Fields], trained: Trained, plan: Plan) -> list[Row]:
    """How far off the centres are, and how well the networks that tell them predict the test runs."""
    train, test = trained.material.train, trained.material.test
    said = [encoding(answered(each, train, test, plan.fields.frames), plan.draws) for each in found]
    return [*distances(found, train, plan.draws), row("all regions", said, plan.draws)]


def distances(found: Sequence[Fields], train: Movie, draws: Draws) -> list[Row]:
    """How far estimated centres lie from those the data came with, region by region.

    Value, chance, interval and p value are of one statistic: the median over voxels, mean over seeds. Chance and the
    null take the centres of other voxels of the region, the same ones for all seeds.
    """
    side, rows = train.out_shape[2], []
    centres = np.stack([one.centre for one in found])
    for name in ("all regions", *train.regions):
        own = np.arange(len(train.region)) if name == "all regions" else train.columns([name])
        rng = np.random.default_rng(draws.seed)
        lots = (own[shuffled(np.arange(len(own)), train.region[own], rng)] for _ in range(draws.permutations))
        null = [middle(pixels_apart(centres[:, own], train.centre[others], side)) for others in lots]
        rows.append(median_row(name, pixels_apart(centres[:, own], train.centre[own], side), np.array(null), draws))
    return rows


def median_row(label: str, each: Array, null: Array, draws: Draws) -> Row:
    """One line: a median of distances ``(n_seeds, n_voxels)`` beside those with voxels exchanged, ``(permutations,)``.

    ``share_known`` is the share of voxels with a centre; ``mean`` and ``share_within_3`` are of these.
    """
    note, permuted = "median over voxels, mean over seeds", "voxels within their region, which chance is the mean of"
    seeds = [Items(APART, one, mean(null), null, True, note, "voxels", permuted, average=middle) for one in each]
    has = each[np.isfinite(each)]
    further = {"mean": number(mean(each)), "share_known": len(has) / each.size, "share_within_3": number(near(has))}
    return row(label, seeds, draws, **further)


def middle(each: Array) -> float:
    """Median over voxels of ``(n_seeds, n_voxels)``, mean over seeds; NaN where no voxel has a centre."""
    known = [one[np.isfinite(one)] for one in each]
    return mean(np.array([np.median(one) if len(one) else np.nan for one in known]))


def near(distances: Array) -> float:
    """Share of distances in pixels that are within `NEAR`."""
    return float(np.mean(distances <= NEAR)) if len(distances) else float("nan")


def encoding(film: Answered, draws: Draws) -> Items:
    """Correlation of every voxel with its prediction; chance and the null shift predictions around within each run."""
    rng = np.random.default_rng(draws.seed)
    null = np.array([film.r(rotate_within(film.run, rng)).mean() for _ in range(draws.permutations)])
    note, permuted = "over test runs; an item is a voxel", "shifts in time within runs, which chance is the mean of"
    return Items(ENCODING, film.r(), mean(null), null, False, note, "voxels", permuted)
