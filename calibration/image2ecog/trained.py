"""Models of several subjects, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calibration.image2ecog.fit import Fitted, fit_image2ecog
from calibration.image2ecog.material import Material
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.progress import Progress
from calibration.training.fan_out import Task, fan_out
from calibration.training.kept import fingerprint, folder_of

Key = tuple[str, Image2EcogSettings]


@dataclass
class Trained:
    """Trains what is asked for and keeps it.

    Attributes
    ----------
    subjects
        Material by subject: the paper trains one model for each.
    scheduler, workers
        Where trainings run side by side; see `calibration.training.fan_out`. Without a scheduler they run here, one
        after the other.
    loop
        Further keys of `LoopSettings`, such as ``accelerator``.
    resume
        Folder in which trainings are kept, each in one of its own, and taken up again by who comes later.
    """

    subjects: Mapping[str, Material]
    scheduler: str | None = None
    workers: int | None = None
    loop: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    resume: Path | None = None
    kept: dict[Key, Fitted] = field(default_factory=dict, repr=False)

    def of(self, wanted: Sequence[Key]) -> list[Fitted]:
        """One model per subject and settings; what is not there yet is trained, side by side with a scheduler."""
        absent = [key for key in dict.fromkeys(wanted) if key not in self.kept]
        if self.scheduler:
            tasks = [Task(f"training {k + 1}, {key[0]}", self._call(key)) for k, key in enumerate(absent)]
            found = fan_out(train_one, tasks, self.scheduler, self.workers, progress=self.progress) if tasks else []
            self.kept.update({key: result.value for key, result in zip(absent, found, strict=True)})
        else:
            self.progress.begin("trainings", len(absent))
            for key in absent:
                self.kept[key] = train_one(**self._call(key))
                self.progress.advance(key[0])
        return [self.kept[key] for key in wanted]

    def with_material(self, subjects: Mapping[str, Material]) -> Trained:
        """The same place to train, for other material."""
        return Trained(subjects, self.scheduler, self.workers, self.loop, self.progress, self.resume)

    def _call(self, key: Key) -> dict[str, Any]:
        subject, settings = key
        loop = dict(self.loop)
        place = folder_of(self.resume, self._fingerprints[subject], settings, loop)
        return {"material": self.subjects[subject], "settings": settings, "loop": loop, "checkpoint": place}

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {subject: fingerprint(each) if self.resume else "" for subject, each in self.subjects.items()}


def train_one(
    material: Material, settings: Image2EcogSettings, loop: Mapping[str, Any], checkpoint: Path | None = None
) -> Fitted:
    """Train on one subject."""
    return fit_image2ecog(material, settings, loop=loop, checkpoint=checkpoint)
