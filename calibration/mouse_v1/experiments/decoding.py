"""Decoders side by side: the inverted encoder, the CNN and the GAN, beside ridge regression and the mean image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.baselines import mean_image, ridge_images
from calibration.metrics import column_correlations, shares_of_correlation
from calibration.mouse_v1.experiments.plan import Plan, Systems
from calibration.mouse_v1.fid import fid_row
from calibration.mouse_v1.fit_decoder import FittedDecoder
from calibration.mouse_v1.material import Animal, Responses
from calibration.mouse_v1.paper import CNN, GAN, INVENC, MEAN_IMAGE, RIDGE
from calibration.mouse_v1.scores import differences, rows_of, score, stretched
from calibration.mouse_v1.trained import Trained
from calibration.tables.items import Items, Row, mean, row
from calibration.tables.table import Table

Array = NDArray[np.floating]
Scored = list[dict[str, Items]]
"""One per seed."""
SHOWN = "shown"
N_EXAMPLES = 12
R = "encoder r"


@dataclass(frozen=True)
class Said:
    """Pictures of one decoder, one array ``(n, 1, height, width)`` per seed, and what they scored."""

    images: list[Array]
    scored: Scored

    @classmethod
    def of(cls, images: Sequence[Array], shown: Array, plan: Plan) -> Said:
        """Score them."""
        return cls(list(images), [score(each, shown, plan.draws, plan.n_way) for each in images])


def of_decoders(models: Sequence[FittedDecoder], animal: Animal, plan: Plan) -> Said:
    """Pictures of trained decoders that differ in their seed, for responses averaged over repeats."""
    test = animal.test.by_image()
    return Said.of([fitted.predict(test.X, animal.name) for fitted in models], test.y, plan)


def of_inversion(trained: Trained, seeds: Sequence[int], plan: Plan) -> tuple[Said, dict[str, object]]:
    """Pictures of the inverted encoder, begun from as many noises, and the setting that was chosen."""
    fitted, test = trained.encoder_of(), trained.material.first.test.by_image()
    chosen, _ = trained.choice
    images = [trained.inverted(fitted, chosen.but(seed=seed), test.X) for seed in seeds]
    facts = {"lr": chosen.lr, "sigma": chosen.sigma, "steps": chosen.steps}
    return Said.of(images, test.y, plan), {**facts, "chosen_by": "FID-64" if trained.fid else "SSIM loss"}


def of_baselines(animal: Animal, plan: Plan) -> dict[str, Said]:
    """Ridge regression from responses to pixels, and the mean of the training pictures."""
    test, train = animal.test.by_image(), animal.train
    guesses = {
        RIDGE: ridge_images(train.X[:, :, None], train.y, test.X),
        MEAN_IMAGE: mean_image(train.y, len(test)),
    }
    return {name: Said.of([images], test.y, plan) for name, images in guesses.items()}


def main(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """All decoders on the same test pictures, and how they differ from each other and from the baselines, paired."""
    animal = trained.material.first
    inversion, chosen = of_inversion(trained, seeds, plan)
    models = dict(zip((CNN, GAN), trained.all([systems.cnn, systems.gan], seeds), strict=True))
    said = {INVENC: inversion} | {name: of_decoders(each, animal, plan) for name, each in models.items()}
    said |= of_baselines(animal, plan)
    facts: dict[str, dict[str, object]] = {INVENC: chosen, **{name: costs(each) for name, each in models.items()}}
    rows: list[Row] = []
    for name, each in said.items():
        rows += lines(name, each, trained, plan, **facts.get(name, {}))
    pairs = [(GAN, name) for name in (INVENC, CNN)]
    pairs += [(name, base) for name in (GAN, CNN, INVENC) for base in (RIDGE, MEAN_IMAGE)]
    for name, other in pairs:
        rows += differences(f"{name} − {other}", said[other].scored, said[name].scored, plan.draws)
    return Table(rows, examples(said, animal.test.by_image()))


def lines(name: str, said: Said, trained: Trained, plan: Plan, **facts: object) -> list[Row]:
    """Lines of one decoder, FID-64 last."""
    test = trained.material.first.test.by_image()
    facts = {"decoder": name, "averaged": int(test.repeats.min()), **facts}
    distances = [trained.fid(images, test.y) for images in said.images] if trained.fid else None
    return [*rows_of(name, said.scored, plan.draws, **facts), fid_row(name, distances, len(test), **facts)]


def costs(models: Sequence[FittedDecoder]) -> dict[str, object]:
    """Parameters, epochs, seconds of training, and what picked the epoch."""
    histories = [fitted.history for fitted in models]
    return {
        "parameters": sum(each.numel() for each in models[0].model.parameters()),
        "epochs": float(np.mean([len(history.train) for history in histories])),
        "training_s": float(np.mean([history.seconds for history in histories])),
        "selected_by": models[0].selected_by,
    }


def examples(said: Mapping[str, Said], test: Responses) -> dict[str, NDArray]:
    """Some pictures as shown, and as every decoder has them, stretched."""
    rows = np.linspace(0, len(test) - 1, min(N_EXAMPLES, len(test))).round().astype(int)
    found = {SHOWN: stretched(test.y[rows])[:, 0]}
    return found | {name: stretched(each.images[0][rows])[:, 0] for name, each in said.items()}


def encoders(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """Both encoders: how well they predict responses to new pictures, neuron by neuron."""
    animal, rows = trained.material.first, []
    for label, readout in (("four layers, Gaussian readout", "gaussian"), ("earlier, linear readout", "linear")):
        layers = trained.encoder.layers - (readout == "linear" and trained.encoder.layers > 1)
        settings = trained.encoder.but(readout=readout, layers=layers)
        fitted = trained.encoders.of(settings, seeds[:1])[0]
        rows.append(row(label, [predicted(fitted.predict(animal.test.images, animal.name), animal, plan)], plan.draws))
    return Table(rows)


def predicted(said: Array, animal: Animal, plan: Plan) -> Items:
    """Correlation of each neuron over test pictures; interval and null draw and permute the pictures."""
    test, rng = animal.test.by_image(), np.random.default_rng(plan.seed)
    said = said[test.shown]
    orders = (rng.permutation(len(said)) for _ in range(plan.permutations))
    null = [mean(column_correlations(said[order], test.X)) for order in orders]
    note = f"mean of {test.X.shape[1]} neurons, over test pictures averaged over repeats; chance: pictures permuted"
    return Items(R, shares_of_correlation(said, test.X), 0.0, np.array(null), note=note)
