"""What a training of Brain2Pix is told, as published and small."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from calibration.sections import Section

Name = Literal["fixed", "learned", "shen", "dense"]


class FieldsSettings(Section):
    """How receptive fields are estimated.

    Parameters
    ----------
    channels, pools
        Of the layers, see `models.receptive_fields`.
    frames
        Volumes that each volume is predicted from, itself the last.
    penalty
        On the weights of a voxel in space, added up: makes fields small.
    least
        Correlation on validation runs above which a voxel has a centre.
    """

    channels: tuple[int, ...] = Field((16, 16, 16), min_length=1)
    pools: tuple[int, ...] = (2, 2, 2)
    frames: int = Field(12, ge=1)
    penalty: float = Field(0.02, ge=0)
    least: float = 0.0
    lr: float = Field(1e-2, gt=0)
    batch_size: int = Field(32, ge=2)
    epochs: int = Field(20, ge=1)
    seed: int = Field(0, ge=0)


class Brain2PixSettings(Section):
    """One training; the defaults are the paper's.

    Parameters
    ----------
    network
        Receptive-field images ``"fixed"`` or ``"learned"``, or a baseline: ``"shen"``, ``"dense"``.
    widths, d_widths
        Feature maps of generator and discriminator, halving by halving.
    momentum
        Of the batch normalisations as torch counts it; the authors' framework calls .9 .1.
    rank, hidden
        Of the baselines.
    regions
        Only the voxels of these regions are read; all by default.
    fisheye
        Frames and receptive fields are magnified in the middle before anything is learnt.
    axes
        What the two numbers of a voxel's place index: ``"row-column"``, y the rows of a frame and x its columns, or
        ``"column-row"``, as the released code places them (the experiment ``orientation`` asks the data).
    placed
        Voxels look where they look, or where another voxel of their region does (``"shuffled"``, a control).
    fields, estimation
        Places as they come with the data (``"table"``), or ``"estimated"`` from the training and validation runs first.
    synthetic
        The network is given what lies under each voxel's pixel instead of the voxel: whether it could work at all.
    scaling
        Of the voxels: ``"train"``, mean and deviation over all training volumes; ``"run"``, those of every run by
        itself, as published for training, which no live decoder can have; ``"none"`` where that was done before.
        In synthetic mode all of them have one mean and one deviation.
    features, weights, vgg_normalise
        What the feature loss looks through: ``"vgg19"`` up to its tenth convolution with the weights in a file of
        yours (without one, oriented filters take its place, and the result says so), ``"oriented"`` filters, or
        ``"none"``; and whether pictures are normalised for VGG, which the authors' code does not do.
    adversarial, feature, pixel
        Weights of the generator's three losses.
    history
        Pictures of earlier batches that the discriminator is shown again; 0 for none.
    share
        Part of the training runs, the first ones.
    """

    network: Name = "fixed"
    widths: tuple[int, ...] = Field((64, 128, 256, 512, 512), min_length=1)
    d_widths: tuple[int, ...] = Field((64, 128, 256, 512), min_length=2)
    momentum: float = Field(0.9, gt=0, le=1)
    rank: int = Field(256, ge=1)
    hidden: tuple[int, ...] = (1475, 100, 1475)
    regions: tuple[str, ...] = ()
    fisheye: bool = True
    axes: Literal["row-column", "column-row"] = "row-column"
    placed: Literal["table", "shuffled"] = "table"
    fields: Literal["table", "estimated"] = "table"
    estimation: FieldsSettings = FieldsSettings()
    synthetic: bool = False
    scaling: Literal["train", "run", "none"] = "train"
    features: Literal["vgg19", "oriented", "none"] = "vgg19"
    weights: str = ""
    vgg_normalise: bool = False
    adversarial: float = Field(1.0, ge=0)
    feature: float = Field(100.0, ge=0)
    pixel: float = Field(1.0, ge=0)
    history: int = Field(50, ge=0)
    share: float = Field(1.0, gt=0, le=1)
    lr: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    batch_size: int = Field(8, ge=2)
    epochs: int = Field(50, ge=1)
    seed: int = Field(0, ge=0)


PUBLISHED = Brain2PixSettings()
"""With FixedRF; LearnedRF was trained in batches of 12, and the paper's main runs went on for up to 1000 epochs."""

SMALL_FIELDS = FieldsSettings(channels=(6, 6, 6), pools=(2, 2, 1), frames=10, epochs=12)

SMALL = Brain2PixSettings(
    widths=(16, 32, 64, 64),
    d_widths=(16, 32, 64),
    momentum=0.1,
    rank=32,
    hidden=(128, 32, 128),
    estimation=SMALL_FIELDS,
    lr=5e-4,
    batch_size=16,
    epochs=16,
)
"""For 1,800 frames of 32 x 32 pixels and 1,350 voxels, on a processor."""
