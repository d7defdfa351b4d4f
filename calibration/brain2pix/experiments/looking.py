"""Experiments on where voxels look: which way round their places are, and whether a film tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.experiments.painting import FIXED, scored
from calibration.brain2pix.experiments.plan import Plan
from calibration.brain2pix.fields import Fields, estimate, known, pixels_apart, with_fields
from calibration.brain2pix.orientation import TURNS, followed
from calibration.brain2pix.scores import differences, rows_of
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.brain2pix.trained import Trained
from calibration.metrics import Draws
from calibration.tables.items import Items, Row, row
from calibration.tables.table import Table

FOLLOWS, APART, ENCODING = "r with its pixel", "pixels off", "encoding r"


def orientation(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """How voxels follow the pixel where they look, laid all eight ways; then trained both ways round."""
    train, draws, rows = trained.material.train, plan.draws, []
    for turn in TURNS:
        rows.append(row(turn, [voxels_of(FOLLOWS, followed(train, turn), draws)], draws))
    ways = {"rows, columns": settings, "columns, rows (released code)": settings.but(axes="column-row")}
    both = [scored(models, trained.material.test, plan) for models in trained.all(list(ways.values()), seeds)]
    for name, found in zip(ways, both, strict=True):
        rows += rows_of(name, found, draws, decoder=name)
    return Table(rows + differences(" − ".join(ways), both[1], both[0], draws))


def fields(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Receptive fields estimated from the film beside those it came with, and FixedRF trained on them."""
    material, draws = trained.material, plan.draws
    found = [estimate(material.train, material.validation, plan.fields.but(seed=s)) for s in seeds]
    rows = distances(found, trained, draws)
    rows.append(row("all regions", [voxels_of(ENCODING, each.r, draws) for each in found], draws))
    told = scored(trained.of(settings, seeds), material.test, plan)
    own = [
        scored(
            replace(trained, material=with_fields(material, each), kept={}).of(settings, [seed]), material.test, plan
        )[0]
        for each, seed in zip(found, seeds, strict=True)
    ]
    rows += rows_of("estimated places", own, draws, voxels=len(known(found[0])))
    return Table(rows + differences(f"{FIXED} − estimated places", own, told, draws))


def distances(found: Sequence[Fields], trained: Trained, draws: Draws) -> list[Row]:
    """How far estimated centres lie from those the data came with, region by region; chance: those of other voxels."""
    train = trained.material.train
    side, rows = train.out_shape[2], []
    for name in ("all regions", *train.regions):
        own = np.arange(len(train.region)) if name == "all regions" else train.columns([name])
        each = [pixels_apart(one.centre[own], train.centre[own], side) for one in found]
        rng = np.random.default_rng(draws.seed)
        null = np.array(
            [
                np.nanmedian(pixels_apart(found[0].centre[own], train.centre[rng.permutation(own)], side))
                for _ in range(draws.permutations)
            ]
        )
        chance = float(null.mean()) if len(null) else float("nan")
        items = [Items(APART, one, chance, null, True, "an item is a voxel", "voxels") for one in each]
        line = row(name, items, draws, median=float(np.nanmedian(np.concatenate(each))))
        rows.append({**line, "share_within_3": float(np.nanmean(np.concatenate(each) <= 3))})
    return rows


def voxels_of(metric: str, each: NDArray[np.floating], draws: Draws) -> Items:
    """One number per voxel; chance is 0, and signs are drawn for the p value."""
    rng, known_ = np.random.default_rng(draws.seed), each[np.isfinite(each)]
    signs = rng.choice((-1.0, 1.0), size=(draws.permutations, len(known_)))
    null = signs @ known_ / max(1, len(known_))
    return Items(metric, each, 0.0, null, False, "an item is a voxel", "signs of voxels")
