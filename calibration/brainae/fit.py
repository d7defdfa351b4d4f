"""Train BrainAE, and use what was trained on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.objective import losses
from calibration.brainae.pairs import Pairs
from calibration.brainae.settings import BrainAESettings
from calibration.progress import Progress
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from streamkit.errors import ConfigError, require

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.floating]
BATCH = 256
OF_THE_NETWORKS = ("embedding", "filters", "kernel", "pool", "dropout", "backbone", "decoder", "img_proj", "out_act")


@dataclass(frozen=True)
class Fitted:
    """A trained BrainAE, in evaluation mode, with everything that was fitted with it.

    Attributes
    ----------
    mean, std
        ``(n_features,)`` of the training images; 0 and 1 unless the features are scaled.
    """

    model: nn.Module
    history: History
    settings: BrainAESettings
    mean: Array
    std: Array

    def embed(self, X: Array) -> Array:
        """Responses ``(n, n_chans, n_times)`` to ``(n, embedding)``."""
        return _in_batches(self.model.encode, X)  # type: ignore[arg-type]

    def project(self, features: Array) -> Array:
        """Image features ``(n, n_features)`` to where embeddings live: ``(n, embedding)``."""
        return _in_batches(self.model.project, (features - self.mean) / self.std)  # type: ignore[arg-type]

    def decode(self, z: Array) -> Array:
        """Embeddings, of images or responses, to responses ``(n, n_chans, n_times)``."""
        return _in_batches(self.model.decode, z)  # type: ignore[arg-type]

    def predict(self, features: Array) -> Array:
        """Response to images of these features: ``(n, n_features)`` to ``(n, n_chans, n_times)``."""
        return self.decode(self.project(features))


def fit_brainae(
    train: Pairs,
    validation: Pairs | None,
    settings: BrainAESettings,
    *,
    sfreq: float = 250.0,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train on pairs; the epoch with the lowest total loss on `validation` is kept, without one the last.

    Parameters
    ----------
    sfreq
        Of the responses, Hz; some backbones size their kernels by it.
    loop
        Further keys of `LoopSettings`, such as ``accelerator`` and ``precision``.
    checkpoint
        Where the training can be taken up again.
    """
    model = build(settings, *train.size, sfreq)
    mean, std = standard(train.features) if settings.scaling == "standard" else unscaled(train.features)
    history = train_in_place(
        model,
        partial(_loss_of, settings=settings),
        _columns(train, mean, std),
        loop_settings(settings, validation is not None, loop or {}),
        validation=None if validation is None else _columns(validation, mean, std),
        about={"settings": settings, "sfreq": sfreq},
        checkpoint=checkpoint,
        progress=progress,
    )
    return Fitted(settled(model.eval()), history, settings, mean, std)


def settled(model: nn.Module) -> nn.Module:
    """The same network with its constrained weights (braindecode bounds norms) as plain ones.

    PyTorch hands no parametrised module from one process to another, and what is trained needs no bounds any more.
    """
    parametrize = require("torch.nn.utils.parametrize", "train", "calibration")
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return model


def build(settings: BrainAESettings, n_chans: int, n_times: int, n_features: int, sfreq: float = 250.0) -> nn.Module:
    """Untrained system of these settings, weights drawn by their seed.

    Raises
    ------
    ConfigError
        When it does not fit the responses or features.
    """
    torch = require("torch", "train", "calibration")
    from models.brainae_system import build_system

    keys = settings.model_dump(include=set(OF_THE_NETWORKS))
    torch.manual_seed(settings.seed)
    try:
        return build_system(n_chans=n_chans, n_times=n_times, n_features=n_features, sfreq=sfreq, **keys)
    except (ValueError, RuntimeError, ImportError) as error:
        raise ConfigError(
            f"BrainAE with backbone {settings.backbone!r} cannot be built for {n_chans} channels, {n_times} samples "
            f"and {n_features} features: {error}"
        ) from error


def loop_settings(settings: BrainAESettings, watched: bool, further: Mapping[str, Any]) -> LoopSettings:
    """Adam at a constant rate, no weight decay, no early stop."""
    keys: dict[str, Any] = {
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "lr": settings.lr,
        "betas": settings.betas,
        "weight_decay": 0.0,
        "optimiser": "adam",
        "schedule": "constant",
        "warm_up": 0.0,
        "clip": None,
        "patience": settings.epochs,
        "seed": settings.seed,
        "keep": "best" if watched else "last",
    }
    return LoopSettings(**{**keys, **further})


def _loss_of(module: nn.Module, batch: dict[str, Tensor], settings: BrainAESettings) -> dict[str, Tensor]:
    return losses(module, batch["X"], batch["f"], settings.weights, settings.tau, settings.symmetric, batch["image"])


def _columns(pairs: Pairs, mean: Array, std: Array) -> dict[str, NDArray]:
    features = ((pairs.features - mean) / std).astype(np.float32)
    return {"X": np.ascontiguousarray(pairs.X, np.float32), "f": features, "image": np.asarray(pairs.image, np.int64)}


def unscaled(features: Array) -> tuple[Array, Array]:
    """Mean and deviation that change nothing."""
    return np.zeros(features.shape[1], np.float32), np.ones(features.shape[1], np.float32)


def standard(features: Array) -> tuple[Array, Array]:
    """Mean and deviation of each feature; 1 for one that does not vary."""
    std = features.std(0, dtype=np.float64)
    return features.mean(0, dtype=np.float64).astype(np.float32), np.where(std > 1e-8, std, 1.0).astype(np.float32)


def _in_batches(function: Callable[[Tensor], Tensor], rows: Array) -> Array:
    torch = require("torch", "train", "calibration")
    rows = np.ascontiguousarray(rows, np.float32)
    with torch.no_grad():
        parts = [function(torch.from_numpy(rows[at : at + BATCH])).numpy() for at in range(0, len(rows), BATCH)]
    return np.concatenate(parts)
