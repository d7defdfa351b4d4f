"""What a training of BrainAE is told, as published and small."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from calibration.brainae.objective import Weights
from calibration.sections import Section

Backbone = Literal["tsconv", "eegnet", "shallow_fbcsp", "deep4", "eegconformer"]
BACKBONES: tuple[Backbone, ...] = ("deep4", "shallow_fbcsp", "eegnet", "eegconformer", "tsconv")
"""In the order of the paper's table."""


class BrainAESettings(Section):
    """One training; the defaults are the paper's for EEG.

    Parameters
    ----------
    embedding, filters, kernel, pool, dropout
        Of the networks: width of the shared space, filters, samples of the temporal kernel and of the pool.
    backbone
        The brain encoder.
    decoder
        Transposed convolutions, or one linear layer.
    img_proj
        Between features and the shared space: ``"none"`` (the authors' code), ``"linear"`` and trained (the paper), or
        ``"auto"``, none where the features have `embedding` numbers. A trained one has a trivial answer to the feature
        loss, so the contrastive loss should count.
    out_act
        The published tanh keeps predictions in (-1, 1); ``"identity"`` is for responses that leave it.
    scaling
        Of the features: as they are (the authors' code), or ``"standard"``, each by its mean and deviation over the
        training images.
    tau, symmetric, weights
        Of the losses; see `calibration.brainae.objective`.
    validation
        Images held back to pick the epoch with the lowest total loss by, when the material has none of its own.
    """

    embedding: int = Field(1024, ge=2)
    filters: int = Field(40, ge=1)
    kernel: int = Field(26, ge=1)
    pool: int = Field(5, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    backbone: Backbone = "tsconv"
    decoder: Literal["conv", "linear"] = "conv"
    img_proj: Literal["auto", "none", "linear"] = "auto"
    out_act: Literal["tanh", "identity"] = "tanh"
    scaling: Literal["none", "standard"] = "none"
    weights: Weights = Weights()
    tau: float = Field(0.07, gt=0)
    symmetric: bool = True
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(800, ge=2)
    lr: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    validation: int = Field(740, ge=0)
    seed: int = Field(2023, ge=0)


PUBLISHED: dict[str, BrainAESettings] = {
    "eeg": BrainAESettings(),
    "meg": BrainAESettings(batch_size=600, validation=748, out_act="identity"),
    "mua": BrainAESettings(batch_size=100, validation=748, out_act="identity", seed=2024),
}
"""Size and training as published. MEG and MUA are z-scored and leave (-1, 1): the published tanh is one key away."""

SMALL = BrainAESettings(
    filters=8,
    kernel=11,
    dropout=0.25,
    out_act="identity",
    scaling="standard",
    epochs=15,
    batch_size=200,
    validation=100,
    seed=0,
)
"""About a minute of processor time for 2,000 pairs of 32 channels and 80 samples."""
