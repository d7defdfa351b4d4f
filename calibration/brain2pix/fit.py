"""Train Brain2Pix and its network baselines, and paint with what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.features import feature_term
from calibration.brain2pix.fields import estimate
from calibration.brain2pix.material import Movie, Rows
from calibration.brain2pix.objective import Adversaries, Losses, Past, columns, watch_of
from calibration.brain2pix.retina import pixels_of, shuffled, synthetic, through_fisheye
from calibration.brain2pix.scaling import LEAST, Values, scale_of, scaled, scaled_by_run
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.fit import in_batches
from calibration.training.batches import tensor_of
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from models.brain2pix_readin import NOWHERE
from models.fisheye import resampled
from streamkit.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 256
"""Windows that are cut out of a film together."""
PLACED = ("fixed", "learned")
"""Networks that are told where voxels look."""


@dataclass(frozen=True)
class Fitted:
    """A trained network, in evaluation mode, with everything that was fitted with it.

    Attributes
    ----------
    network
        What builds it.
    voxels
        ``(n_voxels,)`` columns of the films that it reads.
    pixel
        ``(n_voxels,)`` where each of them looks, as the network was told.
    mean, std
        ``(n_voxels,)`` over the training volumes; 0 and 1 where voxels were scaled otherwise.
    note
        What a result says of the feature loss.
    """

    model: nn.Module
    network: Network
    history: History
    settings: Brain2PixSettings
    voxels: Rows
    pixel: Rows
    mean: Values
    std: Values
    note: str

    def as_learnt(self, movie: Movie) -> Movie:
        """A film as the network was trained on one: its voxels, its scale, its fisheye, or what lies there instead."""
        return scaled(prepared(movie, self.settings).only(self.voxels), self.mean, self.std)

    def painted(self, movie: Movie) -> NDArray[np.float32]:
        """A picture for every window as the network paints it, through the fisheye if it was trained so."""
        learnt = self.as_learnt(movie)
        places = (slice(at, at + AT_ONCE) for at in range(0, len(movie), AT_ONCE))
        return np.concatenate([in_batches(self.model, learnt.windows(place)) for place in places])

    def predict(self, movie: Movie) -> NDArray[np.float32]:
        """A picture for every window, made straight: ``(n, 3, height, width)`` in [0, 1], as films have them."""
        pictures = self.painted(movie)
        return resampled(pictures, back=True) if self.settings.fisheye else pictures


def fit_brain2pix(
    train: Movie,
    validation: Movie | None,
    settings: Brain2PixSettings,
    *,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train on a film; the epoch with the lowest feature loss on `validation` is kept, without one the last.

    Parameters
    ----------
    loop
        Further keys of `LoopSettings`, such as ``accelerator`` and ``precision``.
    checkpoint
        Where the training can be taken up again.

    Raises
    ------
    BadInput, ConfigError
        When settings and films do not go together.
    """
    train = train.first_runs(settings.share)
    about: dict[str, Any] = {"train": train, "validation": validation}
    if settings.fields == "estimated":
        train = with_estimated(train, validation, settings, loop or {}, checkpoint, progress)
    train = prepared(train, settings)
    pixel = placed(train, settings)
    voxels = np.flatnonzero(pixel != NOWHERE)
    mean, std = scale_for(train, settings)
    pixel, mean, std = pixel[voxels], mean[voxels], std[voxels]
    term, learnt = feature_term(settings), scaled(train.only(voxels), mean, std)
    watched = None if validation is None else scaled(prepared(validation, settings).only(voxels), mean, std)
    both = [learnt] if watched is None else [learnt, watched]
    stacks = {name: tensor_of(np.concatenate([getattr(each, name) for each in both])) for name in ("voxels", "frames")}
    losses = Losses(**stacks, n_lags=learnt.n_lags, settings=settings, term=term)
    network = network_of(settings, learnt, pixel)
    pair = adversaries(settings, network.build(settings.seed), learnt)
    about |= {"settings": settings.model_dump(exclude={"weights"}), "pixel": pixel}
    about["weights"] = term.look if settings.weights else None  # by what the file holds, not by where it lies
    before = (len(learnt.voxels), len(learnt.frames))
    history = train_in_place(
        pair,
        losses.turns(),
        columns(learnt),
        loop_settings(settings, watched is not None, loop or {}),
        validation=None if watched is None else watch_of(losses, watched, *before),
        about=about,
        checkpoint=checkpoint,
        progress=progress,
    )
    note = note_of(settings, term.note)
    return Fitted(pair.network.eval(), network, history, settings, voxels, pixel, mean, std, note)


def with_estimated(
    train: Movie,
    validation: Movie | None,
    settings: Brain2PixSettings,
    loop: Mapping[str, Any],
    checkpoint: Path | None,
    progress: Progress | None,
) -> Movie:
    """The training film with the places that it and the validation runs tell themselves."""
    if validation is None or settings.synthetic:
        raise ConfigError(
            "fields = 'estimated' needs validation runs, and goes without synthetic = true: estimated places are not "
            "those of another film's table"
        )
    keys = {key: value for key, value in loop.items() if key in ("accelerator", "precision", "deterministic")}
    beside = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-fields")
    estimation = settings.estimation.but(seed=settings.seed)
    found = estimate(train, validation, estimation, loop=keys, checkpoint=beside, progress=progress)
    return replace(train, centre=found.centre)


def prepared(movie: Movie, settings: Brain2PixSettings) -> Movie:
    """The regions and the fisheye of settings, and run by run scaling; in synthetic mode what lies under the pixels."""
    movie = movie.only(movie.columns(settings.regions)) if settings.regions else movie
    movie = through_fisheye(movie) if settings.fisheye else movie
    if settings.synthetic:
        return synthetic(movie, pixels_of(movie, settings.axes))
    return scaled_by_run(movie) if settings.scaling == "run" else movie


def placed(movie: Movie, settings: Brain2PixSettings) -> Rows:
    """``(n_voxels,)`` the pixel of every voxel as the network is told; baselines read all voxels and are told none."""
    if settings.network not in PLACED:
        return np.zeros(len(movie.region), np.intp)
    pixel = pixels_of(movie, settings.axes)
    return pixel if settings.placed == "table" else shuffled(pixel, movie.region, settings.seed)


def scale_for(train: Movie, settings: Brain2PixSettings) -> tuple[Values, Values]:
    """Mean and deviation of every voxel that it is scaled by, ``(n_voxels,)`` each.

    What lies under a pixel has one mean and deviation for all: scaled by its own, a place that is often bright would
    look as dark as any other.
    """
    n_voxels = len(train.region)
    if settings.synthetic:
        mean, std = float(train.voxels.mean(dtype=np.float64)), float(train.voxels.std(dtype=np.float64))
        return np.full(n_voxels, mean, np.float32), np.full(n_voxels, max(std, LEAST), np.float32)
    if settings.scaling == "train":
        return scale_of(train)
    return np.zeros(n_voxels, np.float32), np.ones(n_voxels, np.float32)


def network_of(
    settings: Brain2PixSettings, movie: Movie, pixel: Rows, sfreq: float = 1 / 0.7, unwarp: bool = False
) -> Network:
    """Name and arguments of the network that these settings ask for, for films like this one.

    Parameters
    ----------
    unwarp
        What it paints is made straight, as live decoding shows it.
    """
    sizes = {"n_chans": len(movie.region), "n_times": movie.n_lags, "out_shape": list(movie.out_shape), "sfreq": sfreq}
    painter = {"widths": list(settings.widths), "momentum": settings.momentum}
    if settings.network in PLACED:
        counts = movie.counts
        if np.any(movie.region != np.repeat(movie.regions, counts)):
            raise BadInput("the voxels of a region do not follow each other: sort them by region")
        places = {"regions": counts, "pixel": pixel.tolist(), "learned": settings.network == "learned"}
        return Network("brain2pix", {**sizes, **places, **painter, "unwarp": unwarp})
    if settings.network == "shen":
        images = {"rank": settings.rank, "n_images": len(movie.regions) * movie.n_lags}
        return Network("brain2pix_shen", {**sizes, **images, **painter, "unwarp": unwarp})
    return Network("brain2pix_dense", {**sizes, "hidden": list(settings.hidden), "unwarp": unwarp})


def adversaries(settings: Brain2PixSettings, network: nn.Module, movie: Movie) -> Adversaries:
    """The network with its discriminator, whose weights are drawn by the seed as well."""
    n_images = 0 if settings.network == "dense" else len(movie.regions) * movie.n_lags
    colours, *sides = movie.out_shape
    if min(sides) // 2 ** (len(settings.d_widths) - 1) < 2:
        raise ConfigError(
            f"d_widths of {len(settings.d_widths)} layers and frames of {sides[0]} x {sides[1]} were given: nothing is "
            "left of a frame halved so often; give fewer d_widths"
        )
    args = {"n_in": n_images, "colours": colours, "widths": list(settings.d_widths), "momentum": settings.momentum}
    judge = Network("brain2pix_discriminator", args).build(settings.seed + 1)
    size = settings.history if settings.adversarial else 0
    return Adversaries(network, judge, Past(size, n_images, movie.out_shape))


def loop_settings(settings: Brain2PixSettings, watched: bool, further: Mapping[str, Any]) -> LoopSettings:
    """Adam at one rate, no early stop."""
    keys: dict[str, Any] = {
        **settings.model_dump(include={"epochs", "batch_size", "lr", "betas", "seed"}),
        "optimiser": "adam",
        "weight_decay": 0.0,
        "schedule": "constant",
        "warm_up": 0.0,
        "clip": None,
        "patience": settings.epochs,
        "keep": "best" if watched else "last",
    }
    if further.get("devices", 1) > 1:
        raise ConfigError(
            "train.devices: Brain2Pix trains on one device, for what the discriminator was shown is the generator's "
            "next batch; leave it out"
        )
    return LoopSettings(**{**keys, **further})


def note_of(settings: Brain2PixSettings, feature: str) -> str:
    """What a result says of how its network was trained."""
    off = [name for name in ("adversarial", "feature", "pixel") if not getattr(settings, name)]
    parts = [feature, *(f"without the {name} loss" for name in off)]
    return "; ".join(parts)
