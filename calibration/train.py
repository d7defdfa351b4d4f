"""The training loop, readable top to bottom."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.losses import loss_for
from calibration.progress import Progress
from calibration.sections import TrainSection
from streamkit.errors import StreamkitError, require

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.floating]
WARM_UP = 0.1
BATCH = 256


@dataclass
class History:
    """How a training went: loss per epoch, and the epoch whose weights were kept (counted from 0)."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0
    seconds: float = 0.0
    stopped: str = "all epochs done"


def train(
    module: nn.Module,
    kind: Literal["class", "signal", "image"],
    train_set: tuple[Array, NDArray[np.generic]],
    validation_set: tuple[Array, NDArray[np.generic]] | None,
    settings: TrainSection,
    progress: Progress | None = None,
) -> History:
    """Train a network in place and leave it with the weights of its best epoch, in evaluation mode.

    AdamW, learning rate warmed up over a tenth of the steps and then lowered along a cosine. Deterministic on one
    machine for one seed and number of threads.

    Parameters
    ----------
    train_set, validation_set
        ``X (n, n_chans, n_times)`` and targets. The validation loss picks the best epoch; without a validation set the
        last epoch counts.

    Raises
    ------
    StreamkitError
        When the loss stops being a number.
    """
    torch = require("torch", "train", "calibration")
    progress = progress or Progress()
    torch.manual_seed(settings.seed)
    X, y = (torch.from_numpy(np.ascontiguousarray(part)) for part in train_set)
    loss_of = loss_for(kind, train_set[1], settings.correlation)
    channel_std = X.std(dim=(0, 2), keepdim=True)  # (1, n_chans, 1)

    optimiser = torch.optim.AdamW(module.parameters(), settings.lr, weight_decay=settings.weight_decay)
    batches = max(1, len(X) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _cosine(settings.epochs * batches))

    history, begin = History(), time.monotonic()
    best_loss, best_weights = math.inf, copy.deepcopy(module.state_dict())
    progress.begin("training", settings.epochs)
    for epoch in range(settings.epochs):
        module.train()
        order = torch.randperm(len(X))
        total = 0.0
        for rows in np.array_split(order.numpy(), batches):
            x = X[rows]  # (B, n_chans, n_times)
            if settings.noise:
                x = x + settings.noise * channel_std * torch.randn_like(x)
            loss = loss_of(module(x), y[rows])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)

        history.train.append(total / len(X))
        if not math.isfinite(history.train[-1]):
            raise StreamkitError(f"training diverged in epoch {epoch + 1}: the loss is not a number. Lower train.lr")
        watched = -float(epoch)  # without a validation set every epoch is the best so far
        if validation_set is not None:
            predicted = torch.from_numpy(predict(module, validation_set[0]))
            watched = float(loss_of(predicted, torch.from_numpy(np.ascontiguousarray(validation_set[1]))))
            history.validation.append(watched)
        if watched < best_loss:
            best_loss, history.best = watched, epoch
            best_weights = copy.deepcopy(module.state_dict())

        progress.advance(f"loss {history.train[-1]:.3f}" + (f", validation {watched:.3f}" if validation_set else ""))
        if validation_set is not None and epoch - history.best >= settings.patience:
            history.stopped = f"no better validation loss for {settings.patience} epochs"
            break
        if settings.max_seconds and time.monotonic() - begin > settings.max_seconds:
            history.stopped = f"the time given ({settings.max_seconds:g} s) was over"
            break

    module.load_state_dict(best_weights)
    module.eval()
    history.seconds = time.monotonic() - begin
    return history


def _cosine(steps: int):  # type: ignore[no-untyped-def]
    warm = max(1, int(WARM_UP * steps))
    return lambda step: min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))) + 1e-3)


def predict(module: nn.Module, X: Array) -> Array:
    """Raw output for every window, ``(n, *out_shape)`` float32, in evaluation mode."""
    torch = require("torch", "train", "calibration")
    module.eval()
    with torch.no_grad():
        parts = [module(torch.from_numpy(X[at : at + BATCH])).numpy() for at in range(0, len(X), BATCH)]
    return np.concatenate(parts)
