"""What the feature loss looks through: VGG-19 with the weights in a file of yours, or filters that need none.

The paper's "layer 10" is the tenth convolution, conv4_2, before its ReLU, of pictures enlarged to 224 x 224 that are
not normalised as VGG was trained. Oriented filters are this project's stand-in, not the paper's: even and odd Gabors
of four orientations over luminance, and three colours, at three scales. A result says which of the two it was trained
with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from calibration.brain2pix.settings import Brain2PixSettings
from calibration.features.torchvision_encoders import MEAN, STD
from calibration.features.weights import digest, fill, read_state
from streamkit.errors import BadInput, require

SIDE, LAYERS = 224, 22
PREFIX = "features."
BESIDE = ("classifier.", *(f"features.{number}." for number in (23, 25, 28, 30, 32, 34)))
VGG, ORIENTED, NONE = "VGG-19 conv4_2", "oriented filters", "no feature loss"
FILE = "vgg19-dcbb9e9d.pth at https://download.pytorch.org/models"
SCALES, ORIENTATIONS, KERNEL = 3, 4, 7
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class FeatureTerm:
    """A feature loss, and what it is called.

    Attributes
    ----------
    look
        From pictures ``(B, 3, H, W)`` in [0, 1] to maps; None where there is no such loss.
    note
        What a result says of it.
    """

    name: str
    look: Callable[[Tensor], list[Tensor]] | None
    note: str

    def apart(self, made: Tensor, shown: Tensor) -> Tensor:
        """How far the maps of two batches of pictures are apart: mean absolute difference, a scalar."""
        if self.look is None:
            return made.new_zeros(())
        with torch.no_grad():
            wanted = self.look(shown)
        pairs = zip(self.look(made), wanted, strict=True)
        return torch.stack([(a - b).abs().mean() for a, b in pairs]).mean()


class Vgg(nn.Module):
    """VGG-19 up to its tenth convolution, before the ReLU."""

    def __init__(self, normalise: bool):
        super().__init__()
        models = require("torchvision.models", "features", "the feature loss")
        self.layers = models.vgg19(weights=None).features[:LAYERS].eval().requires_grad_(False)
        self.normalise = normalise
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` in [0, 1] to one map ``(B, 512, 28, 28)``."""
        self.to(pictures.device)
        pictures = pictures.expand(-1, 3, -1, -1)
        large = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return [self.layers((large - self.mean) / self.std if self.normalise else large)]


class Oriented(nn.Module):
    """Even and odd Gabors over luminance and the three colours, scale by scale; nothing is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bank", gabors())
        self.register_buffer("grey", torch.tensor(GREY)[None, :, None, None])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` in [0, 1] to two maps for every scale: orientations, and colours."""
        self.to(pictures.device)
        maps = []
        for _ in range(SCALES):
            grey = (pictures * self.grey).sum(1, keepdim=True)
            around = F.pad(grey, (KERNEL // 2,) * 4, mode="replicate")
            maps += [F.conv2d(around, self.bank), pictures]
            if min(pictures.shape[2:]) < 2 * KERNEL:
                break
            pictures = F.avg_pool2d(pictures, 2)
        return maps


def gabors() -> Tensor:
    """``(2 x orientations, 1, 7, 7)`` of mean 0; the absolute weights of each add up to 2."""
    reach = KERNEL // 2
    along = torch.arange(-reach, reach + 1, dtype=torch.float32)
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    envelope = torch.exp(-(rows**2 + columns**2) / (2 * 1.6**2))
    bank = []
    for number in range(ORIENTATIONS):
        angle = math.pi * number / ORIENTATIONS
        phase = 2 * math.pi * (columns * math.cos(angle) + rows * math.sin(angle)) / 5.0
        for wave in (phase.cos(), phase.sin()):
            each = envelope * wave
            each = each - envelope * each.sum() / envelope.sum()
            bank.append(2 * each / each.abs().sum())
    return torch.stack(bank)[:, None]


def feature_term(settings: Brain2PixSettings) -> FeatureTerm:
    """The feature loss that settings ask for.

    Raises
    ------
    BadInput
        For a weight file that is not there, or is that of another network.
    """
    if settings.features == "none":
        return FeatureTerm(NONE, None, NONE)
    if settings.features == "vgg19" and settings.weights:
        return vgg(Path(settings.weights), settings.vgg_normalise)
    why = f"; the paper's {VGG} was not run: no weights were given ({FILE})" if settings.features == "vgg19" else ""
    return FeatureTerm(ORIENTED, Oriented(), f"feature loss: {ORIENTED}, which need no weights{why}")


def vgg(file: Path, normalise: bool) -> FeatureTerm:
    """VGG-19 with the weights of a file."""
    if not file.is_file():
        raise BadInput(
            f"the weights {file} of VGG-19 are no file: give one as published ({FILE}), or leave `weights` out for "
            "oriented filters"
        )
    network = Vgg(normalise)
    fill(network.layers, read_state(file), PREFIX, BESIDE, f"the weights {file} of VGG-19")
    how = "normalised as VGG was trained" if normalise else "pictures not normalised, as published"
    return FeatureTerm(VGG, network, f"feature loss: {VGG}, {how}, {file.name} sha256:{digest(file)[:12]}")
