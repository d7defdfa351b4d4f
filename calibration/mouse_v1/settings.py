"""What the trainings of mouse V1 are told, as published and small."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from calibration.sections import Section

Loss = Literal["mse", "mae", "ssim", "correlation"]
Decoder = Literal["cnn", "gan"]


class EncoderSettings(Section):
    """One training of an encoder; the defaults are the report's.

    Parameters
    ----------
    readout
        ``"gaussian"``, or the earlier ``"linear"``.
    layers, channels, kernel, hidden_kernel, pool
        Of the convolutions, see `models.v1_encoder`.
    smooth, sparse
        Weights of the roughness of the first filters, and of the absolute values of the readout.
    shift
        Pixels by which pictures are moved at random while it is trained, at most, edges repeated; none in the report.
    lr, gamma, plateau, decays, least
        The rate is multiplied by `gamma` when the validation score has not risen for `plateau` epochs, `decays` times
        at most and never below `least`.
    epochs, batch_size, seed
        Of the training. The epoch with the highest correlation on the validation pictures is kept.
    """

    readout: Literal["gaussian", "linear"] = "gaussian"
    layers: int = Field(4, ge=1)
    channels: int = Field(64, ge=1)
    kernel: int = Field(9, ge=1)
    hidden_kernel: int = Field(7, ge=1)
    pool: int = Field(4, ge=1)
    smooth: float = Field(6.3831, ge=0)
    sparse: float = Field(0.0076, ge=0)
    shift: int = Field(0, ge=0)
    lr: float = Field(0.009, gt=0)
    gamma: float = Field(0.3, gt=0, le=1)
    plateau: int = Field(5, ge=1)
    decays: int = Field(4, ge=0)
    least: float = Field(1e-4, ge=0)
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(128, ge=1)
    seed: int = Field(0, ge=0)


class MEISettings(Section):
    """How most exciting images are made; the defaults are the report's.

    Parameters
    ----------
    steps, lr
        Of plain gradient ascent on the predicted response.
    sigma
        Blur of every gradient, pixels.
    deviation, bound
        Every image is brought to a mean of 0 and this standard deviation after each step, and clipped.
    batch_size, seed
        Neurons at a time, and the noise it begins with.
    """

    steps: int = Field(1000, ge=1)
    lr: float = Field(1.0, gt=0)
    sigma: float = Field(1.0, ge=0)
    deviation: float = Field(0.15, gt=0)
    bound: float = Field(1.0, gt=0)
    batch_size: int = Field(128, ge=1)
    seed: int = Field(0, ge=0)


class InversionSettings(Section):
    """How an encoder is inverted; the defaults are those of the report's comparison.

    Parameters
    ----------
    steps, lr, sigma
        Of plain gradient descent. `lr` does not carry over from one encoder to another: choose it on validation
        pictures (`calibration.mouse_v1.inversion.choose`).
    start
        ``"noise"``, N(0, 1), or ``"zeros"``.
    rescale
        Bring every picture to a standard deviation of 1 after each step. The report does not say so, its code does it.
    batch_size, seed
        Pictures at a time, and the noise.
    """

    steps: int = Field(1000, ge=1)
    lr: float = Field(2000.0, gt=0)
    sigma: float = Field(1.0, ge=0)
    start: Literal["noise", "zeros"] = "noise"
    rescale: bool = True
    batch_size: int = Field(64, ge=1)
    seed: int = Field(0, ge=0)


class DecoderSettings(Section):
    """One training of the CNN or the GAN decoder; the defaults are the report's GAN, `CNN` is its CNN.

    Parameters
    ----------
    decoder
        Which.
    channels, kernels
        Of the core; of the CNN's transposed convolutions together with `strides` and `paddings`.
    unflatten, final
        Of the CNN, see `models.v1_cnn.V1CNN`. An empty `unflatten` is three maps of half the picture's size.
    readin, context, coordinates, transform, chunk
        Of the GAN's read-in, see `models.v1_gan.MEIReadIn`. Coordinates are where the encoder's readout looks.
    readin_dropout, dropout
        Shares that are dropped.
    critic, critic_kernels, critic_dropout
        Of the discriminator.
    loss
        What stands between a picture and the one shown: log SSIM, squared or absolute error, or (not the report's)
        squared error and one minus the correlation of pixels.
    adversarial, stimulus
        Weights of the discriminator's opinion and of `loss`; without the first there is no discriminator.
    label_noise
        Real is drawn from [1 - label_noise, 1], made from [0, label_noise].
    clip
        Every entry of the gradient of the core and of the discriminator stays within; 0 for no limit. The read-in has
        none.
    animals
        Names of the mice trained together; only the first one when empty.
    lr, weight_decay, epochs, batch_size, seed
        Of AdamW.
    select
        What picks the epoch on the validation pictures: ``"fid"`` is FID-64, which needs a weight file; without one,
        or with ``"ssim"``, it is the SSIM loss, and the history says so; ``"r"`` is the correlation of pixels.
    warm_start
        The CNN's read-in begins as ridge regression onto small copies of the pictures, every pixel with the mean and
        spread that it has there, not at random as published.
    """

    decoder: Decoder = "gan"
    channels: tuple[int, ...] = (480, 256, 256, 128, 64)
    kernels: tuple[int, ...] = (7, 5, 5, 3, 3)
    strides: tuple[int, ...] = (2, 1, 1, 1, 1)
    paddings: tuple[int, ...] = (2, 2, 2, 1, 1)
    unflatten: tuple[int, ...] = ()
    final: Literal["conv", "deconv"] = "conv"
    readin: int = Field(480, ge=1)
    context: tuple[int, int] = (8, 128)
    coordinates: bool = False
    transform: Literal["none", "log"] = "none"
    chunk: int = Field(512, ge=1)
    readin_dropout: float = Field(0.15, ge=0, lt=1)
    dropout: float = Field(0.35, ge=0, lt=1)
    critic: tuple[int, ...] = (256, 256, 128, 64, 64)
    critic_kernels: tuple[int, ...] = (7, 5, 3, 3, 3)
    critic_dropout: float = Field(0.3, ge=0, lt=1)
    loss: Loss = "ssim"
    adversarial: float = Field(0.1, ge=0)
    stimulus: float = Field(0.9, gt=0)
    label_noise: float = Field(0.05, ge=0, lt=0.5)
    clip: float = Field(1.0, ge=0)
    animals: tuple[str, ...] = ()
    lr: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.03, ge=0)
    epochs: int = Field(200, ge=1)
    batch_size: int = Field(16, ge=2)
    select: Literal["fid", "ssim", "r"] = "fid"
    warm_start: bool = False
    seed: int = Field(0, ge=0)


class LatentSettings(Section):
    """One training of the SD-VAE decoder's read-in.

    Parameters
    ----------
    readin, hidden, dropout, maps
        See `models.v1_sdvae.LatentReadIn`.
    lr, weight_decay, batch_size, epochs, patience, seed
        Of AdamW. The report tried rates from 1e-5 to 1 and does not say which it kept; epochs end early here.
    """

    readin: Literal["mlp", "ridge", "conv"] = "mlp"
    hidden: tuple[int, ...] = (4096, 2048, 1024)
    dropout: float = Field(0.5, ge=0, lt=1)
    maps: int = Field(16, ge=1)
    lr: float = Field(1e-5, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    batch_size: int = Field(256, ge=2)
    epochs: int = Field(200, ge=1)
    patience: int = Field(20, ge=1)
    seed: int = Field(0, ge=0)


class FeatureSettings(Section):
    """The two trainings of the ResNet50 decoder; the defaults are the report's.

    Parameters
    ----------
    side
        Pixels of a side of what the classifier is shown and the feature inverter paints: a multiple of 16.
    widths, refined
        Of the feature inverter, and `inverter_lr`, `inverter_decay`, `inverter_batch`, `inverter_steps` of its
        training.
    readin, readin_widths, dropout
        Of the read-in, and `lr`, `last`, `batch_size`, `epochs` of its training (Adam, half a cosine down to `last`).
    normalise
        ``"both"`` prepares pictures alike for both trainings; ``"faithful"`` gives the inverter ImageNet's
        normalisation and the read-in's targets none, as the report's code did: two different inputs of the same
        network.
    """

    side: int = Field(224, ge=32, multiple_of=16)
    widths: tuple[int, ...] = (768, 512, 384, 256)
    refined: tuple[tuple[int, int], ...] = ((128, 5), (64, 3), (32, 3), (16, 1))
    inverter_lr: float = Field(5e-5, gt=0)
    inverter_decay: float = Field(5e-3, ge=0)
    inverter_batch: int = Field(64, ge=2)
    inverter_steps: int = Field(500, ge=1)
    readin: int = Field(128, ge=1)
    readin_widths: tuple[int, ...] = (256, 512, 512)
    dropout: float = Field(0.1, ge=0, lt=1)
    lr: float = Field(0.0128, gt=0)
    last: float = Field(0.00256, gt=0)
    batch_size: int = Field(64, ge=2)
    epochs: int = Field(80, ge=1)
    normalise: Literal["both", "faithful"] = "both"
    seed: int = Field(0, ge=0)


ENCODER = EncoderSettings()
GAN = DecoderSettings()
CNN = GAN.but(decoder="cnn", kernels=(7, 5, 5, 4, 3), loss="mse", adversarial=0.0, stimulus=1.0, clip=0.0, seed=0)
MEIS = MEISettings()
INVERSION = InversionSettings()
STEPS, RATES, SIGMAS = (300, 1000, 2000), (100.0, 1000.0, 2000.0), (1.0, 1.5, 2.0, 2.5)
"""Of the report's search."""

SMALL_ENCODER = EncoderSettings(
    layers=3,
    channels=16,
    kernel=5,
    hidden_kernel=5,
    pool=2,
    smooth=0.5,
    sparse=0.002,
    epochs=15,
    batch_size=64,
)
SMALL_MEIS = MEISettings(steps=40, lr=2.0, batch_size=256)
SMALL_INVERSION = InversionSettings(steps=150, lr=300.0, batch_size=10)
SMALL_RATES, SMALL_STEPS, SMALL_SIGMAS = (100.0, 300.0, 1000.0), (50, 150), (1.0, 1.5)
SMALL_GAN = GAN.but(
    channels=(24, 16, 16, 12, 8),
    kernels=(5, 3, 3, 3, 3),
    readin=24,
    context=(4, 8),
    chunk=256,
    readin_dropout=0.0,
    dropout=0.05,
    critic=(16, 16, 12, 8, 8),
    critic_kernels=(5, 3, 3, 3, 3),
    critic_dropout=0.1,
    lr=2e-3,
    epochs=8,
    batch_size=32,
    select="ssim",
)
SMALL_CNN = CNN.but(channels=(48, 32, 24, 16, 12), dropout=0.1, lr=1e-3, epochs=15, batch_size=32, select="ssim")
SMALL_LATENTS = LatentSettings(hidden=(512, 256), dropout=0.2, lr=1e-3, batch_size=64, epochs=40, patience=8)
SMALL_FEATURES = FeatureSettings(
    side=64,
    widths=(256, 160, 96, 64),
    refined=((48, 5), (32, 3), (24, 3), (16, 1)),
    inverter_lr=1e-3,
    inverter_batch=16,
    inverter_steps=150,
    readin=32,
    readin_widths=(128, 128),
    epochs=10,
)
"""Small: for 2,000 units, 2,000 pictures of 18 x 32 pixels and two cores."""
