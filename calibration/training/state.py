"""Where a training stands: what a checkpoint holds, and how it is put back."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from calibration.training.checkpoint import Saved
from calibration.training.devices import rng_state, set_rng_state
from calibration.training.history import History

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class State:
    """A training between two epochs.

    Attributes
    ----------
    epoch
        The next one, counted from 0.
    best_epoch, best_loss, best
        Of the lowest validation loss so far: when, how low, and the weights; None before the first.
    finished
        Nothing more is to be done.
    """

    fabric: Fabric
    module: nn.Module
    optimisers: list[Any]
    history: History = field(default_factory=History)
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    best: dict[str, Tensor] | None = None
    finished: bool = False

    def note_validation(self, loss: float, keep: bool) -> None:
        """Compare the epoch's validation loss with the lowest; keep its weights if it is lower."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best = {name: value.detach().clone() for name, value in self.module.state_dict().items() if keep}

    def saved(self) -> Saved:
        """Everything, on the processor."""
        tensors = {f"module/{name}": value for name, value in self.module.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in (self.best or {}).items()}
        tensors |= {f"rng/{name}": value for name, value in rng_state(self.fabric.device).items()}
        for number, optimiser in enumerate(self.optimisers):
            for weight, values in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{number}/{weight}/{name}": value for name, value in values.items()}
        facts = {
            "epoch": self.epoch,
            "finished": self.finished,
            "best_epoch": self.best_epoch,
            "best_loss": None if self.best is None else self.best_loss,
            "history": dataclasses.asdict(self.history),
            "precision": self.fabric.strategy.precision.state_dict(),
        }
        return Saved({name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}, facts)

    def restore(self, saved: Saved) -> None:
        """Go on from there."""
        facts = saved.facts
        self.module.load_state_dict(under("module/", saved.tensors))
        self.history = History(**facts["history"])
        self.epoch, self.finished, self.best_epoch = facts["epoch"], facts["finished"], facts["best_epoch"]
        if facts["best_loss"] is not None:
            best = under("best/", saved.tensors)
            self.best_loss = facts["best_loss"]
            self.best = {name: value.to(self.fabric.device) for name, value in best.items()}
        for number, optimiser in enumerate(self.optimisers):
            restore_optimiser(optimiser, under(f"optimiser/{number}/", saved.tensors))
        self.fabric.strategy.precision.load_state_dict(facts["precision"])
        set_rng_state(under("rng/", saved.tensors), self.fabric.device)


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def restore_optimiser(optimiser: Any, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser the state kept under ``NUMBER OF THE WEIGHT/NAME``."""
    whole = optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        weight, _, name = key.partition("/")
        state.setdefault(int(weight), {})[name] = value
    optimiser.load_state_dict({**whole, "state": state})
