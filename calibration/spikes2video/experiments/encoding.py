"""Experiments with the inverse, which predicts activity from clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video import responses
from calibration.spikes2video.analyses.bands import HOP, bands_for, rebin
from calibration.spikes2video.analyses.significance import corrected
from calibration.spikes2video.content import LEVELS, correlated
from calibration.spikes2video.experiments.areas import beside
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.fit import Fitted
from calibration.spikes2video.material import Material, Trials
from calibration.spikes2video.nulls import counts_of_noise
from calibration.spikes2video.scores import averaged, named
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from calibration.tables.items import Row, mean, row
from calibration.tables.table import Table, not_run

Array = NDArray[np.floating]
MEAN_ACTIVITY = "mean activity"
CONDITION_MEAN = "mean of training trials"


def encoder(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Correlation of predicted with recorded activity of every region, beside predictions for random pixels."""
    models = trained.of(settings.but(network="inverse"), seeds)
    rows = _by_region(models, trained.material.test, plan)
    return Table(corrected(rows) + _mean_activity(models[0], trained, plan))


def apart(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """The same by inverses that learn one region each: none is outweighed by regions that are easier to predict."""
    test = trained.material.test
    alone = settings.but(network="inverse", **plan.apart)
    models = trained.all([alone.but(regions=(name,)) for name in test.regions], seeds)
    return Table(corrected([line for each in models for line in _by_region(each, test, plan)]))


def _by_region(models: Sequence[Fitted], test: Trials, plan: Plan) -> list[Row]:
    found = [responses.by_region(fitted, test, plan.draws) for fitted in models]
    rows: list[Row] = []
    for name, level in found[0]:
        items = [each[name, level] for each in found]
        facts = {"region": name, "level": level, "averaged": averaged(test, level)}
        rows.append(
            row(named(name, level), items, plan.draws, **facts, **beside(items, _of_noise(models, test, name, plan)))
        )
    return rows


def _of_noise(models: Sequence[Fitted], test: Trials, name: str, plan: Plan) -> Array:
    """``(nulls,)`` predictions for random pixels beside the mean activity of one condition after the other."""
    each = []
    for fitted in models:
        at = fitted.region == name
        noise = responses.standardised(counts_of_noise(fitted, test.out_shape, plan.nulls, plan.seed), fitted)[..., at]
        activity = responses.recorded(test, fitted, "condition means")
        pairs = [(noise[k], activity[k % len(activity)][0][..., at]) for k in range(plan.nulls)]
        each.append([correlated(a.reshape(1, -1), b.reshape(1, -1))[0, 0] for a, b in pairs])
    return np.array([mean(values) for values in np.array(each).T])


def _mean_activity(fitted: Fitted, trained: Trained, plan: Plan) -> list[Row]:
    """What the mean activity trained on gets: what clips of all conditions evoke alike."""
    train, test = trained.material.train, trained.material.test
    common = responses.standardised(train.X[:, :, fitted.sites].mean(0), fitted)
    rows = []
    for level in LEVELS:
        activity = responses.recorded(test, fitted, level)
        for name in test.regions:
            at = fitted.region == name
            prediction = np.repeat(common[None][..., at], len(activity), axis=0)
            table = responses.table_of(prediction, [part[..., at] for part in activity], correlated)
            items = responses.items_of(responses.R, table, plan.draws)
            rows.append(row(f"{MEAN_ACTIVITY}, {named(name, level)}", [items], plan.draws, region=name, level=level))
    return rows


def bands(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Variance that the inverse explains in every band that the bins can hold; mean activity of each condition."""
    models, test = trained.of(settings.but(network="inverse"), seeds), trained.material.test
    found = []
    for fitted in models:
        activity = responses.recorded(test, fitted, "condition means")
        prediction = responses.predicted(fitted, test)
        kept = bands_for(test.sfreq)
        found.append(responses.by_band(prediction, activity, fitted.region, test.sfreq, kept, plan.draws))
    rows = [
        row(
            f"{name}, {band}",
            [each[name, band] for each in found],
            plan.draws,
            region=name,
            band=band,
            sfreq=test.sfreq,
        )
        for name, band in found[0]
    ]
    return Table(rows)


def fine_bands(material: Material | None, plan: Plan) -> list[Row]:
    """The paper's bands, which take more than 20 bins per second: what the mean of training trials explains of them.

    Parameters
    ----------
    material
        The same population in bins of 20 ms or a whole fraction; they are counted again in windows of 100 ms every
        20 ms. None where there are no such bins.
    """
    if material is None:
        return [
            not_run(CONDITION_MEAN, responses.R2, "bands up to 10 Hz and above take bins of 20 ms, which are not there")
        ]
    mean_, std = material.train.X.mean((0, 1)), material.train.X.std((0, 1))
    parts = []
    for trials in (material.train, material.test):
        windows = rebin((trials.X - mean_) / np.where(std > 0, std, 1), trials.sfreq)
        parts.append([windows[rows].mean(0, keepdims=True) for _, rows in trials.rows_of_conditions()])
    prediction, region = np.concatenate(parts[0]), material.test.region
    found = responses.by_band(prediction, parts[1], region, 1 / HOP, bands_for(1 / HOP), plan.draws)
    return [
        row(f"{CONDITION_MEAN}, {name}, {band}", [items], plan.draws, region=name, band=band, sfreq=1 / HOP)
        for (name, band), items in found.items()
    ]
