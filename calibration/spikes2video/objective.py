"""What training makes small: structural similarity by stage, and squared error, in both published forms.

With ``SSIM_i`` the similarity of frame i, and ``eta_i`` 1, 2 or 5 as the frame is fixation, cue or stimulus::

    normalised    1 - sum_i eta_i SSIM_i / sum_i eta_i  +  mean (v - v̂)²       (the authors' code; default)
    paper         sum_i eta_i (1 - SSIM_i)  +  ||v - v̂||²                      (per clip)

The second counts squared errors of 138,240 numbers beside 175 at most of similarity. The inverse makes the mean squared
error of standardised counts small, which the paper does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.material import Stages
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.ssim import gaussian, likeness
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor


@lru_cache(maxsize=16)
def band(size: int, window: int) -> NDArray[np.float32]:
    """``(size, size)`` that averages a line of so many pixels over a window around each; beyond the ends are zeros."""
    weights, matrix = gaussian(window), np.zeros((size, size), np.float32)
    for row in range(size):
        for k, weight in enumerate(weights):
            if 0 <= (column := row + k - window // 2) < size:
                matrix[row, column] = weight
    return matrix


def ssim(a: Tensor, b: Tensor, window: int = 4) -> Tensor:
    """Structural similarity of every frame: clips ``(B, C, T, H, W)`` in [0, 1] twice to ``(B, T)``.

    Mean over pixels and colours; borders are filled up with zeros, so that the map of an even window is as large as the
    frame. Averages over windows are products with band matrices, which is faster than a convolution of one channel.
    """
    torch = require("torch", "train", "calibration")
    down, right = (torch.tensor(band(size, window), device=a.device) for size in a.shape[3:])
    return likeness(a, b, down, right).mean((1, 3, 4))


def weights_of(stages: Stages, eta: Sequence[float]) -> Tensor:
    """``(n_frames,)`` what each frame counts for."""
    torch = require("torch", "train", "calibration")
    return torch.from_numpy(np.repeat(np.asarray(eta, np.float32), stages))


def video_losses(seen: Tensor, shown: Tensor, weights: Tensor, settings: Spikes2VideoSettings) -> dict[str, Tensor]:
    """Losses of a batch of clips, ``(B, C, T, H, W)`` twice.

    Parameters
    ----------
    weights
        ``(T,)``, or ``(B, T)`` where the items of a batch are of different stages.

    Returns
    -------
    dict
        ``"loss"``, and its parts ``"ssim"`` (one minus the weighted mean) and ``"mse"`` (the mean).
    """
    seen, weights = seen.float(), weights.to(seen.device)
    apart = weights * (1 - ssim(seen, shown, settings.ssim_window))
    squared = (seen - shown).square()
    parts = {"ssim": apart.sum() / weights.expand_as(apart).sum(), "mse": squared.mean()}
    if settings.loss == "paper":
        return {"loss": apart.sum(1).mean() + squared.flatten(1).sum(1).mean(), **parts}
    return {"loss": parts["ssim"] + parts["mse"], **parts}
