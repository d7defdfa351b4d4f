"""The two decoders that go through networks of others: run where the user has their weights, else said not to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from calibration.mouse_v1.experiments.decoding import Said, lines
from calibration.mouse_v1.experiments.plan import Plan, Systems
from calibration.mouse_v1.features import Classifier, fit_features, open_classifier
from calibration.mouse_v1.latents import Autoencoder, fit_latents, open_autoencoder
from calibration.mouse_v1.paper import RESNET, SDVAE
from calibration.mouse_v1.scores import METRICS
from calibration.mouse_v1.trained import Trained
from calibration.tables.items import Items, Row, row
from calibration.tables.table import Table, not_run
from streamkit.errors import StreamkitError

SD_VAE_WEIGHTS, RESNET_WEIGHTS = "sd-vae", "resnet50"
LATENT_ERROR = "latent MSE"


def pretrained(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """SD-VAE with each of its read-ins, and ResNet50."""
    rows: list[Row] = []
    for name, run in ((SDVAE, sd_vae), (RESNET, resnet)):
        rows += _or_why_not(name, run, trained, systems, seeds, plan)
    return Table(rows)


def _or_why_not(name: str, run: Callable[..., list[Row]], trained: Trained, *more: object) -> list[Row]:
    try:
        return run(trained, *more)
    except StreamkitError as error:
        return [not_run(name, metric, error) for metric in METRICS]


def sd_vae(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> list[Row]:
    """Pictures painted from predicted latents, and how far the latents are off beside the mean training latent."""
    folder = trained.weights.get(SD_VAE_WEIGHTS, "none given")
    autoencoder = open_autoencoder(folder, trained.autoencoder, accept_licence=trained.accept_licence)
    animal = trained.material.first
    test, rows = animal.test.by_image(), list[Row]()
    wanted, mean = autoencoder.encode(test.y), autoencoder.encode(animal.train.images)[animal.train.shown].mean(0)
    for readin in ("mlp", "ridge", "conv"):
        settings = [systems.latents.model_copy(update={"readin": readin, "seed": seed}) for seed in seeds]
        models = fitted(fit_latents, trained, autoencoder, settings)
        name = SDVAE if readin == "mlp" else f"{SDVAE}, {readin}"
        said = Said.of([each.predict(test.X, test.out_shape) for each in models], test.y, plan)
        rows += lines(name, said, trained, plan, weights=autoencoder.name)
        errors = [_latents(each.latents(test.X), wanted, mean) for each in models]
        rows.append(row(name, errors, plan.draws, weights=autoencoder.name))
    return rows


def _latents(said: np.ndarray, wanted: np.ndarray, mean: np.ndarray) -> Items:
    own, guess = (((each - wanted) ** 2).mean((1, 2, 3)).astype(np.float64) for each in (said, mean[None]))
    return Items(LATENT_ERROR, own, float(guess.mean()), np.empty(0), True, "chance: the mean training latent")


def resnet(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> list[Row]:
    """Pictures painted from predicted features."""
    classifier = open_classifier(trained.weights.get(RESNET_WEIGHTS), systems.features.side)
    animal = trained.material.first
    test = animal.test.by_image()
    settings = [systems.features.model_copy(update={"seed": seed}) for seed in seeds]
    models = fitted(fit_features, trained, classifier, settings)
    said = Said.of([each.predict(test.X, test.out_shape) for each in models], test.y, plan)
    return lines(RESNET, said, trained, plan, normalise=systems.features.normalise)


def fitted(
    fit: Callable[..., Any], trained: Trained, network: Autoencoder | Classifier, variants: Sequence[Any]
) -> list[Any]:
    """One decoder of the first animal around a pretrained network for each of these settings."""
    told = {"loop": trained.loop, "progress": trained.progress}
    return [
        fit(trained.material.first, network, each, checkpoint=trained.folder_of(network, each), **told)
        for each in variants
    ]
