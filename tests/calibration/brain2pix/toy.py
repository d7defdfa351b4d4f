"""Films of coloured squares that drift (simulated), and voxels that see the brightness of one place each."""

from __future__ import annotations

from functools import cache

import numpy as np

from calibration.brain2pix.material import N_LAGS, Material, Movie, joined
from calibration.brain2pix.settings import Brain2PixSettings

SIDE, LENGTH, SHOT = 16, 40, 8
REGION = np.repeat(["V1", "V2"], [40, 24])
SETTINGS = Brain2PixSettings(
    widths=(12, 24, 24),
    d_widths=(8, 16),
    momentum=0.1,
    rank=12,
    hidden=(32, 16, 32),
    fisheye=False,
    features="oriented",
    history=6,
    lr=3e-3,
    batch_size=8,
    epochs=6,
)


def centres() -> np.ndarray:
    """``(n_voxels, 2)`` x and y, spread over the frame."""
    return np.random.default_rng(9).uniform(-0.47, 0.47, (len(REGION), 2))


def frames(rng: np.random.Generator) -> np.ndarray:
    """uint8 ``(LENGTH, 3, SIDE, SIDE)``: every shot a square of its own that drifts over a ground of its own."""
    made = np.empty((LENGTH, 3, SIDE, SIDE))
    for begin in range(0, LENGTH, SHOT):
        ground, colour = rng.uniform(0, 0.4, 3), rng.uniform(0.5, 1, 3)
        place, step = rng.uniform(1, SIDE - 7, 2), rng.uniform(-0.5, 0.5, 2)
        for k in range(SHOT):
            top, left = np.clip(np.round(place + k * step), 0, SIDE - 6).astype(int)
            made[begin + k] = ground[:, None, None]
            made[begin + k, :, top : top + 6, left : left + 5] = colour[:, None, None]
    return np.round(255 * made).astype(np.uint8)


def run(seed: int, signal: float = 1.0) -> Movie:
    """One run: frame t is seen in volumes t to t + 4, most of all in t + 2."""
    rng = np.random.default_rng(seed)
    shown, centre = frames(rng), centres()
    columns, rows = np.floor((centre + 0.5) * SIDE).astype(int).T
    seen = shown.mean(1)[:, rows, columns] / 255
    seen = (seen - 0.45) / 0.25
    kernel = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    smeared = np.stack([np.convolve(each, kernel) for each in seen.T], 1)
    voxels = signal * smeared + 0.2 * rng.standard_normal(smeared.shape)
    n = LENGTH - N_LAGS + 1
    return Movie(
        voxels=voxels.astype(np.float32),
        of_volume=np.zeros(len(voxels), np.intp),
        first=np.arange(n),
        frame=np.arange(n),
        frames=shown,
        shot=np.arange(n) // SHOT,
        region=REGION,
        centre=centre,
        shift=0,
    )


@cache
def film(runs: int = 3, seed: int = 0, signal: float = 1.0) -> Movie:
    """Several runs."""
    return joined([run(100 * seed + k, signal) for k in range(runs)])


@cache
def material(signal: float = 1.0) -> Material:
    """Training, validation and test."""
    return Material(film(4, 1, signal), film(1, 2, signal), film(2, 3, signal), "toy", simulated=True)
