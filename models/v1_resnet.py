"""ResNet50 decoder of mouse V1: responses to features of a classifier, features back to pixels.

From the report "Decoding images from mouse V1" (EPFL, 2024). An up-sampler learns to paint grey pictures from the
1024 x 14 x 14 features in front of the third stage's skip connection (24,511,329 parameters); a read-in learns to
predict those features from responses (220,345,344 for 8,587 neurons). Both are trained apart and then chained.

The table of the report has 224 -> 112 in layers of stride 1, which is a slip: they keep 224, as its own notebook
asserts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

FEATURES = (1024, 14, 14)
WIDTHS = (768, 512, 384, 256)
"""Of the up-sampling layers: each doubles the side."""
REFINED = ((128, 5), (64, 3), (32, 3), (16, 1))
"""Channels and kernels of the layers behind them, which keep it."""
READIN, READIN_WIDTHS = 128, (256, 512, 512)
SLOPE = 0.1
SMALLEST = 1e-6
"""Weights of the read-in begin within this, as published."""


def _up(n_in: int, n_out: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(n_in, n_out, kernel, stride, padding), nn.BatchNorm2d(n_out), nn.LeakyReLU(SLOPE)
    )


class FeatureInverter(nn.Sequential):
    """Features ``(B, C, h, w)`` to pictures ``(B, colours, 16 h, 16 w)``; a sigmoid brings them between 0 and 1.

    Parameters
    ----------
    features
        Channels of the features.
    widths, refined
        Channels of the layers that double the side, and channels and kernels of those that keep it.
    """

    def __init__(
        self,
        features: int = FEATURES[0],
        colours: int = 1,
        widths: Sequence[int] = WIDTHS,
        refined: Sequence[Sequence[int]] = REFINED,
    ):
        layers, n_in = [], features
        for n_out in widths:
            layers.append(_up(n_in, n_out, 4, 2, 1))
            n_in = n_out
        for n_out, kernel in refined:
            layers.append(_up(n_in, n_out, kernel, 1, kernel // 2))
            n_in = n_out
        super().__init__(*layers, nn.ConvTranspose2d(n_in, colours, 1))


def _conv(n_in: int, n_out: int, kernel: int, last: bool = False) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2), nn.BatchNorm2d(n_out)]
    return layers if last else [*layers, nn.LeakyReLU(SLOPE)]


class FeatureReadIn(nn.Module):
    """Responses ``(B, n_neurons, n_times)`` to features ``(B, C, h, w)``.

    Parameters
    ----------
    features
        ``(C, h, w)``.
    readin
        Maps of the linear layer, which holds nearly all of the weights.
    widths
        Of the convolutions between; the first two have kernels of 5, the others of 1.
    smallest
        Weights begin within it, as published; None for PyTorch's own beginning.
    """

    def __init__(
        self,
        n_inputs: int,
        features: Sequence[int] = FEATURES,
        readin: int = READIN,
        widths: Sequence[int] = READIN_WIDTHS,
        dropout: float = 0.1,
        smallest: float | None = SMALLEST,
    ):
        super().__init__()
        channels, *side = features
        self.linear = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(n_inputs, readin * math.prod(side)),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (readin, *side)),
            nn.BatchNorm2d(readin),
        )
        layers: list[nn.Module] = []
        n_in = readin
        for number, n_out in enumerate(widths):
            layers += _conv(n_in, n_out, 5 if number < 2 else 1)
            n_in = n_out
        self.convs = nn.Sequential(*layers, *_conv(n_in, channels, 1, last=True))
        for layer in self.modules():
            if smallest is not None and isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.uniform_(layer.weight, -smallest, smallest)
                nn.init.zeros_(layer.bias)

    def forward(self, responses: Tensor) -> Tensor:
        """``(B, n_neurons, n_times)`` to ``(B, C, h, w)``."""
        return self.convs(self.linear(responses))


class ResnetDecoder(nn.Module):
    """Both, chained: responses ``(B, n_neurons, n_times)`` to pictures ``(B, colours, H, W)`` between 0 and 1."""

    def __init__(self, readin: FeatureReadIn, inverter: FeatureInverter):
        super().__init__()
        self.readin, self.inverter = readin, inverter

    def forward(self, responses: Tensor) -> Tensor:
        """``(B, n_neurons, n_times)`` to ``(B, colours, H, W)``."""
        return self.inverter(self.readin(responses)).sigmoid()


def v1_feature_inverter(
    features: Sequence[int] = FEATURES,
    colours: int = 1,
    widths: Sequence[int] = WIDTHS,
    refined: Sequence[Sequence[int]] = REFINED,
) -> FeatureInverter:
    """Up-sampler from features to pixels; see `FeatureInverter`."""
    return FeatureInverter(features[0], colours, widths, refined)


def v1_feature_readin(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    readin: int = READIN,
    widths: Sequence[int] = READIN_WIDTHS,
    dropout: float = 0.1,
) -> FeatureReadIn:
    """Responses to features; see `FeatureReadIn`. `out_shape` is that of the features."""
    return FeatureReadIn(n_chans * n_times, out_shape, readin, widths, dropout)


def v1_resnet(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    features: Sequence[int] = FEATURES,
    readin: int = READIN,
    readin_widths: Sequence[int] = READIN_WIDTHS,
    dropout: float = 0.1,
    widths: Sequence[int] = WIDTHS,
    refined: Sequence[Sequence[int]] = REFINED,
) -> ResnetDecoder:
    """The chain of both; see `ResnetDecoder`. It is filled with weights that were trained apart."""
    colours, height, width = out_shape
    double = 2 ** len(widths)
    if (height, width) != (features[1] * double, features[2] * double):
        raise ValueError(
            f"out_shape={tuple(out_shape)} was given for features of {features[1]} x {features[2]}, expected "
            f"{features[1] * double} x {features[2] * double}: each of {len(widths)} layers doubles the side"
        )
    reader = FeatureReadIn(n_chans * n_times, features, readin, readin_widths, dropout, smallest=None)
    return ResnetDecoder(reader, FeatureInverter(features[0], colours, widths, refined))
