"""Networks of one material, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibration.brain2pix.fit import Fitted, fit_brain2pix
from calibration.brain2pix.material import Material
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.progress import Progress
from calibration.training.kept import Kept


def train_one(
    material: Material,
    settings: Brain2PixSettings,
    loop: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train on the training runs; the validation runs pick the epoch, the test runs are not looked at."""
    return fit_brain2pix(
        material.train, material.validation, settings, loop=loop, checkpoint=checkpoint, progress=progress
    )


@dataclass
class Trained(Kept[Brain2PixSettings, Fitted]):
    """Trains what is asked for and keeps it; see `calibration.training.kept.Kept`."""

    material: Material
    train_one: Callable[..., Fitted] = field(default=train_one, kw_only=True, repr=False)
