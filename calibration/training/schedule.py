"""The learning rate, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from calibration.training.settings import LoopSettings

FLOOR = 1e-3
"""Share of the learning rate at the end of a cosine, where the settings name no lowest."""


def factor_of(settings: LoopSettings, batches: int) -> Callable[[int], float]:
    """Share of the learning rate at each step, counted from 0.

    Parameters
    ----------
    batches
        Steps in an epoch.
    """
    steps = settings.epochs * batches
    warm = warm_steps(settings.warm_up, steps)

    def cosine(step: int) -> float:
        part, least = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))), settings.least / settings.lr
        return least + (1 - least) * part if least else part + FLOOR

    def stairs(step: int) -> float:
        return settings.gamma ** (step // batches // settings.step)

    shape = {"cosine": cosine, "step": stairs}.get(settings.schedule, lambda step: 1.0)
    return lambda step: min((step + 1) / warm, shape(step))


def warm_steps(warm_up: float, steps: int) -> int:
    """Number of steps the learning rate climbs: `warm_up` is a share of `steps` below 1, else the number."""
    return max(1, int(warm_up * steps) if warm_up < 1 else int(warm_up))


def plateaus(settings: LoopSettings, validation: Sequence[float]) -> int:
    """How often the validation loss had not fallen for ``settings.plateau`` epochs, counted anew after each time."""
    lowest, waited, found = math.inf, 0, 0
    for loss in validation:
        lowest, waited = (loss, 0) if loss < lowest else (lowest, waited + 1)
        if waited == settings.plateau:
            found, waited = found + 1, 0
    return found


def after_plateaus(settings: LoopSettings, validation: Sequence[float]) -> float:
    """Share of the learning rate in the next epoch; 1 for every schedule but ``"plateau"``."""
    if settings.schedule != "plateau":
        return 1.0
    share = settings.gamma ** min(plateaus(settings, validation), settings.decays)
    return max(share, min(1.0, settings.least / settings.lr))
