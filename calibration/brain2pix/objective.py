"""What the two networks make small: the discriminator what it takes for real, the generator three losses at once.

The discriminator: half the sum of its errors on a picture that was painted (``0``; an earlier one half of the time) and
one that was shown (``1``). The generator: 1 x its failure to be taken for real, 100 x the mean absolute difference of
features, 1 x that of pixels. So has the authors' code; the paper writes a Euclidean distance of features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from calibration.brain2pix.features import FeatureTerm
from calibration.brain2pix.material import Movie
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.training.batches import tensor_of

BATCH = 32


class Past(nn.Module):
    """Pictures painted in earlier batches with the images they were painted from; part of what a checkpoint keeps.

    Until it is full every pair is kept and given back as it came; then each is, half of the time, put in the place of
    an earlier one drawn by lot, which is given back instead.
    """

    def __init__(self, size: int, n_images: int, out_shape: tuple[int, int, int]):
        super().__init__()
        self.register_buffer("images", torch.zeros(size, n_images, *out_shape[1:]))
        self.register_buffer("pictures", torch.zeros(size, *out_shape))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def swap(self, images: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, n_images, H, W)`` and ``(B, 3, H, W)`` to as many pairs, new and old."""
        size = len(self.images)
        if not size:
            return images, pictures
        given = (images.float().clone(), pictures.float().clone())
        for row in range(len(images)):
            if (held := int(self.held)) < size:
                self.images[held], self.pictures[held] = given[0][row], given[1][row]
                self.held += 1
            elif torch.rand(()) < 0.5:
                at = int(torch.randint(size, ()))
                for kept, each in zip((self.images, self.pictures), given, strict=True):
                    each[row], kept[at] = kept[at].clone(), each[row].clone()
        return given


class Adversaries(nn.Module):
    """What is trained: the network that paints, what judges it, and what was painted before."""

    def __init__(self, network: nn.Module, discriminator: nn.Module, past: Past):
        super().__init__()
        self.network, self.discriminator, self.past = network, discriminator, past


class Painted(NamedTuple):
    """What a batch came to: images of where voxels look, the picture painted, and the frame shown."""

    images: Tensor
    picture: Tensor
    shown: Tensor


@dataclass
class Losses:
    """Losses of batches of windows, of which only places and frames travel.

    Attributes
    ----------
    voxels
        ``(n_volumes, n_voxels)`` scaled, of training and validation.
    frames
        uint8 ``(n_frames, 3, H, W)`` of both.
    """

    voxels: Tensor
    frames: Tensor
    n_lags: int
    settings: Brain2PixSettings
    term: FeatureTerm
    _painted: Painted | None = field(default=None, repr=False)

    def turns(self) -> dict[str, Any]:
        """The losses by the part that each changes, as the training loop takes them: the discriminator comes first."""
        both = {"discriminator": self.judging, "network": self.painting}
        return both if self.settings.adversarial else {"network": self.painting}

    def judging(self, pair: Adversaries, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Loss of the discriminator; what was painted for it is kept for `painting`, whose turn comes next."""
        self._painted = made = self.paint(pair, batch)
        images = made.images.detach()
        painted = pair.discriminator(*pair.past.swap(images, made.picture.detach()))
        real = pair.discriminator(images, made.shown)
        return {"loss": 0.5 * (error(painted, 0.0) + error(real, 1.0))}

    def painting(self, pair: Adversaries, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Loss of the network that paints, and its parts."""
        made, self._painted = self._painted, None
        if made is None or not torch.is_grad_enabled():
            made = self.paint(pair, batch)
        settings, parts = self.settings, self.apart(made)
        if settings.adversarial:
            parts["adversarial"] = error(pair.discriminator(made.images, made.picture), 1.0)
        weights = {"adversarial": settings.adversarial, "feature": settings.feature, "pixel": settings.pixel}
        return {"loss": torch.stack([weights[name] * value for name, value in parts.items()]).sum(), **parts}

    def watching(self, pair: Adversaries, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What picks the epoch: the feature loss, or that of pixels where there is none; the same for all variants."""
        parts = self.apart(self.paint(pair, batch))
        return {"loss": parts["pixel"] if self.term.look is None else parts["feature"], "pixel": parts["pixel"]}

    def apart(self, made: Painted) -> dict[str, Tensor]:
        """Feature and pixel loss of pictures."""
        picture, shown = made.picture.float(), made.shown
        return {"feature": self.term.apart(picture, shown), "pixel": (picture - shown).abs().mean()}

    def paint(self, pair: Adversaries, batch: dict[str, Tensor]) -> Painted:
        """Paint a batch of ``first`` volumes and rows of ``frame``."""
        device = batch["first"].device
        places = batch["first"].to(self.voxels.device)[:, None] + torch.arange(self.n_lags)
        windows = self.voxels[places].transpose(1, 2).contiguous().to(device)
        shown = self.frames[batch["frame"].to(self.frames.device)].to(device).float() / 255
        images, picture = painted_from(pair.network, windows)
        return Painted(images, picture, shown)


def painted_from(network: Any, windows: Tensor) -> tuple[Tensor, Tensor]:
    """The images a network makes of voxels, none where it makes none, and what it paints from them."""
    if not hasattr(network, "readin"):
        picture = network(windows)
        return picture[:, :0], picture
    images = network.readin(windows)
    return images, network.generator(images)


def error(logits: Tensor, wanted: float) -> Tensor:
    """Binary cross-entropy of logits that should all say the same."""
    logits = logits.float()
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))


def columns(movie: Movie, volumes: int = 0, frames: int = 0) -> dict[str, Any]:
    """Rows as the loop takes them; so many volumes and frames of others come before those of the film."""
    return {"first": movie.first.astype(np.int64) + volumes, "frame": movie.frame.astype(np.int64) + frames}


def watch_of(losses: Losses, movie: Movie, volumes: int, frames: int) -> Any:
    """What watches a training: mean over the frames of a film, in evaluation mode."""
    rows = {name: tensor_of(values) for name, values in columns(movie, volumes, frames).items()}

    def watch(pair: Adversaries) -> dict[str, float]:
        device, sums = next(pair.network.parameters()).device, {}
        with torch.no_grad():
            for at in range(0, len(movie), BATCH):
                part = {name: values[at : at + BATCH].to(device) for name, values in rows.items()}
                for name, value in losses.watching(pair, part).items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(part["first"])
        return {name: value / len(movie) for name, value in sums.items()}

    return watch
