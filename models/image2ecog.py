"""From an image to the ECoG it evokes: a convolutional backbone, then a regressor of three hidden layers.

The paper gives the layers (three convolutions with batch norm and pooling; hidden layers of 512, 256 and 128 with GELU,
layer norm and dropout 0.3) and leaves open the widths of the convolutions, what is pooled before the vector, and
whether a channel's answer is one value or a wave. Here: 32, 64 and 128 filters of 3 x 3, average pooling to 4 x 4, and
either. At 224 x 224 pixels 3,372,800 parameters for waves of 80 channels x 200 samples, 1,319,120 for 80 values.

Both of its models are this network. End to end, all of it learns from the responses; in the classification-regressor
the backbone first learns to tell categories (`ImageClassifier`), and the regressor from what it then sees.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, by which images are standardised."""
CONV, POOL, HIDDEN, DROPOUT = (32, 64, 128), 4, (512, 256, 128), 0.3


class ImageBackbone(nn.Module):
    """Images ``(B, 3, size, size)`` in [0, 1] to ``(B, conv[-1] * pool²)``.

    Parameters
    ----------
    conv
        Filters of each block: 3 x 3 convolution, batch norm, GELU, max pooling by 2.
    pool
        Side that is left by the average pooling behind the last block.
    """

    def __init__(self, size: int = 224, conv: Sequence[int] = CONV, pool: int = POOL):
        super().__init__()
        left = size // 2 ** len(conv)
        if left < pool or left % pool:
            raise ValueError(
                f"size={size} leaves {left} pixels a side behind {len(conv)} poolings, which cannot be averaged to "
                f"pool={pool}: take a size that is a multiple of {pool * 2 ** len(conv)}"
            )
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.blocks = nn.Sequential(*(block(*pair) for pair in itertools.pairwise((3, *conv))))
        self.pool = nn.Sequential(nn.AvgPool2d(left // pool), nn.Flatten())  # adaptive, at this size
        self.n_features = conv[-1] * pool * pool

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, size, size)`` to ``(B, n_features)``."""
        return self.pool(self.blocks((images - self.mean) / self.std))


def block(n_in: int, n_out: int) -> nn.Sequential:
    """Convolution, batch norm, GELU, half the side."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.GELU(), nn.MaxPool2d(2))


class Regressor(nn.Sequential):
    """Features ``(B, n_features)`` to ``(B, *out_shape)``: hidden layers of linear, GELU, layer norm, dropout."""

    def __init__(self, n_features: int, out_shape: Sequence[int], hidden: Sequence[int] = HIDDEN, dropout: float = 0.3):
        widths = (n_features, *hidden)
        layers = [
            nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.LayerNorm(b), nn.Dropout(dropout))
            for a, b in itertools.pairwise(widths)
        ]
        head = nn.Sequential(nn.Linear(widths[-1], math.prod(out_shape)), nn.Unflatten(1, tuple(out_shape)))
        super().__init__(*layers, head)


class Image2Ecog(nn.Module):
    """Images to the signal of every channel.

    Parameters
    ----------
    size, conv, pool
        See `ImageBackbone`.
    out_shape
        ``(n_chans, n_times)`` for waves, ``(n_chans,)`` for values.
    hidden, dropout
        Of the regressor.
    flat
        Take images as rows of ``3 * size²`` numbers.

    Attributes
    ----------
    offset, scale
        ``(n_chans, 1)`` or ``(n_chans,)``: what turns standardised answers into the unit of the signal; 0 and 1 at
        first.
    """

    def __init__(
        self,
        out_shape: Sequence[int],
        size: int = 224,
        conv: Sequence[int] = CONV,
        pool: int = POOL,
        hidden: Sequence[int] = HIDDEN,
        dropout: float = DROPOUT,
        flat: bool = False,
    ):
        super().__init__()
        self.shape = nn.Unflatten(1, (3, size, size)) if flat else nn.Identity()
        self.backbone = ImageBackbone(size, conv, pool)
        self.regressor = Regressor(self.backbone.n_features, out_shape, hidden, dropout)
        per_channel = (out_shape[0], *(1 for _ in out_shape[1:]))
        self.register_buffer("offset", torch.zeros(per_channel))
        self.register_buffer("scale", torch.ones(per_channel))

    def standardised(self, images: Tensor) -> Tensor:
        """``(B, 3, size, size)`` to ``(B, *out_shape)`` in standard deviations of each channel."""
        return self.regressor(self.backbone(images))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, size, size)``, or ``(B, 3 * size²)``, to ``(B, *out_shape)`` in the unit of the signal."""
        return self.standardised(self.shape(images)) * self.scale + self.offset


class ImageClassifier(nn.Module):
    """The backbone with one linear layer that tells categories: ``(B, 3, size, size)`` to ``(B, n_classes)`` logits."""

    def __init__(self, n_classes: int, size: int = 224, conv: Sequence[int] = CONV, pool: int = POOL):
        super().__init__()
        self.backbone = ImageBackbone(size, conv, pool)
        self.head = nn.Linear(self.backbone.n_features, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, size, size)`` in [0, 1] to ``(B, n_classes)``."""
        return self.head(self.backbone(images))


class EpochShape(nn.Module):
    """What the shape of an epoch is: every channel less its mean over time, all of it of length 1, flat.

    The inner product of two of them is the correlation of what their channels do, so an epoch is found among predicted
    ones by it. It has no parameters.

    Parameters
    ----------
    scale
        ``(n_chans, 1)`` deviation of each channel, by which it is divided.
    """

    def __init__(self, scale: Tensor):
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, epoch: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, n_chans * n_times)``."""
        centred = ((epoch - epoch.mean(2, keepdim=True)) / self.scale).flatten(1)
        return centred / (centred.square().sum(1, keepdim=True).sqrt() + 1e-8)


def image2ecog(
    n_chans: int,
    n_times: int = 0,
    size: int = 224,
    conv: Sequence[int] = CONV,
    pool: int = POOL,
    hidden: Sequence[int] = HIDDEN,
    dropout: float = DROPOUT,
    flat: bool = False,
) -> Image2Ecog:
    """Image to waves ``(n_chans, n_times)``, or with ``n_times = 0`` to one value per channel; see `Image2Ecog`."""
    out_shape = (n_chans, n_times) if n_times else (n_chans,)
    return Image2Ecog(out_shape, size, conv, pool, hidden, dropout, flat)


def image2ecog_classifier(
    n_classes: int, size: int = 224, conv: Sequence[int] = CONV, pool: int = POOL
) -> ImageClassifier:
    """Image to categories, the first stage of the classification-regressor; see `ImageClassifier`."""
    return ImageClassifier(n_classes, size, conv, pool)
