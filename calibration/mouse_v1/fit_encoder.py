"""Train an encoder: one set of convolutions for all animals, one readout for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import column_correlations
from calibration.mouse_v1.material import Animal, Responses
from calibration.mouse_v1.objective import poisson, roughness
from calibration.mouse_v1.scaling import ImageScale, ResponseScale, image_scale, response_scale
from calibration.mouse_v1.settings import EncoderSettings
from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.fit import in_batches
from calibration.training.batches import tensor_of
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.floating]
OF_THE_CORE = ("layers", "channels", "kernel", "hidden_kernel")


@dataclass(frozen=True)
class FittedEncoder:
    """A trained encoder of several animals, in evaluation mode, with the scales that were fitted with it.

    Attributes
    ----------
    model
        ``core``, and ``readouts`` by animal.
    responses
        Scale of every animal's responses.
    """

    model: nn.Module
    history: History
    settings: EncoderSettings
    images: ImageScale
    responses: dict[str, ResponseScale]

    def of(self, animal: str) -> nn.Module:
        """The encoder of one animal: standardised pictures to scaled responses."""
        from models.v1_encoder import V1Encoder

        return V1Encoder(self.model.core, self.model.readouts[animal]).eval()  # type: ignore[arg-type, index]

    def predict(self, images: Array, animal: str) -> NDArray[np.float32]:
        """Responses, as they were measured, to pictures ``(n, 1, height, width)`` in [0, 1]: ``(n, n_neurons)``."""
        scale = self.responses[animal]
        return in_batches(self.of(animal), self.images(images)) * scale.std + scale.mean

    def places(self, animal: str) -> NDArray[np.float32]:
        """``(n_neurons, 2)`` where each neuron looks, x and y in [-1, 1]; of a Gaussian readout alone."""
        mu: Tensor = self.model.readouts[animal].mu  # type: ignore[index, assignment]
        return mu.detach().clamp(-1, 1).numpy().copy()


def network_of(settings: EncoderSettings, n_neurons: int, image: Sequence[int]) -> Network:
    """Name and arguments of the encoder of one animal."""
    args = {"n_chans": n_neurons, "image": list(image), **settings.model_dump(include=set(OF_THE_CORE))}
    if settings.readout == "linear":
        return Network("v1_encoder_linear", {**args, "pool": settings.pool})
    return Network("v1_encoder", args)


def fit_encoder(
    animals: Sequence[Animal],
    settings: EncoderSettings,
    *,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FittedEncoder:
    """Train on all animals; the epoch with the highest correlation on their validation pictures is kept.

    Parameters
    ----------
    loop
        Further keys of `LoopSettings`, such as ``accelerator``.
    checkpoint
        Where the training can be taken up again.
    """
    images = image_scale(*(animal.train for animal in animals))
    responses = {animal.name: response_scale(animal.train) for animal in animals}
    model = build(settings, animals)
    start_at_means(model, animals, responses)
    held = [
        (animal.name, tensor_of(responses[animal.name](animal.train.X)), tensor_of(images(animal.train.images)))
        for animal in animals
    ]
    n_train = sum(len(animal.train) for animal in animals)
    history = train_in_place(
        model,
        partial(loss_of, held=held, n_train=n_train, settings=settings),
        columns([animal.train for animal in animals]),
        loop_settings(settings, loop or {}),
        validation=partial(watched, animals=animals, images=images, responses=responses),
        about={"settings": settings, "animals": learnt_from(animals)},
        checkpoint=checkpoint,
        progress=progress,
    )
    return FittedEncoder(model.eval(), history, settings, images, responses)


def build(settings: EncoderSettings, animals: Sequence[Animal]) -> nn.Module:
    """Untrained convolutions, and a readout for each animal."""
    torch = require("torch", "train", "calibration")
    parts = {
        animal.name: network_of(settings, animal.train.n_neurons, animal.train.out_shape).build(settings.seed)
        for animal in animals
    }
    whole = torch.nn.Module()
    whole.core = next(iter(parts.values())).core
    whole.readouts = torch.nn.ModuleDict({name: part.readout for name, part in parts.items()})
    return whole


def start_at_means(model: nn.Module, animals: Sequence[Animal], responses: Mapping[str, ResponseScale]) -> None:
    """Let every neuron begin with its mean response to training pictures, so that training need not find it."""
    torch = require("torch", "train", "calibration")
    for animal in animals:
        mean = torch.from_numpy(responses[animal.name](animal.train.X).mean(0)).clamp(min=0.01)
        readout = model.readouts[animal.name]  # type: ignore[index]
        bias = readout.linear.bias if hasattr(readout, "linear") else readout.bias
        with torch.no_grad():
            bias.copy_(torch.where(mean > 1, mean - 1, mean.log()))  # the inverse of ELU + 1


def columns(trains: Sequence[Responses]) -> dict[str, NDArray[np.int64]]:
    """Rows as the loop takes them: which animal, which of its presentations, which picture."""
    return {
        "animal": np.repeat(np.arange(len(trains)), [len(train) for train in trains]),
        "row": np.concatenate([np.arange(len(train)) for train in trains]),
        "shown": np.concatenate([np.asarray(train.shown, np.int64) for train in trains]),
    }


def learnt_from(animals: Sequence[Animal]) -> dict[str, dict[str, Responses]]:
    """What of animals shapes the weights and picks the epoch, for a checkpoint to know."""
    return {animal.name: {"train": animal.train, "validation": animal.validation} for animal in animals}


def loss_of(
    module: nn.Module,
    batch: dict[str, Tensor],
    held: Sequence[tuple[str, Tensor, Tensor]],
    n_train: int,
    settings: EncoderSettings,
) -> dict[str, Tensor]:
    """Losses of a batch, of which only numbers of animals, presentations and pictures travel."""
    torch = require("torch", "train", "calibration")
    device = batch["row"].device
    images = torch.cat([held[k][2][rows] for k, rows in of_each(batch, "shown", held)]).to(device)
    maps = module.core(moved(images, settings.shift) if module.training else images)
    nll, at = 0.0, 0
    for k, rows in of_each(batch, "row", held):
        name, X, _ = held[k]
        rates = torch.nn.functional.elu(module.readouts[name](maps[at : at + len(rows)])) + 1
        nll, at = nll + poisson(rates, X[rows].to(device)), at + len(rows)
    rough = roughness(module.core.filters)
    dense = sum(module.readouts[held[k][0]].weights.abs().sum() for k, _ in of_each(batch, "row", held))
    loss = math.sqrt(n_train / len(batch["row"])) * nll + settings.smooth * rough + settings.sparse * dense
    return {"loss": loss, "poisson": nll / len(batch["row"]), "roughness": rough}


def moved(images: Tensor, most: int) -> Tensor:
    """Pictures of a batch, all moved alike by up to `most` pixels down and across; edges are repeated."""
    if not most:
        return images
    torch = require("torch", "train", "calibration")
    top, left = (int(k) for k in torch.randint(0, 2 * most + 1, (2,)))
    padded = torch.nn.functional.pad(images, (most,) * 4, mode="replicate")
    return padded[:, :, top : top + images.shape[2], left : left + images.shape[3]]


def of_each(batch: dict[str, Tensor], name: str, held: Sequence[Any]) -> list[tuple[int, Tensor]]:
    """Values of a column by animal, of those that the batch has."""
    found = ((k, batch[name][batch["animal"] == k].cpu()) for k in range(len(held)))
    return [(k, rows) for k, rows in found if len(rows)]


def watched(
    module: nn.Module, animals: Sequence[Animal], images: ImageScale, responses: Mapping[str, ResponseScale]
) -> dict[str, float]:
    """Less the correlation on validation pictures, mean over neurons and animals; an undefined one counts as 0."""
    from models.v1_encoder import V1Encoder

    found = []
    for animal in animals:
        test = animal.validation.by_image()
        encoder = V1Encoder(module.core, module.readouts[animal.name]).eval()  # type: ignore[arg-type, index]
        said = in_batches(encoder, images(test.y))
        found.append(float(np.nan_to_num(column_correlations(said, responses[animal.name](test.X))).mean()))
    return {"loss": -float(np.mean(found))}


def loop_settings(settings: EncoderSettings, further: Mapping[str, Any]) -> LoopSettings:
    """Adam, a rate that falls on plateaus of the validation score."""
    keys: dict[str, Any] = {
        **settings.model_dump(include={"epochs", "batch_size", "lr", "gamma", "plateau", "decays", "least", "seed"}),
        "optimiser": "adam",
        "weight_decay": 0.0,
        "schedule": "plateau",
        "warm_up": 0.0,
        "clip": None,
        "patience": settings.epochs,
    }
    return LoopSettings(**{**keys, **further})
