"""Scores of every subject: folds joined, seeds side by side, channels kept for the tables of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from calibration.image2ecog.fit import Fitted
from calibration.image2ecog.material import Material
from calibration.image2ecog.plan import Plan
from calibration.image2ecog.regions import ChannelScores
from calibration.image2ecog.scores import METRICS, Scored, joined, score
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.things import alongside
from calibration.image2ecog.trained import Trained
from calibration.metrics import Draws
from calibration.tables.items import Items, Row, number, row
from calibration.tables.items import score as score_of
from calibration.tables.subjects import over_subjects

Array = NDArray[np.floating]
ALL = slice(None)


@dataclass(frozen=True)
class SubjectScores:
    """What the models of one subject scored.

    Attributes
    ----------
    items
        By metric: image by image, mean over channels, one per seed.
    channels
        By metric: mean over images, folds and seeds of each channel.
    """

    subject: str
    items: Mapping[str, list[Items]]
    channels: Mapping[str, ChannelScores]

    def value(self, metric: str, draws: Draws) -> tuple[float, float]:
        """Mean over images and seeds, and chance."""
        found = score_of(self.items[metric], Draws(1, 0, draws.seed))
        return found.value, found.chance


def keys_of(
    trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan
) -> list[tuple[str, Image2EcogSettings]]:
    """Every training that an experiment needs: subject by subject, seed by seed, fold by fold."""
    variants = [settings.but(seed=seed, fold=fold) for seed in seeds for fold in plan.folds]
    return [(subject, variant) for subject in trained.subjects for variant in variants]


def scores_of(
    trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan
) -> dict[str, SubjectScores]:
    """Train and score every subject, fold and seed."""
    keys = keys_of(trained, settings, seeds, plan)
    models = trained.of(keys)
    found = {}
    for at, subject in enumerate(trained.subjects):
        n = len(seeds) * len(plan.folds)
        own = models[at * n : (at + 1) * n]
        found[subject] = subject_scores(trained.subjects[subject], own, len(plan.folds), plan.draws)
    return found


def subject_scores(material: Material, models: Sequence[Fitted], n_folds: int, draws: Draws) -> SubjectScores:
    """Score one subject's models, `n_folds` of each seed after the other."""
    each = [score(fitted, material) for fitted in models]
    items, channels = {}, {}
    for name in METRICS:
        scored = [found[name] for found in each]
        by_fold = [one.items(ALL, draws) for one in scored]
        items[name] = [joined(by_fold[at : at + n_folds]) for at in range(0, len(by_fold), n_folds)]
        channels[name] = channel_scores(material, scored, draws, n_folds)
    return SubjectScores(material.subject, items, channels)


def channel_scores(material: Material, scored: Sequence[Scored], draws: Draws, n_folds: int = 1) -> ChannelScores:
    """Mean over folds and seeds of each channel, of those in which it was not left out.

    Parameters
    ----------
    scored
        `n_folds` of each seed after the other.
    """
    each = [(one.channels(), one.null(draws)) for one in scored]
    joined = joined_channels(material, each, n_folds, scored[0].permuted)
    return replace(joined, chance=defined_mean(np.array([one.chance() for one in scored])))


def joined_channels(
    material: Material, each: Sequence[tuple[Array, Array]], n_folds: int, permuted: str
) -> ChannelScores:
    """Values of channels and their nulls, `n_folds` of each seed after the other, as one, and fold by fold."""
    value, null = _means(each)
    by_fold = tuple(_means(each[fold::n_folds]) for fold in range(n_folds))
    return ChannelScores(material.subject, material.electrodes.region, value, null, by_fold, permuted=permuted)


def _means(each: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    values, nulls = zip(*each, strict=True)
    return defined_mean(np.array(values)), defined_mean(np.array(alongside(nulls)))


def defined_mean(values: Array) -> Array:
    """Mean over the first axis of what is not NaN, NaN where nothing is."""
    defined = np.isfinite(values)
    count = defined.sum(0)
    return np.where(count, np.where(defined, values, 0).sum(0) / np.maximum(count, 1), np.nan)


def everybody(label: str, metric: str, found: Mapping[str, SubjectScores], draws: Draws, **further: object) -> Row:
    """One line: mean over subjects of all channels; of one subject, over images and seeds."""
    if len(found) == 1:
        (one,) = found.values()
        return row(label, one.items[metric], draws, **further)
    values = {subject: each.value(metric, draws) for subject, each in found.items()}
    made = over(label, metric, {s: v for s, (v, _) in values.items()}, {s: c for s, (_, c) in values.items()}, draws)
    of_each = [np.mean([items.null for items in each.items[metric]], axis=0) for each in found.values()]
    null = np.mean(alongside(of_each), axis=0)
    edges = [float(edge) for edge in np.percentile(null, (2.5, 97.5))] if len(null) else None
    return made | {"chance95": edges, **further}


def over(
    label: str, metric: str, values: Mapping[str, float], chances: Mapping[str, float], draws: Draws, **further: object
) -> Row:
    """One line of numbers, one for each subject: mean, interval over subjects, signed ranks and t test against chance.

    ``p`` is Wilcoxon's, from six subjects on; ``p_t`` that of a two-sided paired t test.
    """
    tables = {
        subject: [{"row": label, "metric": metric, "value": values[subject], "chance": chances[subject], **further}]
        for subject in values
    }
    (made,) = over_subjects(tables, draws)
    less = np.array([values[subject] - chances[subject] for subject in values])
    made["p_t"] = number(float(ttest_1samp(less, 0).pvalue)) if len(less) > 2 and np.ptp(less) > 1e-12 else None
    return made


def subject_difference(
    label: str,
    metric: str,
    first: Mapping[str, SubjectScores],
    second: Mapping[str, SubjectScores],
    draws: Draws,
    **further: object,
) -> Row:
    """One line: `second` less `first`, paired over subjects."""
    paired = {s: second[s].value(metric, draws)[0] - first[s].value(metric, draws)[0] for s in first}
    made = over(label, f"{metric}, difference", paired, dict.fromkeys(paired, 0.0), draws, **further)
    return made | {
        "note": f"paired over {len(paired)} subjects; interval: bootstrap over subjects; p: signed ranks; p_t: t"
    }
