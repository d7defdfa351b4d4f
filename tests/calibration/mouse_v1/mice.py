"""Small mice (simulated): smooth pictures, units that see a blob of each, counts."""

from __future__ import annotations

from functools import cache

import numpy as np

from calibration.mouse_v1.material import Animal, Material, Responses
from calibration.mouse_v1.settings import CNN, GAN, EncoderSettings, InversionSettings, MEISettings
from calibration.mouse_v1.trained import Search, Trained
from models.v1_inversion import blurring

HEIGHT, WIDTH, N_UNITS = 12, 14, 160
ENCODER = EncoderSettings(
    layers=2, channels=8, kernel=3, hidden_kernel=3, pool=2, smooth=0.1, sparse=1e-3, epochs=30, batch_size=32, lr=0.01
)
MEIS = MEISettings(steps=30, lr=2.0, batch_size=40)
INVERSION = InversionSettings(steps=100, lr=20.0)
SEARCH = Search((20.0, 60.0), (0.5, 1.0), (30, 100))
SMALL = {"dropout": 0.0, "readin_dropout": 0.0, "lr": 3e-3, "batch_size": 16, "select": "ssim"}
TOY_GAN = GAN.but(
    channels=(12, 8),
    kernels=(3, 3),
    readin=12,
    context=(3, 6),
    critic=(6, 6),
    critic_kernels=(5, 3),
    critic_dropout=0.0,
    chunk=50,
    epochs=20,
    **SMALL,
)
TOY_CNN = CNN.but(channels=(16, 12, 8, 8, 8), epochs=20, **SMALL)


def pictures(n: int, seed: int) -> np.ndarray:
    """``(n, 1, HEIGHT, WIDTH)`` smooth noise in [0, 1]."""
    drawn = np.random.default_rng(seed).standard_normal((n, 1, HEIGHT, WIDTH)).astype(np.float32)
    smooth = blurring(HEIGHT, 1.6).numpy() @ drawn @ blurring(WIDTH, 1.6).numpy().T
    low, high = smooth.min((1, 2, 3), keepdims=True), smooth.max((1, 2, 3), keepdims=True)
    return (smooth - low) / (high - low)


@cache
def blobs(n_units: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    places = rng.uniform((1, 1), (HEIGHT - 2, WIDTH - 2), (n_units, 2))
    fields = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 4) for r, c in places]
    return np.stack([(-1) ** k * field / field.sum() for k, field in enumerate(fields)])


def responses(n: int, seed: int, signal: float, repeats: int, n_units: int, units: int) -> Responses:
    images = pictures(n, seed)
    drive = (images[:, 0] - 0.5).reshape(n, -1) @ blobs(n_units, units).reshape(n_units, -1).T
    rate = np.exp(0.5 + 4 * signal * drive)
    shown = np.tile(np.arange(n), repeats)
    X = np.random.default_rng(seed + 1).poisson(rate[shown]).astype(np.float32)
    return Responses(X, images, shown)


@cache
def animal(name: str = "m1", signal: float = 1.0, n_units: int = N_UNITS, n_train: int = 160) -> Animal:
    units = sum(map(ord, name))
    parts = {"train": (n_train, 10, 1), "validation": (16, 20, 2), "test": (24, 30, 4)}
    made = {part: responses(n, seed, signal, repeats, n_units, units) for part, (n, seed, repeats) in parts.items()}
    return Animal(name, **made)


def material(signal: float = 1.0) -> Material:
    return Material((animal("m1", signal), animal("m2", signal, 40)), "toy", simulated=True)


@cache
def trained(signal: float = 1.0) -> Trained:
    return Trained(material(signal), ENCODER, MEIS, INVERSION, SEARCH)
