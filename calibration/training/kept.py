"""Models of one material, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from calibration.progress import Progress
from calibration.training.fan_out import Task, fan_out
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import nn


class Seeded(Hashable, Protocol):
    """Settings of a training, with its seed."""

    def but(self, **changes: object) -> Any:
        """The same with some keys changed."""


S = TypeVar("S", bound=Seeded)
F = TypeVar("F")


@dataclass
class Kept(Generic[S, F]):
    """Trains what is asked for and keeps it.

    Attributes
    ----------
    material
        What is trained on.
    scheduler, workers
        Where trainings run side by side; see `calibration.training.fan_out`. Without a scheduler they run here, one
        after the other.
    loop
        Further keys of `LoopSettings`, such as ``accelerator``.
    train_one
        Takes ``material``, ``settings``, ``loop`` and ``checkpoint`` (``progress``, where it runs here); a function of
        a module, so that it can travel.
    resume
        Folder in which trainings are kept, each in one of its own, and taken up again by who comes later; a cluster's
        workers must see it as well.
    """

    material: Any
    scheduler: str | None = None
    workers: int | None = None
    loop: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    kept: dict[S, F] = field(default_factory=dict, repr=False)
    train_one: Callable[..., F] = field(kw_only=True, repr=False)
    resume: Path | None = field(default=None, kw_only=True)

    def of(self, settings: S, seeds: Sequence[int]) -> list[F]:
        """One model per seed."""
        return self.all([settings], seeds)[0]

    def all(self, variants: Sequence[S], seeds: Sequence[int]) -> list[list[F]]:
        """One model per variant and seed; what is not there yet is trained, side by side with a scheduler."""
        wanted = [[variant.but(seed=seed) for seed in seeds] for variant in variants]
        absent = list(dict.fromkeys(each for row in wanted for each in row if each not in self.kept))
        if absent and self.scheduler:
            tasks = [Task(f"training {k + 1}", self._call(each)) for k, each in enumerate(absent)]
            found = fan_out(self.train_one, tasks, self.scheduler, self.workers, progress=self.progress)
            self.kept.update({each: result.value for each, result in zip(absent, found, strict=True)})
        for each in absent:
            if each not in self.kept:
                self.kept[each] = self.train_one(progress=self.progress, **self._call(each))
        return [[self.kept[each] for each in row] for row in wanted]

    def _call(self, settings: S) -> dict[str, Any]:
        of_this = (self.train_one.__module__, self.train_one.__qualname__, self._fingerprint, settings, dict(self.loop))
        place = folder_of(self.resume, *of_this)
        return {"material": self.material, "settings": settings, "loop": dict(self.loop), "checkpoint": place}

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.material) if self.resume else ""


def folder_of(resume: Path | None, *training: Any) -> Path | None:
    """Where a training is kept: a folder named after everything that makes it the one it is; None where none is."""
    return None if resume is None else resume / fingerprint(training)


def fingerprint(value: Any) -> str:
    """The same for equal values: arrays, numbers, text, and containers and dataclasses of them."""
    return str(require("joblib", "train", "calibration").hash(_plain(value)))


def fingerprint_of(module: nn.Module) -> str:
    """The same for networks of equal weights."""
    return fingerprint({name: values.numpy(force=True) for name, values in module.state_dict().items()})


def _plain(value: Any) -> Any:
    """Dataclasses by their fields alone: what they have worked out and kept for later does not count."""
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, *((each.name, _plain(getattr(value, each.name))) for each in fields(value))]
    if isinstance(value, Mapping):
        return [(key, _plain(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.model_dump() if hasattr(value, "model_dump") else value
