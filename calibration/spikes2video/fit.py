"""Train the networks of spikes to video, and use what was trained on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.material import Rows, Trials
from calibration.spikes2video.objective import video_losses, weights_of
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.training.batches import tensor_of
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from calibration.upsampling import merge_upsampling
from streamkit.errors import BadInput, ConfigError, require

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.floating]
Counts = NDArray[np.float32]
BATCH = 32
BUILDERS = {"unet": "spikes2video", "mlp": "spikes2video_mlp", "shallow": "spikes2video_shallow"}
U_NET = ("hidden", "base", "kernels", "pools", "norm")


@dataclass(frozen=True)
class Fitted:
    """A trained network, in evaluation mode, with everything that was fitted with it.

    Attributes
    ----------
    mean, std
        ``(n_sites,)`` of the sites used, over training trials and bins; 0 and 1 where counts are not scaled.
    region
        ``(n_sites,)`` of each of them.
    sites
        ``(n_sites,)`` columns of the trials that they are.
    """

    model: nn.Module
    history: History
    settings: Spikes2VideoSettings
    mean: Counts
    std: Counts
    region: NDArray[np.str_]
    sites: Rows

    def standardised(self, X: Array) -> Counts:
        """Counts ``(n, n_bins, n_all_sites)`` as the network takes them: ``(n, n_sites, n_bins)``."""
        return standardised(X[:, :, self.sites], self.mean, self.std)

    def predict(self, X: Array, masked: Sequence[str] = ()) -> NDArray[np.float32]:
        """Clips for counts ``(n, n_bins, n_all_sites)``: ``(n, 3, n_frames, height, width)`` in [0, 1].

        Parameters
        ----------
        masked
            Regions whose sites are set to 0, their mean over training: what is lost is what the network relies on
            them for, which is not all that they know.
        """
        return self.answer(self.masked(self.standardised(X), masked))

    def masked(self, standard: Counts, regions: Sequence[str]) -> Counts:
        """Standardised counts with the sites of some regions at their mean.

        Raises
        ------
        BadInput
            For a region that the network does not read.
        """
        absent = [name for name in regions if name not in self.region]
        if absent:
            known = ", ".join(dict.fromkeys(self.region.tolist()))
            raise BadInput(f"region {absent[0]!r} cannot be masked: the network reads {known}")
        hidden = np.isin(self.region, list(regions))
        return np.where(hidden[None, :, None], np.float32(0), standard)

    def answer(self, standard: Counts) -> NDArray[np.float32]:
        """The network's answer to inputs as it takes them, in batches."""
        return in_batches(self.model, standard)

    def latent(self, X: Array) -> NDArray[np.float32]:
        """The narrowest place of the U-Net: ``(n, n_latent)``, 512 numbers as published.

        Raises
        ------
        BadInput
            When the network has none.
        """
        if self.settings.network != "unet":
            raise BadInput(f"network {self.settings.network!r} has no bottleneck, only 'unet' has")
        return in_batches(self.model.latent, self.standardised(X))  # type: ignore[arg-type]

    def predict_counts(self, video: Array) -> NDArray[np.float32]:
        """Of the inverse: counts for clips ``(n, 3, n_frames, height, width)``, in ``(n, n_bins, n_sites)``.

        Raises
        ------
        BadInput
            When the network is not the inverse.
        """
        if self.settings.network != "inverse":
            raise BadInput(f"network {self.settings.network!r} predicts clips, only 'inverse' predicts counts")
        return self.answer(np.ascontiguousarray(video, np.float32)).transpose(0, 2, 1) * self.std + self.mean


def fit_spikes2video(
    train: Trials,
    validation: Trials | None,
    settings: Spikes2VideoSettings,
    *,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train on trials; the epoch with the lowest loss on `validation` is kept, without one the last.

    Parameters
    ----------
    loop
        Further keys of `LoopSettings`, such as ``accelerator`` and ``precision``.
    checkpoint
        Where the training can be taken up again.
    """
    sites = train.sites(*settings.regions) if settings.regions else np.arange(train.size[1])
    used = train.only(sites)
    mean, std = scale_of(used.X) if settings.scaling == "standard" else unscaled(len(sites))
    model = fast(build(settings, used))
    videos = tensor_of(train.videos)
    history = train_in_place(
        model,
        partial(loss_of, videos=videos, weights=weights_of(train.stages, settings.eta), settings=settings),
        columns(used, mean, std),
        loop_settings(settings, validation is not None, loop or {}),
        validation=None if validation is None else columns(validation.only(sites), mean, std),
        about={"settings": settings, "videos": train.videos, "stages": train.stages},
        checkpoint=checkpoint,
        progress=progress,
    )
    return Fitted(as_built(model), history, settings, mean, std, used.region, sites)


def fast(model: nn.Module) -> nn.Module:
    """The same network in the form that trains fastest on a processor: the same numbers but for rounding."""
    contract = getattr(model, "contract", None)
    if contract is not None:
        contract.to(memory_format=require("torch", "train", "calibration").channels_last_3d)
    return merge_upsampling(model)


def as_built(model: nn.Module) -> nn.Module:
    """A trained network with its weights laid out as files have them, in evaluation mode."""
    return model.to(memory_format=require("torch", "train", "calibration").contiguous_format).eval()


def network_of(settings: Spikes2VideoSettings, n_bins: int, n_sites: int, clip: Sequence[int], sfreq: float) -> Network:
    """Name and arguments of the network that these settings ask for."""
    sizes: dict[str, Any] = {"n_chans": n_sites, "n_times": n_bins}
    u_net = settings.model_dump(include=set(U_NET), mode="json")
    if settings.network == "inverse":
        return Network("spikes2video_inverse", {**sizes, "clip": list(clip), **u_net})
    own = {
        "unet": u_net,
        "mlp": {"hidden": list(settings.mlp_hidden), "norm": settings.norm},
        "shallow": {"channels": list(settings.channels)},
    }[settings.network]
    return Network(BUILDERS[settings.network], {**sizes, "out_shape": list(clip), "sfreq": sfreq, **own})


def build(settings: Spikes2VideoSettings, trials: Trials) -> nn.Module:
    """Untrained network of these settings for trials like these, weights drawn by their seed.

    Raises
    ------
    ConfigError
        When it does not fit the trials.
    """
    n_bins, n_sites = trials.size
    if n_bins != trials.stages.n_frames:
        raise ConfigError(
            f"trials of {n_bins} bins and clips of {trials.stages.n_frames} frames were given, expected a frame for "
            f"every bin: count in bins of {trials.size[0] / trials.sfreq / trials.stages.n_frames:g} s"
        )
    return network_of(settings, n_bins, n_sites, trials.out_shape, trials.sfreq).build(settings.seed)


def loss_of(
    module: nn.Module, batch: dict[str, Tensor], videos: Tensor, weights: Tensor, settings: Spikes2VideoSettings
) -> dict[str, Tensor]:
    """Losses of a batch of ``X`` and the rows of `videos` that belong to it."""
    shown = videos[batch["shown"].to(videos.device)].to(batch["X"].device).float() / 255
    if settings.network == "inverse":
        return {"loss": (module(shown).float() - batch["X"]).square().mean()}
    return video_losses(module(batch["X"]), shown, weights, settings)


def columns(trials: Trials, mean: Counts, std: Counts) -> dict[str, NDArray[np.generic]]:
    """Rows as the loop takes them."""
    return {"X": standardised(trials.X, mean, std), "shown": np.asarray(trials.shown, np.int64)}


def loop_settings(settings: Spikes2VideoSettings, watched: bool, further: Mapping[str, Any]) -> LoopSettings:
    """Adamax (or Adam), a rate that falls in steps, no early stop."""
    keys: dict[str, Any] = {
        **settings.model_dump(include={"epochs", "batch_size", "lr", "optimiser", "step", "gamma", "seed"}),
        "weight_decay": 0.0,
        "schedule": "step",
        "warm_up": 0.0,
        "clip": None,
        "patience": settings.epochs,
        "keep": "best" if watched else "last",
    }
    return LoopSettings(**{**keys, **further})


def standardised(X: Array, mean: Counts, std: Counts) -> Counts:
    """Counts ``(n, n_bins, n_sites)`` to ``(n, n_sites, n_bins)`` of mean 0 and variance 1 as fitted."""
    return np.ascontiguousarray(((X - mean) / std).transpose(0, 2, 1), np.float32)


def scale_of(X: Array) -> tuple[Counts, Counts]:
    """Mean and deviation of each site over trials and bins; 1 for a site that never varies."""
    std = X.std((0, 1), dtype=np.float64)
    return X.mean((0, 1), dtype=np.float64).astype(np.float32), np.where(std > 1e-8, std, 1.0).astype(np.float32)


def unscaled(n_sites: int) -> tuple[Counts, Counts]:
    """Mean and deviation that change nothing."""
    return np.zeros(n_sites, np.float32), np.ones(n_sites, np.float32)


def in_batches(function: Callable[[Tensor], Tensor], rows: Array) -> NDArray[np.float32]:
    """A function of tensors over rows of an array, a few at a time."""
    torch = require("torch", "train", "calibration")
    rows = np.ascontiguousarray(rows, np.float32)
    with torch.inference_mode():
        parts = [function(torch.from_numpy(rows[at : at + BATCH])).numpy() for at in range(0, len(rows), BATCH)]
    return np.concatenate(parts)
