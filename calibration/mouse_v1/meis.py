"""Most exciting images: the picture to which an encoder predicts the strongest response of each neuron."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.mouse_v1.settings import MEISettings
from calibration.progress import Progress
from streamkit.errors import BadInput, require

if TYPE_CHECKING:
    from torch import Tensor, nn

TINY = 1e-8


def most_exciting(
    encoder: nn.Module, shape: tuple[int, int, int], settings: MEISettings, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Ascend the predicted response of every neuron from noise: ``(n_neurons, height, width)``.

    After every step each image has mean 0 and one deviation, and is clipped.

    Parameters
    ----------
    encoder
        Of one animal, in evaluation mode, with a Gaussian readout.
    shape
        ``(1, height, width)`` of a picture.

    Raises
    ------
    BadInput
        When pictures are not grey.
    """
    torch = require("torch", "train", "most exciting images")
    from models.v1_inversion import blurring

    if shape[0] != 1:
        raise BadInput(f"pictures of shape {shape} were given, expected grey ones, (1, height, width)")
    n_neurons = len(encoder.readout.bias)  # type: ignore[arg-type, union-attr]
    generator = torch.Generator().manual_seed(settings.seed)
    made = settings.deviation * torch.randn((n_neurons, *shape), generator=generator)
    blur = [blurring(size, settings.sigma) for size in shape[1:]]
    progress = progress or Progress()
    progress.begin("most exciting images", n_neurons)
    frozen = [(weight, weight.requires_grad) for weight in encoder.parameters()]
    for weight, _ in frozen:
        weight.requires_grad_(False)
    for at in range(0, n_neurons, settings.batch_size):
        rows = torch.arange(at, min(at + settings.batch_size, n_neurons))
        made[rows] = ascended(encoder, made[rows], rows, blur, settings)
        progress.at(int(rows[-1]) + 1)
    for weight, before in frozen:
        weight.requires_grad_(before)
    return made[:, 0].numpy()


def ascended(encoder: nn.Module, images: Tensor, rows: Tensor, blur: list[Tensor], settings: MEISettings) -> Tensor:
    """Images ``(n, 1, height, width)`` of the neurons `rows` after all steps."""
    torch = require("torch", "train", "most exciting images")
    down, across = blur
    for _ in range(settings.steps):
        images = images.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(own_response(encoder, images, rows).sum(), images)
        images = images + settings.lr * (down @ gradient @ across.T)
        images = images - images.mean((1, 2, 3), keepdim=True)
        deviation = images.square().mean((1, 2, 3), keepdim=True).sqrt()
        images = (images * (settings.deviation / (deviation + TINY))).clamp(-settings.bound, settings.bound)
    return images.detach()


def own_response(encoder: nn.Module, images: Tensor, rows: Tensor) -> Tensor:
    """``(n,)`` predicted response of neuron ``rows[i]`` to image i alone, not of all neurons to all images."""
    torch = require("torch", "train", "most exciting images")
    readout = encoder.readout
    maps = encoder.core(images)  # type: ignore[operator]
    at = readout.mu[rows].clamp(-1, 1)[:, None, None]  # type: ignore[index, union-attr]
    seen = torch.nn.functional.grid_sample(maps, at, align_corners=True)[..., 0, 0]
    said = (seen * readout.features[rows]).sum(1) + readout.bias[rows]  # type: ignore[index, union-attr]
    return torch.nn.functional.elu(said) + 1
