"""What a training of image to ECoG is told, as published and small."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from calibration.image2ecog.objective import LAMBDA
from calibration.sections import Section

Model = Literal["classification-regressor", "end-to-end"]
MODELS: tuple[Model, ...] = ("end-to-end", "classification-regressor")


class Image2EcogSettings(Section):
    """One training; the defaults are the paper's where it says, except that no tested image is trained on.

    Parameters
    ----------
    model
        Whether the backbone learns from responses, or to tell categories before the regressor learns from it.
    head
        A wave of each channel, or its mean over `span`.
    span
        Seconds from the event, of the scalar head; None for all of the epoch.
    size, conv, pool, hidden, dropout
        Of the network; see `models.image2ecog`.
    finetune
        Go on training the backbone with the regressor. The paper reuses it "intact".
    classifier_images
        What the classifier learns from: the images of the ``"train"`` trials, or ``"all"``, tested ones among them.
    classifier_epochs
        Of the first stage.
    split
        Between things that images show (``"image"``), or between ``"trial"`` and trial as published: with tens of
        images shown many times each, every tested image is then trained on.
    parts, fold
        Trials or things are dealt into so many parts; part `fold` is tested, the next one picks the epoch. Ten give
        the published 80, 10 and 10 %; of things there are at most as many as the rarest category has.
    bad_sd
        Channels whose variance is so many deviations from the mean channel's are left out; judged on the training
        trials.
    channels
        Keep only so many channels, those of the highest signal to noise on the training trials; None for all.
    lambda_mse
        Weight of the squared error beside one less the correlation.
    patience
        Epochs without a better validation loss before it ends; the best ones' weights are kept.
    """

    model: Model = "classification-regressor"
    head: Literal["waveform", "scalar"] = "waveform"
    span: tuple[float, float] | None = None
    size: int = Field(224, ge=8)
    conv: tuple[int, ...] = Field((32, 64, 128), min_length=1)
    pool: int = Field(4, ge=1)
    hidden: tuple[int, ...] = (512, 256, 128)
    dropout: float = Field(0.3, ge=0, lt=1)
    finetune: bool = False
    classifier_images: Literal["train", "all"] = "train"
    classifier_epochs: int = Field(100, ge=1)
    split: Literal["image", "trial"] = "image"
    parts: int = Field(10, ge=3)
    fold: int = Field(0, ge=0)
    bad_sd: float = Field(3.0, gt=0)
    channels: int | None = Field(None, ge=1)
    lambda_mse: float = Field(LAMBDA, ge=0)
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(32, ge=2)
    lr: float = Field(1e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    patience: int = Field(10, ge=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _span_goes_with_values(self) -> Image2EcogSettings:
        if self.span is not None and (self.head != "scalar" or self.span[0] >= self.span[1]):
            raise ValueError(f"span = {list(self.span)} is for head 'scalar', and begins before it ends")
        return self


OF_THE_TRAINING = ("epochs", "batch_size", "lr", "betas", "patience", "seed")
"""Keys of a recipe's ``train`` that `Image2EcogSettings` has as well."""

PUBLISHED = Image2EcogSettings()

SMALL = Image2EcogSettings(
    size=32,
    conv=(8, 16, 32),
    pool=2,
    hidden=(128, 64),
    dropout=0.2,
    classifier_epochs=60,
    epochs=25,
    lr=1e-3,
    patience=6,
)
"""A few seconds of processor time for 450 trials of 22 channels and 100 samples."""
