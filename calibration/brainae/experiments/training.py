"""Experiments that train: the main figures, the ablation, temperatures, decoders and backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calibration.brainae.fit import Fitted, build
from calibration.brainae.objective import ABLATIONS, CONTROLS, DECODER_ALONE
from calibration.brainae.pairs import Material
from calibration.brainae.plan import Plan, mean_response
from calibration.brainae.scores import classification, encoding, retrieval
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.trained import Trained
from calibration.metrics import Draws
from calibration.tables.items import Items, Row, difference, row
from calibration.tables.table import Table, not_run
from streamkit.errors import StreamkitError

VISUAL = "visual"
"""The region whose encoding is scored by itself where the material has one of this name."""
KEY = ("retrieval top-1", "classification top-1", "encoding r")


def everything(fitted: Fitted, material: Material, draws: Draws) -> dict[str, Items]:
    """All scores of one model, by name."""
    test = material.test.by_image()
    found = retrieval(fitted, test, draws)
    found += classification(fitted, test, material.gallery, draws)
    found += classification(fitted, test, material.gallery, draws, "dot")
    found += encoding(fitted.predict(test.features), test.X, draws)
    return {items.name: items for items in found}


def of_seeds(models: Sequence[Fitted], material: Material, draws: Draws) -> dict[str, list[Items]]:
    """Scores by name, one per seed."""
    each = [everything(fitted, material, draws) for fitted in models]
    return {name: [found[name] for found in each] for name in each[0]}


def main(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Retrieval, classification and encoding of the full system, beside the mean response."""
    models, material, draws = trained.of(settings, seeds), trained.material, plan.draws
    rows = [row("all", items, draws) for items in of_seeds(models, material, draws).values()]
    test = material.test.by_image()
    regions = {"all": list(range(test.X.shape[1]))}
    if VISUAL in material.regions:
        regions[VISUAL] = list(material.regions[VISUAL])
        part = regions[VISUAL]
        found = [encoding(fitted.predict(test.features)[:, part], test.X[:, part], draws) for fitted in models]
        rows += [row(VISUAL, items, draws) for items in zip(*found, strict=True)]
    for name, channels in regions.items():
        common = mean_response(trained, test.X.shape)[:, channels]
        label = "mean response" if name == "all" else f"mean response, {name}"
        rows += [row(label, [items], draws) for items in encoding(common, test.X[:, channels], draws)]
    return Table(rows)


def compared(
    trained: Trained, variants: Mapping[str, BrainAESettings], seeds: Sequence[int], plan: Plan, against: str = ""
) -> Table:
    """The key scores of each variant, and their paired differences from the one named `against`."""
    models = dict(zip(variants, trained.all(list(variants.values()), seeds), strict=True))
    scores = {name: of_seeds(each, trained.material, plan.draws) for name, each in models.items()}
    rows = [row(name, found[metric], plan.draws) for name, found in scores.items() for metric in KEY]
    for name, found in scores.items():
        if against and name != against:
            rows += _differences(f"{name} − {against}", scores[against], found, KEY, plan.draws)
    return Table(rows)


def _differences(
    label: str, first: dict[str, list[Items]], second: dict[str, list[Items]], metrics: Sequence[str], draws: Draws
) -> list[Row]:
    return [difference(label, first[metric], second[metric], draws) for metric in metrics]


def ablation(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Each loss left out, and contrastive or reconstruction losses alone, paired with the full objective."""
    variants = {name: settings.but(weights=weights) for name, weights in (ABLATIONS | CONTROLS).items()}
    return compared(trained, variants, seeds, plan, "full")


def temperature(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """The temperature of the contrastive loss."""
    return compared(trained, {f"{tau:g}": settings.but(tau=tau) for tau in plan.taus}, seeds, plan)


def backbones(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Other brain encoders; one that does not fit the window gets a line that says so."""
    variants, absent = {}, []
    for name in plan.backbones:
        variant = settings.but(backbone=name)
        try:
            build(variant, *trained.material.train.size, trained.material.sfreq)
            variants[name] = variant
        except StreamkitError as error:
            absent += [not_run(name, metric, error) for metric in KEY]
    return Table(compared(trained, variants, seeds, plan).rows + absent)


def decoders(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Linear and nonlinear decoders, trained on image features alone or with the whole objective."""
    alone = settings.but(weights=DECODER_ALONE)
    other = "identity" if settings.out_act == "tanh" else "tanh"
    variants = {
        "linear": alone.but(decoder="linear"),
        "nonlinear": alone.but(decoder="conv"),
        "linear + alignment": settings.but(decoder="linear"),
        "nonlinear + alignment": settings.but(decoder="conv"),
        f"nonlinear + alignment, {other}": settings.but(decoder="conv", out_act=other),
    }
    models = trained.all(list(variants.values()), seeds)
    scores = {name: _encoding(each, trained.material, plan.draws) for name, each in zip(variants, models, strict=True)}
    rows = [row(name, items, plan.draws) for name, found in scores.items() for items in found.values()]
    test = trained.material.test.by_image()
    common = encoding(mean_response(trained, test.X.shape), test.X, plan.draws)
    rows += [row("mean response", [items], plan.draws) for items in common]
    for second, first in PAIRS_OF_DECODERS:
        rows += _differences(f"{second} − {first}", scores[first], scores[second], list(scores[first]), plan.draws)
    return Table(rows)


PAIRS_OF_DECODERS = (
    ("nonlinear", "linear"),
    ("nonlinear + alignment", "linear + alignment"),
    ("linear + alignment", "linear"),
    ("nonlinear + alignment", "nonlinear"),
)
"""Second less first."""


def _encoding(models: Sequence[Fitted], material: Material, draws: Draws) -> dict[str, list[Items]]:
    test = material.test.by_image()
    each = [encoding(fitted.predict(test.features), test.X, draws) for fitted in models]
    return {items[0].name: list(items) for items in zip(*each, strict=True)}
