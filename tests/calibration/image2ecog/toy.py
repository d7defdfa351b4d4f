"""People who look at gratings of five orientations (simulated): half of their electrodes answer to the orientation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from calibration.image2ecog.fit import Fitted, fit_image2ecog
from calibration.image2ecog.material import Electrodes, Material
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.metrics import Draws

SIZE, N_TIMES, SFREQ = 16, 40, 100.0
CATEGORIES = ("c0", "c1", "c2", "c3", "c4")
THINGS, VIEWS, REPEATS = 4, 2, 5
REGIONS = ("Pole_occipital",) * 3 + ("G_oc-temp_lat-fusifor",) * 3 + ("G_front_middle",) * 5 + ("G_rectus",)
DRAWS = Draws(100, 100, 0)

SETTINGS = Image2EcogSettings(
    size=SIZE,
    conv=(8, 16),
    pool=2,
    hidden=(32,),
    dropout=0.0,
    classifier_epochs=30,
    epochs=12,
    batch_size=32,
    lr=5e-3,
    patience=12,
)


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gratings, their category, and the thing each shows."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    made, category, thing = [], [], []
    for k in range(len(CATEGORIES)):
        for each in range(THINGS):
            phase = rng.uniform(0, 2 * np.pi)
            for _ in range(VIEWS):
                angle = np.pi * k / len(CATEGORIES) + rng.normal(0, 0.05)
                wave = np.sin(2 * np.pi * 3 * (columns * np.cos(angle) + rows * np.sin(angle)) + phase)
                made.append(0.5 + 0.3 * wave + rng.normal(0, 0.02, wave.shape))
                category.append(k)
                thing.append(k * THINGS + each)
    stack = np.clip(np.repeat(np.stack(made)[:, None], 3, axis=1), 0, 1).astype(np.float32)
    return stack, np.array(category), np.array(thing)


@cache
def subject(number: int = 0, signal: float = 1.0, noise: float = 1.0) -> Material:
    """One subject: the first six electrodes tell orientations apart, the others answer to all alike."""
    pixels, category, thing = images()
    rng = np.random.default_rng([number, 7])
    times = np.arange(N_TIMES) / SFREQ
    common = np.exp(-(((times - 0.15) / 0.04) ** 2))
    wave = np.exp(-(((times - 0.22) / 0.05) ** 2)) - np.exp(-(((times - 0.3) / 0.05) ** 2))
    weights = rng.standard_normal((len(REGIONS), len(CATEGORIES)))
    weights -= weights.mean(1, keepdims=True)
    weights[6:] = 0
    shown = rng.permutation(np.repeat(np.arange(len(pixels)), REPEATS))
    told = signal * weights[:, category[shown]].T[:, :, None] * wave
    Y = 30 * (common + 2 * told + noise * rng.standard_normal((len(shown), len(REGIONS), N_TIMES)))
    position = rng.normal(0, 30, (len(REGIONS), 3))
    names = tuple(f"E{k:02d}" for k in range(len(REGIONS)))
    return Material(
        Y=Y.astype(np.float32),
        image=shown,
        images=pixels,
        labels=tuple(f"{k:03d}.png" for k in range(len(pixels))),
        category=category,
        thing=thing,
        categories=CATEGORIES,
        electrodes=Electrodes(names, REGIONS, position),
        sfreq=SFREQ,
        unit="microvolts",
        subject=f"s{number}",
        name="toy",
        simulated=True,
    )


@cache
def people(n: int = 3) -> dict[str, Material]:
    """Several subjects."""
    return {f"s{k}": subject(k) for k in range(n)}


@cache
def fitted(number: int = 0, signal: float = 1.0, **changes: object) -> Fitted:
    """A trained model of the toy, trained once."""
    return fit_image2ecog(subject(number, signal), SETTINGS.but(**changes))


def with_bad_channel(material: Material, channel: int, factor: float) -> Material:
    """The same with one channel louder."""
    Y = material.Y.copy()
    Y[:, channel] *= factor
    return replace(material, Y=Y)
