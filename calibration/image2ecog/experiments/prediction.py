"""Experiments on how well responses are predicted: both models, both splits, both heads, the classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.image2ecog.fit import Fitted
from calibration.image2ecog.material import Material
from calibration.image2ecog.plan import Plan
from calibration.image2ecog.regions import ChannelScores, region_table
from calibration.image2ecog.scores import LOWER, METRICS, R, joined, values_r
from calibration.image2ecog.settings import MODELS, Image2EcogSettings
from calibration.image2ecog.subjects import (
    everybody,
    joined_channels,
    keys_of,
    over,
    scores_of,
    subject_difference,
)
from calibration.image2ecog.things import name_of, orders, things_of
from calibration.image2ecog.trained import Trained
from calibration.metrics import Draws
from calibration.tables.items import Items, Row, row
from calibration.tables.items import score as score_of
from calibration.tables.table import Table

VALUES_R = "r of values"
ACCURACY = "category accuracy"


def main(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Correlation, squared error and explained variance of both models, over all channels and region by region."""
    rows: list[Row] = []
    for model in MODELS:
        found = scores_of(trained, settings.but(model=model), seeds, plan)
        rows += [everybody(f"{model}, all", metric, found, plan.draws, model=model) for metric in METRICS]
        for metric in METRICS:
            channels = [each.channels[metric] for each in found.values()]
            kind = {"lower": metric in LOWER, "correlation": metric == R}
            lines = region_table(metric, channels, plan.draws, plan.thin, **kind, model=model)
            rows += [line | {"region": line["row"], "row": f"{model}, {line['row']}"} for line in lines]
    return Table(rows)


def models(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """The classification-regressor beside the end-to-end model, paired over subjects."""
    found = {model: scores_of(trained, settings.but(model=model), seeds, plan) for model in MODELS}
    rows = [everybody(model, metric, found[model], plan.draws) for model in MODELS for metric in METRICS]
    end_to_end, two_stages = MODELS
    for metric in METRICS:
        label = f"{two_stages} − {end_to_end}"
        rows.append(subject_difference(label, metric, found[end_to_end], found[two_stages], plan.draws))
    return Table(rows)


def splits(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """The published split by trial, which trains on every tested image, beside the split by image."""
    rows: list[Row] = []
    for model in MODELS:
        variant = settings.but(model=model)
        found = {how: scores_of(trained, variant.but(split=how), seeds, plan) for how in ("trial", "image")}
        rows += [
            everybody(f"{model}, {how} split", metric, found[how], plan.draws, split=how, model=model)
            for how in found
            for metric in METRICS
        ]
        label = f"{model}, trial − image"
        rows += [subject_difference(label, metric, found["image"], found["trial"], plan.draws) for metric in METRICS]
    return Table(rows)


def heads(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """One value per channel instead of its wave: correlation over trials, region by region."""
    keys = keys_of(trained, settings.but(head="scalar"), seeds, plan)
    made = trained.of(keys)
    n = len(seeds) * len(plan.folds)
    found = [
        values_of(material, made[at * n : (at + 1) * n], plan) for at, material in enumerate(trained.subjects.values())
    ]
    return Table(region_table(VALUES_R, found, plan.draws, plan.thin))


def values_of(material: Material, fitted: Sequence[Fitted], plan: Plan) -> ChannelScores:
    """Mean over folds and seeds of the correlation of values."""
    each = [values_r(one, material, plan.draws) for one in fitted]
    tested = np.unique(material.image[fitted[0].parts.test])
    permuted = name_of(things_of(material, fitted[0].settings, tested))
    return joined_channels(material, each, len(plan.folds), permuted)


def classifier(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Whether the first stage tells the categories of things it was not trained on."""
    keys = keys_of(trained, settings.but(model="classification-regressor"), seeds, plan)
    made, n = trained.of(keys), len(seeds) * len(plan.folds)
    found: dict[str, list[Items]] = {}
    for at, (subject, material) in enumerate(trained.subjects.items()):
        each = [told(fitted, material, plan.draws) for fitted in made[at * n : (at + 1) * n]]
        found[subject] = [joined(each[k : k + len(plan.folds)]) for k in range(0, n, len(plan.folds))]
    first = next(iter(found.values()))
    if all(same_answers(first, items) for items in found.values()):  # who was recorded plays no part in it
        return Table([row("images", first, plan.draws)])
    scores = {subject: score_of(items, Draws(1, 0)) for subject, items in found.items()}
    values, chances = ({s: getattr(one, key) for s, one in scores.items()} for key in ("value", "chance"))
    return Table([over("images", ACCURACY, values, chances, plan.draws)])


def same_answers(first: Sequence[Items], second: Sequence[Items]) -> bool:
    """Whether two subjects' classifiers were right about the same of the same images."""
    return all(np.array_equal(a.each, b.each) for a, b in zip(first, second, strict=True))


def told(fitted: Fitted, material: Material, draws: Draws) -> Items:
    """Which tested images got their category; the null permutes categories, those of a thing's views together."""
    shown = np.unique(material.image[fitted.parts.test])
    said, own = fitted.classify(material.images[shown]), np.asarray(material.category[shown])
    thing = things_of(material, fitted.settings, shown)
    null = (said == own[orders(thing, draws)]).mean(1)
    chance = 1 / len(material.categories)
    note = f"{len(material.categories)} categories, {fitted.settings.split} split"
    right, unit = (said == own).astype(float), name_of(thing)
    permuted = f"categories between {unit}"
    return Items(ACCURACY, right, chance, null, False, note, unit, permuted, group=thing)
