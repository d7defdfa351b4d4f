"""What every experiment is given beside the trained networks."""

from __future__ import annotations

from pydantic import Field

from calibration.mouse_v1.settings import CNN, GAN, DecoderSettings, FeatureSettings, LatentSettings
from calibration.sections import Section
from calibration.tables.experiment import Drawing


class Systems(Section):
    """Settings of the decoders that experiments train."""

    cnn: DecoderSettings = CNN
    gan: DecoderSettings = GAN
    latents: LatentSettings = LatentSettings()
    features: FeatureSettings = FeatureSettings()


class Plan(Drawing):
    """Sizes of the experiments; the defaults are the report's.

    Parameters
    ----------
    channels
        Of the GAN's read-in.
    data, neurons
        Shares of the training presentations, and of the neurons.
    n_way
        Candidates in identification.
    """

    channels: tuple[int, ...] = Field((64, 256, 480, 624, 864, 1028, 1256), min_length=1)
    data: tuple[float, ...] = Field((0.01, 0.05, 0.1, 0.25, 0.5, 1.0), min_length=1)
    neurons: tuple[float, ...] = Field((0.05, 0.1, 0.25, 0.5, 1.0), min_length=1)
    n_way: int = Field(20, ge=2)
