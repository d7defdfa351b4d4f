"""Models of one material, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibration.brainae.fit import Fitted, fit_brainae
from calibration.brainae.pairs import Material
from calibration.brainae.settings import BrainAESettings
from calibration.progress import Progress
from calibration.training.kept import Kept


def train_one(
    material: Material,
    settings: BrainAESettings,
    loop: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train on a material's pairs as they are; validation is its own, or images held back."""
    train, validation = material.held_back(settings.validation, settings.seed)
    return fit_brainae(
        train, validation, settings, sfreq=material.sfreq, loop=loop, checkpoint=checkpoint, progress=progress
    )


@dataclass
class Trained(Kept[BrainAESettings, Fitted]):
    """Trains what is asked for and keeps it, one subject's material; see `calibration.training.kept.Kept`."""

    material: Material
    train_one: Callable[..., Fitted] = field(default=train_one, kw_only=True, repr=False)
