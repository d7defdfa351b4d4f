"""What the 3D U-Net is held against: networks that see one bin at a time.

Parameters for 140 sites and 45 frames of 3 x 32 x 32: 3,746,484 of the MLP, 602,115 of the shallow CNN. The paper
gives the widths; that the last layer of the MLP has no batch normalisation, and where the two up-samplings of the CNN
sit, follow from the counts or are chosen here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from models.spikes2video import Norm, check_clip, clip_of, norm_of, on_sheet

MLP_HIDDEN = (512, 1024)
CNN_CHANNELS = (64, 32, 16, 8)


class Mlp(nn.Module):
    """Three linear layers for every bin: ``(B, n_sites, n_bins)`` to ``(B, C, n_frames, H, W)`` in [0, 1].

    Parameters
    ----------
    hidden
        Units of the two layers between.
    norm
        Of both, per bin (published) or per unit; per bin, it is tied to that many bins.
    """

    def __init__(
        self, n_sites: int, n_bins: int, clip: Sequence[int], hidden: Sequence[int] = MLP_HIDDEN, norm: Norm = "bin"
    ):
        super().__init__()
        check_clip(n_bins, clip)
        colours, _, *sides = clip
        layers: list[nn.Module] = []
        for n_in, n_out in zip((n_sites, *hidden), hidden, strict=False):
            layers += [nn.Linear(n_in, n_out), norm_of(norm, n_bins, n_out), nn.ReLU()]
        frame = (colours, *sides)
        self.layers = nn.Sequential(
            *layers, nn.Linear(hidden[-1], math.prod(frame)), nn.Sigmoid(), nn.Unflatten(2, frame)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_sites, n_bins)`` to ``(B, C, n_frames, H, W)``."""
        return self.layers(x.transpose(1, 2)).transpose(1, 2)


class ShallowCnn(nn.Module):
    """A linear layer and four small convolutions for every bin: ``(B, n_sites, n_bins)`` to ``(B, C, n_frames, H, W)``.

    Parameters
    ----------
    channels
        Feature maps of the linear layer, at a quarter of the frame's height and width, and of three convolutions.
    """

    def __init__(self, n_sites: int, n_bins: int, clip: Sequence[int], channels: Sequence[int] = CNN_CHANNELS):
        super().__init__()
        check_clip(n_bins, clip)
        colours, _, height, width = clip
        if height % 4 or width % 4:
            raise ValueError(f"frames of {height} x {width} were given, expected multiples of 4: two up-samplings by 2")
        first, second, third, fourth = channels
        low = (first, height // 4, width // 4)
        self.n_bins = n_bins
        self.readin = nn.Sequential(nn.Linear(n_sites, math.prod(low)), nn.Flatten(0, 1), nn.Unflatten(1, low))
        self.layers = nn.Sequential(
            *_block(first, second),
            *_block(second, third),
            _twice(),
            *_block(third, fourth),
            _twice(),
            nn.Conv2d(fourth, colours, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_sites, n_bins)`` to ``(B, C, n_frames, H, W)``."""
        frames = self.layers(self.readin(x.transpose(1, 2)))
        return frames.unflatten(0, (-1, self.n_bins)).transpose(1, 2)


def _block(n_in: int, n_out: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()


def _twice() -> nn.Upsample:
    return nn.Upsample(scale_factor=(2.0, 2.0), mode="bilinear")


def spikes2video_mlp(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    hidden: Sequence[int] = MLP_HIDDEN,
    norm: Norm = "bin",
    sheet: Sequence[int] | None = None,
) -> nn.Module:
    """MLP baseline; see `Mlp`, and `models.spikes2video.spikes2video` for `out_shape` and `sheet`."""
    return on_sheet(Mlp(n_chans, n_times, clip_of(out_shape, n_times, sheet), hidden, norm), sheet)


def spikes2video_shallow(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    channels: Sequence[int] = CNN_CHANNELS,
    sheet: Sequence[int] | None = None,
) -> nn.Module:
    """Shallow CNN baseline; see `ShallowCnn`, and `models.spikes2video.spikes2video` for `out_shape` and `sheet`."""
    return on_sheet(ShallowCnn(n_chans, n_times, clip_of(out_shape, n_times, sheet), channels), sheet)
