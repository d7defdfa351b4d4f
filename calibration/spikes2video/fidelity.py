"""How near a reconstruction is to the clip, pixel by pixel: similarity, squared error, and what was trained on.

Condition by condition, like the scores of content. One minus similarity plus squared error, stages weighted, is the
objective of the training in its default form (`calibration.spikes2video.objective`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.spikes2video.content import Scenes
from calibration.spikes2video.objective import ssim, weights_of
from calibration.spikes2video.settings import PUBLISHED
from calibration.tables.items import Items
from streamkit.errors import require

Array = NDArray[np.floating]
SSIM, MSE, LOSS = "SSIM", "MSE", "1 − SSIM + MSE"
SHIFTS = 20
"""Permutations of conditions, at most: each compares every reconstruction with another clip, which takes its time."""
BATCH = 32


def fidelity(scenes: Scenes, draws: Draws) -> dict[str, Items]:
    """Similarity, squared error and objective; the null gives every condition the clip of another, drawn by lot."""
    own = _by_condition(scenes, 0)
    n = own.shape[1]
    rng = np.random.default_rng(draws.seed)
    shifts = 1 + rng.permutation(n - 1)[: min(SHIFTS, draws.permutations)]
    null = np.array([_by_condition(scenes, int(shift)).mean(1) for shift in shifts]).reshape(len(shifts), len(own))
    chance = null.mean(0) if len(null) else own.mean(1)
    return {
        name: Items(name, own[k], float(chance[k]), null[:, k], name != SSIM, NOTE, "conditions")
        for k, name in enumerate((SSIM, MSE, LOSS))
    }


NOTE = "chance: clips of other conditions"


def _by_condition(scenes: Scenes, shift: int) -> Array:
    """``(3, n_conditions)`` of reconstructions beside the clips of conditions so many places on, mean over trials."""
    total, count = 0.0, 0.0
    for rows, fresh in scenes.turns():
        found = of_pairs(scenes.seen[rows[fresh]], scenes.shown[np.roll(rows, -shift)[fresh]], scenes)
        total, count = total + _placed(found, fresh), count + fresh
    return np.asarray(total / count)


def _placed(found: Array, at: NDArray[np.bool_]) -> Array:
    whole = np.zeros((len(found), len(at)))
    whole[:, at] = found
    return whole


def of_pairs(seen: Array, shown: Array, scenes: Scenes) -> Array:
    """``(3, n)`` similarity, squared error and objective of clips ``(n, 3, n_frames, height, width)`` in pairs."""
    likeness, error = similarity_of_frames(seen, shown), _squared(seen, shown)
    weights = weights_of(scenes.stages, PUBLISHED.eta).numpy()
    return np.stack([likeness.mean(1), error, 1 - likeness @ weights / weights.sum() + error])


def similarity_of_frames(seen: Array, shown: Array) -> Array:
    """``(n, n_frames)`` structural similarity of clips in pairs, with the window that training has."""
    torch = require("torch", "train", "structural similarity")
    parts = []
    for at in range(0, len(seen), BATCH):
        pair = (torch.from_numpy(np.ascontiguousarray(side[at : at + BATCH], np.float32)) for side in (seen, shown))
        parts.append(ssim(*pair, window=PUBLISHED.ssim_window).numpy())
    return np.concatenate(parts).astype(np.float64)


def _squared(seen: Array, shown: Array) -> Array:
    apart = (np.asarray(seen, np.float32) - shown) ** 2
    return apart.reshape(len(seen), -1).mean(1, dtype=np.float64)
