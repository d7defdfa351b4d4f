"""Models of one material, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calibration.brainae.fit import Fitted, fit_brainae
from calibration.brainae.pairs import Material
from calibration.brainae.settings import BrainAESettings
from calibration.progress import Progress
from calibration.training.fan_out import Task, fan_out


@dataclass
class Trained:
    """Trains what is asked for and keeps it.

    Attributes
    ----------
    material
        One subject's.
    scheduler, workers
        Where trainings run side by side; see `calibration.training.fan_out`. Without a scheduler they run here, one
        after the other.
    loop
        Further keys of `LoopSettings`, such as ``accelerator``.
    """

    material: Material
    scheduler: str | None = None
    workers: int | None = None
    loop: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    kept: dict[BrainAESettings, Fitted] = field(default_factory=dict, repr=False)

    def of(self, settings: BrainAESettings, seeds: Sequence[int]) -> list[Fitted]:
        """One model per seed."""
        return self.all([settings], seeds)[0]

    def all(self, variants: Sequence[BrainAESettings], seeds: Sequence[int]) -> list[list[Fitted]]:
        """One model per variant and seed; what is not there yet is trained, side by side with a scheduler."""
        wanted = [[variant.but(seed=seed) for seed in seeds] for variant in variants]
        absent = [each for row in wanted for each in row if each not in self.kept]
        absent = list(dict.fromkeys(absent))
        if absent and self.scheduler:
            tasks = [Task(f"training {k + 1}", {"settings": each, **self._shared()}) for k, each in enumerate(absent)]
            found = fan_out(train_one, tasks, self.scheduler, self.workers, progress=self.progress)
            self.kept.update({each: result.value for each, result in zip(absent, found, strict=True)})
        for each in absent:
            if each not in self.kept:
                self.kept[each] = train_one(settings=each, progress=self.progress, **self._shared())
        return [[self.kept[each] for each in row] for row in wanted]

    def _shared(self) -> dict[str, Any]:
        return {"material": self.material, "loop": dict(self.loop)}


def train_one(
    material: Material, settings: BrainAESettings, loop: Mapping[str, Any], progress: Progress | None = None
) -> Fitted:
    """Train on a material's pairs as they are; validation is its own, or images held back."""
    train, validation = material.held_back(settings.validation, settings.seed)
    return fit_brainae(train, validation, settings, sfreq=material.sfreq, loop=loop, progress=progress)
