"""One step of an inverted encoder: a picture that is changed so that the encoder answers what was recorded.

The report "Decoding images from mouse V1" (EPFL, 2024) descends the squared error of the predicted responses by plain
gradient, blurs every gradient and brings every picture back to a standard deviation of 1. Graphs have no gradients, so
the way back through the encoder is written out here: it is made of the operators that the way there is made of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.v1_encoder import (
    CHANNELS,
    HIDDEN_KERNEL,
    KERNEL,
    LAYERS,
    Core,
    GaussianReadout,
    Separable,
    V1Encoder,
    v1_encoder,
)

REACH = 4
"""Standard deviations at which the blur is cut off."""
TINY = 1e-8


def blurring(size: int, sigma: float) -> Tensor:
    """``(size, size)`` Gaussian blur of a line of pixels, reflected at its ends; the identity for a sigma of 0."""
    if sigma < 0 or math.ceil(REACH * sigma) >= size:
        raise ValueError(f"sigma={sigma} was given for {size} pixels, expected 0 up to less than {size / REACH:g}")
    reach = math.ceil(REACH * sigma)
    weights = [math.exp(-(step**2) / (2 * sigma**2)) if step else 1.0 for step in range(-reach, reach + 1)]
    matrix = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for step, weight in enumerate(weights, -reach):
            column = abs(row + step)
            matrix[row][column if column < size else 2 * (size - 1) - column] += weight / sum(weights)
    return torch.tensor(matrix)


def unit_deviation(image: Tensor) -> Tensor:
    """Every picture ``(B, C, H, W)`` divided by its standard deviation over pixels; its mean is scaled with it."""
    mean = image.mean((1, 2, 3), keepdim=True)
    deviation = ((image - mean) * (image - mean)).mean((1, 2, 3), keepdim=True).sqrt()
    return image / (deviation + TINY)


def between_0_and_1(image: Tensor) -> Tensor:
    """Every picture ``(B, C, H, W)`` stretched from its darkest to its lightest pixel."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return (image - low) / (high - low + TINY)


class Update(nn.Module):
    """What becomes of a picture, given a gradient: blur, descend, rescale.

    Parameters
    ----------
    size
        ``(H, W)``.
    lr
        Length of a step, in multiples of the gradient. It does not carry over from one encoder to another.
    sigma
        Of the blur, in pixels; 0 for none.
    rescale
        Bring every picture back to a standard deviation of 1.
    """

    def __init__(self, size: Sequence[int], lr: float, sigma: float, rescale: bool = True):
        super().__init__()
        self.lr, self.rescale = lr, rescale
        self.register_buffer("down", blurring(size[0], sigma), persistent=False)
        self.register_buffer("across", blurring(size[1], sigma), persistent=False)

    def forward(self, image: Tensor, gradient: Tensor) -> Tensor:
        """``(B, C, H, W)`` twice to the same."""
        moved = image - self.lr * (self.down @ gradient @ self.across.T)
        return unit_deviation(moved) if self.rescale else moved


class InversionStep(nn.Module):
    """Picture ``(B, C, H, W)`` and responses ``(B, n_neurons, 1)`` to the next picture.

    Parameters
    ----------
    encoder
        With a Gaussian readout; it is used in evaluation mode whatever the mode of the step.
    shown
        Also return the next picture between 0 and 1, as a screen wants it.
    """

    def __init__(self, encoder: V1Encoder, update: Update, shown: bool = False):
        super().__init__()
        self.encoder, self.update, self.shown = encoder, update, shown

    def gradient(self, image: Tensor, responses: Tensor) -> Tensor:
        """Of the squared error, mean over neurons and summed over pictures, with respect to the picture."""
        core, readout = self.encoder.core, self.encoder.readout
        maps, places = passed(core, image), readout.places()
        before = (readout.fixed(maps[-1], places) * readout.features.T).sum(1) + readout.bias
        error = nn.functional.elu(before) + 1 - responses.flatten(1)
        back = 2 / error.shape[1] * error * slope(nn.functional.elu(before))
        return returned(core, maps, gathered_back(readout, back, places))

    def forward(self, image: Tensor, responses: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """One step."""
        after = self.update(image, self.gradient(image, responses))
        return (after, between_0_and_1(after)) if self.shown else after


def slope(elu: Tensor) -> Tensor:
    """Derivative of an exponential linear unit, from what it gave."""
    return elu.clamp(max=0) + 1


def passed(core: Core, image: Tensor) -> list[Tensor]:
    """Maps after each layer."""
    maps = []
    for conv, norm, elu in core.layers:
        image = elu(_normalised(norm, conv(image)))
        maps.append(image)
    return maps


def _normalised(norm: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    return nn.functional.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def returned(core: Core, maps: list[Tensor], gradient: Tensor) -> Tensor:
    """The gradient with respect to the picture, from that with respect to the last maps."""
    for (conv, norm, _), each in zip(reversed(core.layers), reversed(maps), strict=True):
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        gradient = gradient * slope(each) * scale[:, None, None]
        for one in reversed(conv) if isinstance(conv, Separable) else (conv,):
            gradient = transposed(one, gradient)
    return gradient


def transposed(conv: nn.Conv2d, gradient: Tensor) -> Tensor:
    """The gradient in front of a convolution of stride 1, plain or of single maps, from that behind it.

    A convolution with the mirrored kernel: of transposed ones of single maps a runtime was found to make something
    else.
    """
    weight = conv.weight.flip(2, 3)
    weight = weight.transpose(0, 1) if conv.groups == 1 else weight
    padding = [size - 1 - pad for size, pad in zip(conv.kernel_size, conv.padding, strict=True)]
    return nn.functional.conv2d(gradient, weight, padding=padding, groups=conv.groups)


def gathered_back(readout: GaussianReadout, gradient: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
    """From ``(B, n_neurons)`` to the maps ``(B, channels, height, width)`` that neurons look at."""
    weighted = gradient[:, None] * readout.features.T
    return (weighted @ readout.sampling(places)).unflatten(2, (readout.height, readout.width))


def v1_inversion_step(
    n_chans: int,
    n_times: int = 1,
    out_shape: Sequence[int] = (1, 36, 64),
    lr: float = 2000.0,
    sigma: float = 1.0,
    rescale: bool = True,
    channels: int = CHANNELS,
    kernel: int = KERNEL,
    hidden_kernel: int = HIDDEN_KERNEL,
    layers: int = LAYERS,
    shown: bool = False,
) -> InversionStep:
    """One step of an inverted encoder; see `InversionStep`, `Update` and `models.v1_encoder.v1_encoder`.

    The defaults of `lr` and `sigma` are those of the report's comparison.
    """
    if n_times != 1:
        raise ValueError(f"n_times={n_times} was given, expected 1: the encoder predicts one number per neuron")
    encoder = v1_encoder(n_chans, out_shape, channels, kernel, hidden_kernel, layers)
    return InversionStep(encoder, Update(out_shape[1:], lr, sigma, rescale), shown)
