"""The SD-VAE decoder: responses to the latent of an image autoencoder, whose decoder paints.

The autoencoder is that of Stable Diffusion (diffusers' `AutoencoderKL`), from a folder that the user has, offline. Its
latent is the mean of the posterior of the picture, brought to 64 x 64 and to three equal colours in [-1, 1], times
0.18215.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.closed_form import ridge_raw
from calibration.features.images import coloured
from calibration.features.resample import resize
from calibration.generation.load import offline, open_whole
from calibration.mouse_v1.material import Animal
from calibration.mouse_v1.scaling import ResponseScale, response_scale
from calibration.mouse_v1.settings import LatentSettings
from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.fit import in_batches
from calibration.targets import GREY
from calibration.training.history import History
from calibration.training.kept import fingerprint_of
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from streamkit.errors import BadInput, ConfigError, did_you_mean, require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.v1_sdvae import LatentPainter

Array = NDArray[np.floating]
SIDE, SCALE = 64, 0.18215
AUTOENCODERS = {
    "sd-v1-4": (
        "https://huggingface.co/CompVis/stable-diffusion-v1-4, folder vae",
        "CreativeML OpenRAIL-M, which restricts some uses",
    ),
    "sd-vae-ft-mse": ("https://huggingface.co/stabilityai/sd-vae-ft-mse", "MIT, as its authors state"),
}
"""Where each is published, and under what."""


@dataclass(frozen=True)
class Autoencoder:
    """An open autoencoder.

    Attributes
    ----------
    vae
        diffusers' `AutoencoderKL`.
    side, scale
        Pixels of a side of what goes in, and the factor of a latent.
    """

    vae: nn.Module
    name: str = ""
    side: int = SIDE
    scale: float = SCALE

    def encode(self, images: Array) -> NDArray[np.float32]:
        """Pictures ``(n, 1 or 3, H, W)`` in [0, 1] to latents ``(n, 4, side / 8, side / 8)``."""
        pixels = 2 * coloured(resize(np.asarray(images, np.float32), (self.side, self.side))) - 1
        return in_batches(lambda x: self.scale * self.vae.encode(x).latent_dist.mean, pixels)  # type: ignore[operator, union-attr]

    @property
    def painter(self) -> LatentPainter:
        """From latents to colour pictures ``(n, 3, side, side)`` in [0, 1]."""
        from models.v1_sdvae import LatentPainter

        return LatentPainter(self.vae, self.scale)

    @cached_property
    def fingerprint(self) -> str:
        """The same for the same weights."""
        return fingerprint_of(self.vae)


def open_autoencoder(folder: Path | str, name: str = "sd-v1-4", *, accept_licence: bool = False) -> Autoencoder:
    """Load an autoencoder from the user's own folder, offline.

    Parameters
    ----------
    folder
        With ``config.json`` and ``diffusion_pytorch_model.safetensors``, as its authors publish it.
    name
        A key of `AUTOENCODERS`.
    accept_licence
        That you have read its licence and keep to it.

    Raises
    ------
    ConfigError
        For an unknown name, or where the licence is not accepted; names it.
    BadInput
        When files are missing, or are those of something else.
    """
    if name not in AUTOENCODERS:
        raise ConfigError(
            f"no autoencoder {name!r}.{did_you_mean(name, AUTOENCODERS)} There are {', '.join(AUTOENCODERS)}"
        )
    source, licence = AUTOENCODERS[name]
    if not accept_licence:
        raise ConfigError(f"{name} is under {licence} ({source}): read it, and accept it if you keep to it")
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"the autoencoder {name!r} needs the folder that its authors publish at {source} ({licence}), which "
            f"streamkit neither has nor fetches; {folder} has no config.json. Fetch it and give its path"
        )
    diffusers = require("diffusers", "generate", "an image autoencoder")
    try:
        with offline():
            vae = open_whole(diffusers.AutoencoderKL, Path(folder))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        why = str(error).strip().splitlines()[0]
        raise BadInput(
            f"{name} cannot be loaded from {folder}: {why}. Expected the whole folder of {source}"
        ) from error
    return Autoencoder(vae.eval(), name)


@dataclass(frozen=True)
class FittedLatents:
    """A trained read-in, in evaluation mode, and the autoencoder it goes with."""

    model: nn.Module
    history: History | None
    settings: LatentSettings
    responses: ResponseScale
    autoencoder: Autoencoder

    def latents(self, X: Array) -> NDArray[np.float32]:
        """Latents for responses ``(n, n_neurons)`` as measured."""
        return in_batches(self.model, self.responses(X)[:, :, None])

    def predict(self, X: Array, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """Grey pictures ``(n, 1, height, width)`` in [0, 1]."""
        return grey(in_batches(self.decoder, self.responses(X)[:, :, None]), shape)

    @property
    def decoder(self) -> nn.Module:
        """From scaled responses ``(B, n_neurons, 1)`` to colour pictures in [0, 1]."""
        torch = require("torch", "train", "calibration")
        chained: nn.Module = torch.nn.Sequential(self.model, self.autoencoder.painter)
        return chained


def grey(images: Array, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Pictures ``(n, C, H, W)`` in [0, 1] by luma at the size of ``(1, height, width)``."""
    plain = np.einsum("c,nchw->nhw", GREY, images)[:, None] if images.shape[1] == 3 else images
    return resize(np.ascontiguousarray(plain, np.float32), (shape[1], shape[2]))


def network_of(settings: LatentSettings, n_neurons: int, latent: tuple[int, ...]) -> Network:
    """Name and arguments of the read-in."""
    sizes: dict[str, Any] = {"n_chans": n_neurons, "n_times": 1, "out_shape": list(latent), "sfreq": 1.0}
    own = settings.model_dump(include={"readin", "hidden", "dropout", "maps"}, mode="json")
    return Network("v1_latent", {**sizes, **own})


def fit_latents(
    animal: Animal,
    autoencoder: Autoencoder,
    settings: LatentSettings,
    *,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FittedLatents:
    """Predict latents of training pictures; the epoch with the lowest error on validation pictures is kept.

    The ridge read-in is solved, its penalty picked by leave-one-out error, and has no history.
    """
    scale = response_scale(animal.train, "standard")
    latents = {part: autoencoder.encode(getattr(animal, part).images) for part in ("train", "validation")}
    model = network_of(settings, animal.train.n_neurons, latents["train"].shape[1:]).build(settings.seed)
    rows = {
        part: {"X": scale(own.X)[:, :, None], "y": latents[part][own.shown]}
        for part, own in (("train", animal.train), ("validation", animal.validation.by_image()))
    }
    if settings.readin == "ridge":
        solve(model, **rows["train"])
        return FittedLatents(model.eval(), None, settings, scale, autoencoder)
    keys: dict[str, Any] = {
        **settings.model_dump(include={"lr", "weight_decay", "batch_size", "epochs", "patience", "seed"}),
        "schedule": "constant",
        "warm_up": 0.0,
        "clip": None,
    }
    history = train_in_place(
        model,
        latent_loss,
        rows["train"],
        LoopSettings(**{**keys, **(loop or {})}),
        validation=rows["validation"],
        about={"settings": settings},
        checkpoint=checkpoint,
        progress=progress,
    )
    return FittedLatents(model.eval(), history, settings, scale, autoencoder)


def latent_loss(module: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean squared error of latents."""
    return {"loss": (module(batch["X"]).float() - batch["y"]).square().mean()}


def solve(model: Any, X: Array, y: Array) -> None:
    """Set the one matrix of a ridge read-in."""
    torch = require("torch", "train", "calibration")
    weight, bias = ridge_raw(X[:, :, 0].astype(np.float64), y.reshape(len(y), -1).astype(np.float64))
    (linear,) = (layer for layer in model.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.asarray(weight, np.float32)))
        linear.bias.copy_(torch.from_numpy(np.asarray(bias, np.float32)))
