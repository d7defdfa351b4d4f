"""The training loop, readable top to bottom: any network, one device or several, the same on all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from calibration.progress import Progress
from calibration.training.batches import Batches, Data, n_batches, tensor_of
from calibration.training.checkpoint import Checkpoint
from calibration.training.devices import fabric_for, repeatable, seed_everything
from calibration.training.history import History
from calibration.training.identity import identity_of, known_by
from calibration.training.memory import kept_when_freed
from calibration.training.optimisers import clip, optimiser_of
from calibration.training.processes import in_processes
from calibration.training.schedule import after_plateaus, factor_of, plateaus
from calibration.training.settings import LoopSettings
from calibration.training.state import State
from calibration.training.tally import Tally
from streamkit.errors import StreamkitError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["History", "LoopSettings", "LossOf", "fit"]

LossOf = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]
"""Losses of a batch: ``"loss"`` is made small, the others are noted."""

Watch = Callable[[nn.Module], Mapping[str, float]]
TELL_S = 0.5


@dataclass
class Job:
    """A training, whole: what `fit` was given, with its rows as tensors.

    Attributes
    ----------
    losses
        By the part of the network whose weights each changes, ``""`` for all of it.
    about
        What the checkpoint knows the training by, beside network, rows and settings.
    """

    module: nn.Module
    losses: dict[str, LossOf]
    data: dict[str, Tensor]
    validation: dict[str, Tensor] | Watch | None
    settings: LoopSettings
    checkpoint: Checkpoint | None
    about: dict[str, Any] = field(default_factory=dict)


def fit(
    module: nn.Module,
    loss_of: LossOf | Mapping[str, LossOf],
    data: Data,
    settings: LoopSettings,
    *,
    validation: Data | Watch | None = None,
    about: Mapping[str, Any] | None = None,
    checkpoint: Path | Checkpoint | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a network in place and leave it with the weights kept, on the processor, in evaluation mode.

    On one machine, the same seed and number of threads give the same weights.

    Parameters
    ----------
    loss_of
        Takes the network and a batch, ``(B, ...)`` each, and returns scalars: ``"loss"`` is made small, the others are
        noted. Several, by the name of the submodule whose weights each changes, take turns on every batch, as a
        generator and its discriminator do; the last is the one that is watched.
    data
        Arrays of equal length by name, first axis rows.
    validation
        Rows whose loss is watched, in batches as large as those of the training, or a function of the network that
        returns what is watched as ``"loss"``.
    about
        Whatever else shapes the weights or picks the epoch: data that the losses or the function `validation` close
        over, settings of the losses and of the network, networks that stay as they are; see
        `calibration.training.identity.known_by`. A checkpoint that knows other ones is refused. Looked at only where
        there is a checkpoint.
    checkpoint
        Where this training is written, and taken up again if it was stopped.
    progress
        Shows the epochs and the time left; None shows nothing.

    Raises
    ------
    ConfigError
        When settings, rows and devices do not fit.
    BadInput
        When the checkpoint is of another training.
    StreamkitError
        When the loss stops being a number.
    """
    job = Job(
        module,
        dict(loss_of) if isinstance(loss_of, Mapping) else {"": loss_of},
        {name: tensor_of(values) for name, values in data.items()},
        {name: tensor_of(values) for name, values in validation.items()}
        if isinstance(validation, Mapping)
        else validation,
        settings,
        Checkpoint(checkpoint) if isinstance(checkpoint, Path) else checkpoint,
        {} if checkpoint is None else known_by(about or {}),
    )
    with repeatable(settings.deterministic):
        fabric = fabric_for(settings)
        if settings.devices > 1:
            return in_processes(fabric, run, job, progress or Progress())
        return run(fabric, job, progress or Progress())


@kept_when_freed()
def run(fabric: Fabric, job: Job, progress: Progress) -> History:
    """Train on the devices that `fabric` stands for; in each of its processes, where there are several."""
    module, settings, rank, world = job.module, job.settings, fabric.global_rank, fabric.world_size
    data = Batches(job.data, fabric.device)
    batches = n_batches(data.n_rows, settings.batch_size)
    factor = factor_of(settings, batches)
    watch = watch_of(job, fabric)
    optimisers = [optimiser_of(module.get_submodule(part), settings) for part in job.losses]
    objective, *optimisers = fabric.setup(Objective(module), *optimisers)
    turns = list(zip(job.losses.items(), optimisers, strict=True))

    state = State(fabric, module, optimisers)
    identity = take_up(job, state)
    history, told = state.history, time.monotonic()
    begin = told - history.seconds
    progress.begin("training", settings.epochs, state.epoch)

    while not state.finished:
        seed_everything(settings, state.epoch, rank, world)
        objective.train()
        rate = settings.lr * after_plateaus(settings, history.validation)
        order = fabric.broadcast(torch.randperm(data.n_rows))
        tally = Tally()
        for number, rows in enumerate(data.split(order, batches)):
            rows = rows[rank::world]
            batch = data.take(rows)
            lr = rate * factor(state.epoch * batches + number)
            for (part, loss_of), optimiser in turns:
                losses = objective(Turn(loss_of, batch))
                for each in optimisers:  # a generator's loss leaves gradients in the discriminator, too
                    each.zero_grad()
                fabric.backward(losses["loss"])
                clip(fabric, objective, optimiser, settings)
                optimiser.param_groups[0]["lr"] = lr
                optimiser.step()
                tally.add(losses, len(rows), part if (part, loss_of) != turns[-1][0] else "")
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                progress.at(state.epoch + (number + 1) / batches)

        history.add("train", tally.means(fabric))
        if not math.isfinite(history.train[-1]):
            raise StreamkitError(
                f"training diverged in epoch {state.epoch + 1}: the loss is not a number. Lower train.lr, which is "
                f"{settings.lr:g}, or look for values in the data that are none"
            )
        if watch is not None:
            history.add("validation", fabric.broadcast(watch()))
            state.note_validation(history.validation[-1], keep=settings.keep == "best")
        history.best = state.best_epoch if state.best else state.epoch
        history.seconds = time.monotonic() - begin
        state.finished = fabric.broadcast(is_over(state, settings))
        state.epoch += 1
        progress.at(state.epoch, note_of(history))
        if job.checkpoint is not None and rank == 0 and (state.finished or job.checkpoint.due()):
            job.checkpoint.save(identity, state.saved())

    if watch is not None and state.best is None:
        raise StreamkitError("the validation loss was never a number: look at the validation rows")
    if state.best:
        module.load_state_dict(state.best)
    module.to("cpu").eval()
    return history


class Turn:
    """One loss of one batch; nothing Fabric looks into, for it would round the targets to 16 bits as well."""

    __slots__ = ("batch", "loss_of")

    def __init__(self, loss_of: LossOf, batch: dict[str, Tensor]):
        self.loss_of, self.batch = loss_of, batch


class Objective(nn.Module):
    """All of a step up to its loss as one module: what Fabric casts, and what several devices share."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, turn: Turn) -> dict[str, Tensor]:
        """Losses of a batch, each a scalar; only what is made small has a gradient."""
        losses = turn.loss_of(self.module, turn.batch)
        return {name: value if name == "loss" else value.detach() for name, value in losses.items()}


def take_up(job: Job, state: State) -> dict[str, Any]:
    """Go on where the checkpoint is, if there is one; returns what identifies this training."""
    if job.checkpoint is None:
        return {}
    sets = {"training": job.data}
    if isinstance(job.validation, dict):
        sets["validation"] = job.validation
    identity = identity_of(job.module, job.settings, state.fabric.device, job.about, **sets)
    saved = job.checkpoint.load(identity)
    if saved is not None:
        state.restore(saved)
    return identity


def watch_of(job: Job, fabric: Fabric) -> Callable[[], dict[str, float]] | None:
    """Return what measures the validation loss, in evaluation mode; None when there is nothing to watch."""
    rows, module = job.validation, job.module
    if rows is None:
        return None
    data = None if callable(rows) else Batches(rows, fabric.device)
    loss_of = list(job.losses.values())[-1]

    def watch() -> dict[str, float]:
        module.eval()
        if data is None:
            return dict(rows(module))
        tally = Tally()
        batches = data.split(torch.arange(data.n_rows), n_batches(data.n_rows, job.settings.batch_size))
        with torch.no_grad(), fabric.autocast():
            for part in batches:
                tally.add(loss_of(module, data.take(part)), len(part))
        return tally.means()

    return watch


def is_over(state: State, settings: LoopSettings) -> bool:
    """Whether the epoch was the last; the history says why."""
    history = state.history
    if history.validation and state.epoch - state.best_epoch >= settings.patience:
        history.stopped = f"no better validation loss for {settings.patience} epochs"
        return True
    if settings.schedule == "plateau" and plateaus(settings, history.validation) > settings.decays:
        history.stopped = f"no better validation loss after {settings.decays} smaller learning rates"
        return True
    if settings.max_seconds and history.seconds > settings.max_seconds:
        history.stopped = f"the time given ({settings.max_seconds:g} s) was over"
        return True
    return state.epoch + 1 >= settings.epochs


def note_of(history: History) -> str:
    """The newest losses, beside the bar."""
    watched = f", validation {history.validation[-1]:.3f}" if history.validation else ""
    return f"loss {history.train[-1]:.3f}{watched}"
