"""What a training of spikes to video is told, as published and small."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from calibration.sections import Section

Name = Literal["unet", "mlp", "shallow", "inverse"]
Pool = tuple[int, int, int]
Four = tuple[int, int, int, int]


class Spikes2VideoSettings(Section):
    """One training; the defaults are the paper's.

    Parameters
    ----------
    network
        The 3D U-Net, one of its baselines, or the inverse that predicts counts from clips.
    hidden, base, kernels, pools
        Of the U-Net: units of the spike decoder, feature maps, sizes of convolutions and pools. Frames are told apart
        by the convolutions behind one frame made many: of five, one of size 3 leaves the middle three alike, one of
        size 5 none. The published sizes leave frames 18 to 26 of 45 alike.
    norm
        Of the spike decoder and the MLP: a batch normalisation of every ``"bin"`` (published) or every ``"unit"``.
    mlp_hidden, channels
        Of the baselines.
    regions
        Only the sites of these regions are read (or predicted); all by default.
    scaling
        Of the counts: ``"standard"``, by mean and deviation of each site over training trials and bins; ``"none"``
        where that was done before.
    loss
        ``"normalised"`` (the authors' code) or ``"paper"``; see `calibration.spikes2video.objective`.
    eta
        What a frame counts for, by stage.
    ssim_window
        Side of the window of the structural similarity; 4 as published.
    optimiser, lr, step, gamma
        The rate is multiplied by `gamma` every `step` epochs. The paper has Adamax, its authors' code Adam.
    windows
        Of the streaming form: windows taken from each trial, ending at bins drawn by lot; 0 for all.
    """

    network: Name = "unet"
    hidden: int = Field(512, ge=2)
    base: int = Field(32, ge=1)
    kernels: Four = (7, 5, 3, 3)
    pools: tuple[Pool, Pool, Pool, Pool] = ((3, 2, 2), (3, 2, 2), (5, 2, 2), (1, 2, 2))
    norm: Literal["bin", "unit"] = "bin"
    mlp_hidden: tuple[int, int] = (512, 1024)
    channels: Four = (64, 32, 16, 8)
    regions: tuple[str, ...] = ()
    scaling: Literal["standard", "none"] = "standard"
    loss: Literal["normalised", "paper"] = "normalised"
    eta: tuple[float, float, float] = (1.0, 2.0, 5.0)
    ssim_window: int = Field(4, ge=1)
    optimiser: Literal["adamax", "adam"] = "adamax"
    lr: float = Field(0.01, gt=0)
    step: int = Field(3, ge=1)
    gamma: float = Field(0.85, gt=0, le=1)
    batch_size: int = Field(64, ge=2)
    epochs: int = Field(40, ge=1)
    windows: int = Field(0, ge=0)
    seed: int = Field(1233, ge=0)


PUBLISHED = Spikes2VideoSettings()

SMALL = Spikes2VideoSettings(
    hidden=256,
    base=16,
    kernels=(3, 3, 5, 3),
    pools=((3, 2, 2), (3, 2, 2), (5, 2, 2), (1, 1, 1)),
    mlp_hidden=(64, 128),
    channels=(16, 16, 8, 8),
    optimiser="adam",
    lr=0.003,
    batch_size=8,
    step=16,
    epochs=48,
    windows=6,
    seed=0,
)
"""For 640 trials of 140 sites and clips of 16 x 16 pixels, on a processor; the bottleneck is 2 x 2, as published."""
