"""Train the CNN decoder and the GAN decoder: one core for all animals, one read-in for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import correlations
from calibration.mouse_v1.fid import Fid
from calibration.mouse_v1.fit_encoder import columns, learnt_from, of_each
from calibration.mouse_v1.material import Animal
from calibration.mouse_v1.objective import fooled, stimulus_loss, told_apart
from calibration.mouse_v1.scaling import ImageScale, ResponseScale, image_scale, response_scale
from calibration.mouse_v1.scores import ssim_losses
from calibration.mouse_v1.settings import DecoderSettings
from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.fit import in_batches
from calibration.training.batches import tensor_of
from calibration.training.history import History
from calibration.training.loop import LossOf
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from calibration.warm_start import warm_start
from streamkit.errors import ConfigError, require

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.floating]
OF_THE_CNN = ("channels", "kernels", "strides", "paddings", "final", "dropout", "readin_dropout")
OF_THE_GAN = (
    "readin",
    "context",
    "coordinates",
    "transform",
    "channels",
    "kernels",
    "readin_dropout",
    "dropout",
    "chunk",
)
FEWEST = 2
"""Rows of an animal in a batch: batch normalisation has nothing to say about one."""


@dataclass(frozen=True)
class Guide:
    """What an encoder gives the GAN's read-in of one animal.

    Attributes
    ----------
    meis
        ``(n_neurons, height, width)``.
    places
        ``(n_neurons, 2)`` where each neuron looks.
    """

    meis: NDArray[np.float32]
    places: NDArray[np.float32]


@dataclass(frozen=True)
class FittedDecoder:
    """A trained decoder of several animals, in evaluation mode, with the scales that were fitted with it.

    Attributes
    ----------
    model
        ``readins`` by animal, and ``core``.
    selected_by
        What picked the epoch.
    """

    model: nn.Module
    history: History
    settings: DecoderSettings
    images: ImageScale
    responses: dict[str, ResponseScale]
    networks: dict[str, Network] = field(default_factory=dict)
    selected_by: str = "SSIM loss"

    def of(self, animal: str) -> nn.Module:
        """The decoder of one animal: scaled responses ``(B, n_neurons, 1)`` to standardised pictures."""
        from models.v1_gan import Generator

        return Generator(self.model.readins[animal], self.model.core).eval()  # type: ignore[arg-type, index]

    def predict(self, X: Array, animal: str) -> NDArray[np.float32]:
        """Pictures for responses ``(n, n_neurons)`` as measured: ``(n, 1, height, width)``, about in [0, 1]."""
        return self.images.back(in_batches(self.of(animal), self.responses[animal](X)[:, :, None]))


def network_of(settings: DecoderSettings, n_neurons: int, image: Sequence[int]) -> Network:
    """Name and arguments of the decoder of one animal."""
    sizes: dict[str, Any] = {"n_chans": n_neurons, "n_times": 1, "out_shape": list(image), "sfreq": 1.0}
    if settings.decoder == "gan":
        return Network("v1_gan", {**sizes, **settings.model_dump(include=set(OF_THE_GAN), mode="json")})
    own = settings.model_dump(include=set(OF_THE_CNN), mode="json")
    latent = {"unflatten": list(settings.unflatten)} if settings.unflatten else {}
    return Network("v1_cnn", {**sizes, **own, **latent})


def fit_decoder(
    animals: Sequence[Animal],
    settings: DecoderSettings,
    *,
    guides: Mapping[str, Guide] | None = None,
    fid: Fid | None = None,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FittedDecoder:
    """Train on all animals; the epoch that is best on their validation pictures is kept.

    Parameters
    ----------
    guides
        Of every animal, for the GAN.
    fid
        Picks the epoch where the settings ask for it; without it the SSIM loss does.
    loop, checkpoint
        As for `calibration.mouse_v1.fit_encoder.fit_encoder`.

    Raises
    ------
    ConfigError
        When the GAN has no most exciting images.
    """
    images = image_scale(*(animal.train for animal in animals))
    responses = {animal.name: response_scale(animal.train) for animal in animals}
    networks = {each.name: network_of(settings, each.train.n_neurons, each.train.out_shape) for each in animals}
    module = build(settings, animals, networks, guides or {})
    held = [
        (
            animal.name,
            tensor_of(responses[animal.name](animal.train.X)[:, :, None]),
            tensor_of(images(animal.train.images)),
        )
        for animal in animals
    ]
    use = fid if settings.select == "fid" else None
    handles = clamp_gradients(module, settings.clip)
    history = train_in_place(
        module,
        losses(held, settings),
        columns([animal.train for animal in animals]),
        loop_settings(settings, loop or {}),
        validation=partial(watched, animals=animals, responses=responses, fid=use, by_r=settings.select == "r"),
        about={
            "settings": settings,
            "animals": learnt_from(animals),
            "guides": {name: (guides or {}).get(name) for name in networks} if settings.decoder == "gan" else None,
            "fid": use and use.known_by,
        },
        checkpoint=checkpoint,
        progress=progress,
    )
    for handle in handles:
        handle.remove()
    selected = "FID-64" if use else "pixel r" if settings.select == "r" else "SSIM loss"
    if settings.select == "fid" and not use:
        selected += ", for FID-64 needs weights that were not given"
    return FittedDecoder(module.generator.eval(), history, settings, images, responses, networks, selected)


def build(
    settings: DecoderSettings, animals: Sequence[Animal], networks: Mapping[str, Network], guides: Mapping[str, Guide]
) -> nn.Module:
    """Untrained ``generator`` of all animals, and ``discriminator`` where there is one."""
    torch = require("torch", "train", "calibration")
    from models.v1_gan import PerMouse, v1_discriminator

    readins, core = {}, None
    for animal in animals:
        network = networks[animal.name].build(settings.seed)
        readins[animal.name] = network.readin
        if settings.decoder == "gan":
            guide_in(network.readin, animal, guides)
        else:
            if settings.warm_start:
                begun_by_ridge(network, animal)
                readins[animal.name] = network.readin
            network.readin = torch.nn.Identity()  # what is left of it is the core
        core = core or (network.core if settings.decoder == "gan" else network)
    module = torch.nn.Module()
    module.generator = PerMouse(readins, core)
    if settings.adversarial:
        module.discriminator = v1_discriminator(
            animals[0].train.out_shape, len(animals), settings.critic, settings.critic_kernels, settings.critic_dropout
        )
    return module


def begun_by_ridge(network: nn.Module, animal: Animal) -> None:
    """Start a CNN's read-in where ridge regression ends."""
    X = response_scale(animal.train)(animal.train.X)[:, :, None]
    warm_start(network, X, image_scale(animal.train)(animal.train.y), levels=True)


def guide_in(readin: Any, animal: Animal, guides: Mapping[str, Guide]) -> None:
    """Give the GAN's read-in the images and places of an animal's neurons."""
    torch = require("torch", "train", "calibration")
    if animal.name not in guides:
        raise ConfigError(
            f"the GAN decoder reads through most exciting images, and those of animal {animal.name!r} are missing: "
            "make them with an encoder (calibration.mouse_v1.meis.most_exciting)"
        )
    guide = guides[animal.name]
    readin.set_meis(torch.from_numpy(guide.meis))
    if readin.coordinates is not None:
        readin.set_coordinates(torch.from_numpy(guide.places))


def clamp_gradients(module: nn.Module, most: float) -> list[Any]:
    """Keep every entry of the gradients of core and discriminator within; the read-in's are free, as published."""
    if not most:
        return []
    parts: list[Any] = [module.generator.core]  # type: ignore[union-attr]
    parts += [module.discriminator] if hasattr(module, "discriminator") else []
    return [
        weight.register_hook(lambda gradient: gradient.clamp(-most, most))
        for part in parts
        for weight in part.parameters()
    ]


Held = Sequence[tuple[str, "Tensor", "Tensor"]]


def losses(held: Held, settings: DecoderSettings) -> dict[str, LossOf]:
    """The losses that take turns on every batch, generator first."""
    found: dict[str, LossOf] = {"generator": partial(generator_loss, held=held, settings=settings)}
    if settings.adversarial:
        found["discriminator"] = partial(discriminator_loss, held=held, settings=settings)
    return found


def pairs_of(module: nn.Module, batch: dict[str, Tensor], held: Held) -> list[tuple[int, Tensor, Tensor]]:
    """By animal of a batch: its number, pictures made and pictures shown; animals with too few rows are passed over."""
    device, found = batch["row"].device, []
    shown = dict(of_each(batch, "shown", held))
    for k, rows in of_each(batch, "row", held):
        name, X, images = held[k]
        if len(rows) >= FEWEST:
            made = module.generator(X[rows].to(device), name)  # type: ignore[operator]
            found.append((k, made, images[shown[k]].to(device)))
    return found


def generator_loss(
    module: nn.Module, batch: dict[str, Tensor], held: Held, settings: DecoderSettings
) -> dict[str, Tensor]:
    """What the generator makes small: the discriminator's opinion, and the distance from what was shown."""
    pairs = pairs_of(module, batch, held)
    if not pairs:  # every animal of the batch is there once
        return {"loss": 0.0 * next(module.generator.parameters()).sum()}  # type: ignore[union-attr]
    n = sum(len(made) for _, made, _ in pairs)
    stimulus = sum(len(made) / n * stimulus_loss(made, shown, settings.loss) for _, made, shown in pairs)
    if not settings.adversarial:
        return {"loss": settings.stimulus * stimulus}
    opinions = [(len(made) / n, module.discriminator(made)[:, k]) for k, made, _ in pairs]  # type: ignore[operator]
    adversarial = sum(share * fooled(each) for share, each in opinions)
    total = settings.adversarial * adversarial + settings.stimulus * stimulus
    return {"loss": total, "stimulus": stimulus, "adversarial": adversarial}


def discriminator_loss(
    module: nn.Module, batch: dict[str, Tensor], held: Held, settings: DecoderSettings
) -> dict[str, Tensor]:
    """What the discriminator makes small: to take shown for real, and made for made."""
    torch = require("torch", "train", "calibration")
    with torch.no_grad():
        pairs = pairs_of(module, batch, held)
    if not pairs:
        return {"loss": 0.0 * next(module.discriminator.parameters()).sum()}  # type: ignore[union-attr]
    n, total = sum(len(made) for _, made, _ in pairs), 0.0
    for k, made, shown in pairs:
        real, fake = (module.discriminator(images)[:, k] for images in (shown, made))  # type: ignore[operator]
        total = total + len(made) / n * told_apart(real, fake, settings.label_noise)
    return {"loss": total}


def watched(
    module: nn.Module,
    animals: Sequence[Animal],
    responses: Mapping[str, ResponseScale],
    fid: Fid | None,
    by_r: bool = False,
) -> dict[str, float]:
    """SSIM loss and correlation on validation pictures, mean over animals, and FID-64 where it picks the epoch."""
    device = next(module.parameters()).device
    said, distance, near = [], [], []
    for animal in animals:
        test = animal.validation.by_image()
        generator = partial(_on, module.generator, animal.name, device)  # type: ignore[arg-type]
        made = in_batches(generator, responses[animal.name](test.X)[:, :, None])
        said.append(float(ssim_losses(made, test.y).mean()))
        distance += [fid(made, test.y)] if fid else []
        near.append(float(np.diag(correlations(made, test.y)).mean()))
    found = {"ssim loss": float(np.mean(said)), "pixel r": float(np.mean(near))}
    return {"loss": float(np.mean(distance)) if fid else -found["pixel r"] if by_r else found["ssim loss"], **found}


def _on(generator: Any, animal: str, device: Any, X: Tensor) -> Tensor:
    made: Tensor = generator(X.to(device), animal).cpu()
    return made


def loop_settings(settings: DecoderSettings, further: Mapping[str, Any]) -> LoopSettings:
    """AdamW at a constant rate, no early stop."""
    keys: dict[str, Any] = {
        **settings.model_dump(include={"epochs", "batch_size", "lr", "weight_decay", "seed"}),
        "schedule": "constant",
        "warm_up": 0.0,
        "clip": None,
        "patience": settings.epochs,
    }
    return LoopSettings(**{**keys, **further})
