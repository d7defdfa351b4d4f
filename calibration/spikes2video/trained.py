"""Models of one population, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibration.progress import Progress
from calibration.spikes2video.fit import Fitted, fit_spikes2video
from calibration.spikes2video.material import Material
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.training.kept import Kept


def train_one(
    material: Material,
    settings: Spikes2VideoSettings,
    loop: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train on a population's training trials; its validation trials pick the epoch."""
    return fit_spikes2video(
        material.train, material.validation, settings, loop=loop, checkpoint=checkpoint, progress=progress
    )


@dataclass
class Trained(Kept[Spikes2VideoSettings, Fitted]):
    """Trains what is asked for and keeps it; see `calibration.training.kept.Kept`."""

    material: Material
    train_one: Callable[..., Fitted] = field(default=train_one, kw_only=True, repr=False)
