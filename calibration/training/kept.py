"""Models of one material, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from calibration.progress import Progress
from calibration.training.fan_out import Task, fan_out


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
        Takes ``material``, ``settings`` and ``loop`` (``progress``, where it runs here); a function of a module, so
        that it can travel.
    """

    material: Any
    scheduler: str | None = None
    workers: int | None = None
    loop: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    kept: dict[S, F] = field(default_factory=dict, repr=False)
    train_one: Callable[..., F] = field(kw_only=True, repr=False)

    def of(self, settings: S, seeds: Sequence[int]) -> list[F]:
        """One model per seed."""
        return self.all([settings], seeds)[0]

    def all(self, variants: Sequence[S], seeds: Sequence[int]) -> list[list[F]]:
        """One model per variant and seed; what is not there yet is trained, side by side with a scheduler."""
        wanted = [[variant.but(seed=seed) for seed in seeds] for variant in variants]
        absent = list(dict.fromkeys(each for row in wanted for each in row if each not in self.kept))
        shared = {"material": self.material, "loop": dict(self.loop)}
        if absent and self.scheduler:
            tasks = [Task(f"training {k + 1}", {"settings": each, **shared}) for k, each in enumerate(absent)]
            found = fan_out(self.train_one, tasks, self.scheduler, self.workers, progress=self.progress)
            self.kept.update({each: result.value for each, result in zip(absent, found, strict=True)})
        for each in absent:
            if each not in self.kept:
                self.kept[each] = self.train_one(settings=each, progress=self.progress, **shared)
        return [[self.kept[each] for each in row] for row in wanted]
