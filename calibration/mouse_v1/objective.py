"""What the trainings make small.

::

    encoder         sqrt(n_train / B) sum(rate - response log rate)  +  6.3831 roughness of filters  +  .0076 |readout|
    generator       .1 mean (D(made) - 1)²  +  .9 mean -log((SSIM + 1) / 2)         (or squared, or absolute error)
    discriminator   .5 mean (D(shown) - u1)²  +  .5 mean (D(made) - u0)²            u1 in [.95, 1], u0 in [0, .05]

SSIM is that of pictures stretched from their darkest to their lightest pixel, each by itself; the errors are of
standardised pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.losses import pixel_correlation
from calibration.mouse_v1.settings import Loss
from calibration.ssim import ssim
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor

LEAST_RATE = 1e-12
LEAST_SSIM = 1e-6


def poisson(rates: Tensor, responses: Tensor) -> Tensor:
    """Negative log-likelihood of responses ``(B, n_neurons)`` under Poisson rates, summed, without what is constant."""
    return (rates - responses * (rates + LEAST_RATE).log()).sum()


def roughness(filters: Tensor) -> Tensor:
    """Energy of the Laplacian of filters ``(n, C, k, k)`` over their own; what lies beyond a filter's edge is 0."""
    torch = require("torch", "train", "calibration")
    laplacian = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]], device=filters.device)[None, None]
    planes = filters.flatten(0, 1)[:, None]
    edges = torch.nn.functional.conv2d(planes, laplacian, padding=1)
    return edges.square().sum() / planes.square().sum().clamp(min=LEAST_RATE)


def ssim_loss(made: Tensor, shown: Tensor) -> Tensor:
    """``(B,)`` one minus (SSIM + 1) / 2 of stretched pictures: 0 for the same picture, 1 for its opposite."""
    from models.v1_inversion import between_0_and_1

    return (1 - ssim(between_0_and_1(made), between_0_and_1(shown))) / 2


def stimulus_loss(made: Tensor, shown: Tensor, loss: Loss) -> Tensor:
    """What stands between pictures ``(B, C, H, W)`` and those shown, mean over the batch."""
    if loss == "mse":
        return (made - shown).square().mean()
    if loss == "mae":
        return (made - shown).abs().mean()
    if loss == "correlation":
        return (made - shown).square().mean() + 1 - pixel_correlation(made, shown).mean()
    return -(1 - ssim_loss(made, shown) + LEAST_SSIM).log().mean()


def fooled(opinion: Tensor) -> Tensor:
    """How far a discriminator's logits ``(B,)`` of made pictures are from 'real'."""
    return (opinion.sigmoid() - 1).square().mean()


def told_apart(real: Tensor, made: Tensor, noise: float) -> Tensor:
    """The discriminator's loss, from its logits ``(B,)`` of real and made pictures.

    Parameters
    ----------
    noise
        Labels are drawn that far from 1 and 0.
    """
    torch = require("torch", "train", "calibration")
    ones = 1 - noise * torch.rand_like(real)
    zeros = noise * torch.rand_like(made)
    return 0.5 * (real.sigmoid() - ones).square().mean() + 0.5 * (made.sigmoid() - zeros).square().mean()
