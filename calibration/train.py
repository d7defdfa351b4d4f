"""Training a decoder by gradient: the loss of its target and the noise on its input, handed to the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.losses import loss_for
from calibration.progress import Progress
from calibration.sections import TrainSection
from calibration.training.history import History
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["History", "predict", "train"]

Array = NDArray[np.floating]
BATCH = 256


def train(
    module: nn.Module,
    kind: Literal["class", "signal", "image"],
    train_set: tuple[Array, NDArray[np.generic]],
    validation_set: tuple[Array, NDArray[np.generic]] | None,
    settings: TrainSection,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
) -> History:
    """Train a network in place and leave it with the weights of its best epoch, in evaluation mode.

    Parameters
    ----------
    train_set, validation_set
        ``X (n, n_chans, n_times)`` and targets. The validation loss picks the best epoch; without a validation set the
        last epoch counts.
    checkpoint
        A folder to take the training up from, and to write it to; None for none.
    about
        What else the checkpoint knows the training by, such as the arguments of its network.

    Raises
    ------
    StreamkitError
        When the loss stops being a number.
    """
    require("torch", "train", "calibration")
    from calibration.training.loop import fit

    return fit(
        module,
        objective(kind, train_set, settings),
        {"X": train_set[0], "y": train_set[1]},
        settings,
        validation=watch(kind, train_set[1], validation_set, settings) if validation_set is not None else None,
        about={**(about or {}), "kind": kind, "validation": validation_set},
        checkpoint=checkpoint,
        progress=progress,
    )


def objective(
    kind: Literal["class", "signal", "image"], train_set: tuple[Array, NDArray[np.generic]], settings: TrainSection
) -> Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]:
    """Loss of a batch, with noise on its input where the settings ask for it."""
    torch = require("torch", "train", "calibration")
    loss_of = loss_for(kind, train_set[1], settings.correlation)
    channel_std: Tensor | None = None
    if settings.noise:
        X = torch.from_numpy(np.ascontiguousarray(train_set[0]))
        channel_std = X.std(dim=(0, 2), keepdim=True)  # (1, n_chans, 1)

    def losses(module: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        x = batch["X"]  # (B, n_chans, n_times)
        if channel_std is not None:
            x = x + settings.noise * channel_std.to(x.device) * torch.randn_like(x)
        return {"loss": loss_of(module(x), batch["y"])}

    return losses


def watch(
    kind: Literal["class", "signal", "image"],
    training_targets: NDArray[np.generic],
    validation_set: tuple[Array, NDArray[np.generic]],
    settings: TrainSection,
) -> Callable[[nn.Module], dict[str, float]]:
    """Loss of the whole validation set at once: classes weigh by how many of all there are."""
    torch = require("torch", "train", "calibration")
    X, y = validation_set

    def validate(module: nn.Module) -> dict[str, float]:
        loss_of = loss_for(kind, training_targets, settings.correlation)
        predicted = torch.from_numpy(predict(module, X))
        return {"loss": float(loss_of(predicted, torch.from_numpy(np.ascontiguousarray(y))))}

    return validate


def predict(module: nn.Module, X: Array) -> Array:
    """Raw output for every window, ``(n, *out_shape)`` float32, in evaluation mode, wherever the network is."""
    torch = require("torch", "train", "calibration")
    module.eval()
    device = device_of(module)
    rows = range(0, len(X), BATCH)
    with torch.no_grad():
        parts = [module(torch.from_numpy(X[at : at + BATCH]).to(device)).cpu().numpy() for at in rows]
    return np.concatenate(parts)


def device_of(module: nn.Module) -> Any:
    """Where the weights are; a network without any is on the processor."""
    return next((weight.device for weight in module.parameters()), "cpu")
