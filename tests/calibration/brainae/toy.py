"""A planted code (simulated): images are points of a small space, and their responses bumps in noise.

Features are what those of image networks are: the code, much that no response tells, and a mean that all images share.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from calibration.brainae.fit import Fitted, fit_brainae
from calibration.brainae.pairs import Gallery, Material, Pairs
from calibration.brainae.settings import BrainAESettings
from calibration.metrics import Draws

N_CHANS, N_TIMES, SFREQ, LATENT = 8, 40, 100.0, 12
DRAWS = Draws(200, 200, 0)
N_TRAIN, N_TEST, EXEMPLARS, REPEATS = 120, 30, 4, 6

SETTINGS = BrainAESettings(
    embedding=256,
    filters=8,
    kernel=11,
    dropout=0.1,
    epochs=15,
    batch_size=80,
    out_act="identity",
    validation=40,
    seed=0,
)
PRIVATE, SHARED = 2.0, 3.0
"""Of the features, beside a code of deviation 1."""


def world(signal: float = 1.0, noise: float = 1.5, n_features: int = 256, seed: int = 0) -> Material:
    """Concepts trained on and others tested; `signal` scales the responses, 0 leaves noise."""
    rng = np.random.default_rng(seed)
    to_features = rng.standard_normal((LATENT, n_features)) / np.sqrt(LATENT)
    shared = SHARED * rng.standard_normal(n_features)
    channels = rng.standard_normal((LATENT, N_CHANS))
    bumps = np.exp(-0.5 * ((np.arange(N_TIMES) - rng.uniform(5, 35, (LATENT, 1))) / 3) ** 2)

    def respond(code: np.ndarray) -> np.ndarray:
        clean = np.einsum("nk,kc,kt->nct", code, channels, bumps)
        return (signal * clean / 3 + noise * rng.standard_normal(clean.shape)).astype(np.float32)

    def show(n_concepts: int, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        code = np.repeat(rng.standard_normal((n_concepts, LATENT)), EXEMPLARS, axis=0)
        code = code + 0.3 * rng.standard_normal(code.shape)
        image = first * EXEMPLARS + np.arange(len(code))
        private = PRIVATE * rng.standard_normal((len(code), n_features))
        return code, (code @ to_features + private + shared).astype(np.float32), image, image // EXEMPLARS

    code, f, image, concept = show(N_TRAIN, 0)
    train = Pairs(respond(code), f, image, concept)
    code, f, image, concept = show(N_TEST, N_TRAIN)
    seen = np.repeat(np.arange(0, len(image), EXEMPLARS), REPEATS)
    test = Pairs(respond(code[seen]), f[seen], image[seen], concept[seen])
    categories = {int(number): "odd" if number % 2 else "even" for number in concept}
    regions = {"front": (0, 1, 2, 3), "visual": (4, 5, 6, 7)}
    names = tuple(f"E{k}" for k in range(N_CHANS))
    return Material(train, test, Gallery(f, image, concept), SFREQ, None, names, regions, categories, "toy", True)


@cache
def toy(signal: float = 1.0) -> Material:
    """The world at a signal, made once."""
    return world(signal)


@cache
def fitted(signal: float = 1.0, **changes: object) -> Fitted:
    """A trained model of the toy, trained once."""
    material = toy(signal)
    settings = SETTINGS.but(**changes)
    return fit_brainae(*material.held_back(settings.validation, settings.seed), settings, sfreq=SFREQ)
