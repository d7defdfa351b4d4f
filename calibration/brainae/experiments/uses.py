"""Experiments with the trained system: repeats, masks, reconstruction, consistency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.consistency import Parts, consistency, worth
from calibration.brainae.curves import COURSES, masked_retrieval, over_channels, over_time
from calibration.brainae.fit import Fitted
from calibration.brainae.masks import KINDS, missing, score_reconstruction
from calibration.brainae.pairs import Pairs
from calibration.brainae.plan import Plan
from calibration.brainae.repeats import over_repeats
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.trained import Trained
from calibration.metrics import Draws
from calibration.tables.items import Items, Row, as_row, difference, row
from calibration.tables.table import Table, not_run

Mask = NDArray[np.bool_]


def repeats(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Retrieval and encoding by how many trials are averaged, a single one first."""
    models, trials = trained.of(settings, seeds), trained.material.test
    each = [over_repeats(fitted, trials, plan.draws) for fitted in models]
    rows = []
    for count in each[0]:
        for items in zip(*(found[count] for found in each), strict=True):
            rows.append(row(f"{count}", items, plan.draws, repeats=count))
    return Table(rows)


def temporal_masking(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Retrieval with stretches of time set to 0."""
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    whole = _masked(models, test, None, plan.draws)
    rows = [row("whole", items, plan.draws) for items in whole]
    sfreq = trained.material.sfreq
    for course in COURSES:
        for (start, stop), gone in over_time(course, test.X.shape[2], plan.window).items():
            edge = {"increasing": stop, "decreasing": start, "single": (start + stop) / 2}[course]
            span = {"course": course, "start": start / sfreq, "stop": stop / sfreq, "at": edge / sfreq}
            left = _masked(models, test, gone, plan.draws)
            rows += _fallen(f"{course} {start}-{stop}", whole, left, plan.draws, span)
    return Table(rows)


def regional_masking(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Retrieval with groups of channels set to 0."""
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    if not trained.material.regions:
        return Table([not_run("regions", "retrieval top-1", "the material names no groups of channels")])
    whole = _masked(models, test, None, plan.draws)
    rows = [row("whole", items, plan.draws) for items in whole]
    for name, gone in over_channels(trained.material.regions, test.X.shape[1]).items():
        size = {"region": name, "channels": int(gone.sum())}
        rows += _fallen(name, whole, _masked(models, test, gone, plan.draws), plan.draws, size)
    return Table(rows)


def _masked(models: Sequence[Fitted], test: Pairs, gone: Mask | None, draws: Draws) -> list[list[Items]]:
    """Retrieval scores, one per seed."""
    each = [masked_retrieval(fitted, test, gone, draws) for fitted in models]
    return [list(items) for items in zip(*each, strict=True)]


def _fallen(
    label: str, whole: list[list[Items]], left: list[list[Items]], draws: Draws, further: dict[str, object]
) -> list[Row]:
    scores = [row(label, items, draws, **further) for items in left]
    falls = [difference(label, before, after, draws, **further) for before, after in zip(whole, left, strict=True)]
    return scores + falls


def reconstruction(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Missing entries of a response put back."""
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    rows = []
    for kind in KINDS:
        for ratio in plan.ratios:
            gone = missing(kind, test.X.shape, ratio, plan.patch, plan.seed)  # type: ignore[arg-type]
            each = [score_reconstruction(fitted, test, gone, plan.draws) for fitted in models]
            further = {"mask": kind, "ratio": ratio, "missing": float(gone.mean())}
            rows += [row(f"{kind} {ratio:g}", items, plan.draws, **further) for items in zip(*each, strict=True)]
    return Table(rows)


def consistencies(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """What each channel and window is worth to decoding, beside how well it is predicted."""
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    _, n_chans, n_times = test.X.shape
    parts = {
        "channels": [np.arange(n_chans)[:, None] == channel for channel in range(n_chans)],
        "time": list(over_time("single", n_times, plan.window).values()),
    }
    rows, arrays = [], {}
    for name, masks in parts.items():
        found = _mean_of([worth(fitted, test, masks) for fitted in models])
        for metric, fall in (("top-1", found.accuracy), ("margin", found.margin)):
            score = consistency(f"consistency, {metric}", fall, found.encoding, plan.draws)
            rows.append(as_row(name, score, seeds=len(models), parts=len(masks)))
            arrays[f"{name} {metric}"] = fall.mean(1)
        arrays[f"{name} r"] = _defined_mean(found.encoding, 1)
    return Table(rows, arrays)


def _mean_of(each: Sequence[Parts]) -> Parts:
    accuracy, margin = (np.mean([getattr(one, key) for one in each], axis=0) for key in ("accuracy", "margin"))
    return Parts(accuracy, margin, _defined_mean(np.array([one.encoding for one in each]), 0))


def _defined_mean(values: NDArray, axis: int) -> NDArray:
    """Mean over what is not NaN, NaN where nothing is."""
    defined = np.isfinite(values)
    count = defined.sum(axis)
    return np.where(count, np.where(defined, values, 0).sum(axis) / np.maximum(count, 1), np.nan)
