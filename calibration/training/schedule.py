"""The learning rate, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable

from calibration.training.settings import LoopSettings

FLOOR = 1e-3
"""Share of the learning rate at the end of a cosine."""


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
        return 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))) + FLOOR

    def stairs(step: int) -> float:
        return settings.gamma ** (step // batches // settings.step)

    shape = {"cosine": cosine, "step": stairs, "constant": lambda step: 1.0}[settings.schedule]
    return lambda step: min((step + 1) / warm, shape(step))


def warm_steps(warm_up: float, steps: int) -> int:
    """Number of steps the learning rate climbs: `warm_up` is a share of `steps` below 1, else the number."""
    return max(1, int(warm_up * steps) if warm_up < 1 else int(warm_up))
