"""How much noise a diffusion has at each of its times, and the step from one time to the one before.

Sources: Ho et al. 2020, arXiv 2006.11239 (DDPM, the linear schedule, eq. 7); Song et al. 2021, arXiv 2010.02502 (DDIM,
eq. 12 and 16); Nichol & Dhariwal 2021, arXiv 2102.09672 (the cosine schedule, section 3.2); Salimans & Ho 2022,
arXiv 2202.00512 (v); Rombach et al. 2022, arXiv 2112.10752 (scaled_linear).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Schedule = Literal["linear", "scaled_linear", "cosine"]
Prediction = Literal["epsilon", "sample", "v"]
Spacing = Literal["leading", "trailing"]
Sample = NDArray[np.floating[Any]]

LARGEST_BETA = 0.999
COSINE_OFFSET = 0.008


def signal_left(schedule: Schedule, train_steps: int, beta_start: float, beta_end: float) -> NDArray[np.float64]:
    """Part of the variance that is signal at each time: the product of all 1 - beta so far, ``(train_steps,)``.

    Parameters
    ----------
    schedule
        ``"linear"``: betas from `beta_start` to `beta_end`; ``"scaled_linear"``: their roots; ``"cosine"``: neither.
    """
    if schedule == "cosine":
        progress = (np.arange(train_steps + 1) / train_steps + COSINE_OFFSET) / (1 + COSINE_OFFSET)
        level = np.cos(progress * np.pi / 2) ** 2
        betas = np.minimum(1 - level[1:] / level[:-1], LARGEST_BETA)
    elif schedule == "linear":
        betas = np.linspace(beta_start, beta_end, train_steps)
    else:
        betas = np.linspace(beta_start**0.5, beta_end**0.5, train_steps) ** 2
    return np.asarray(np.cumprod(1 - betas), np.float64)


def times(spacing: Spacing, train_steps: int, steps: int) -> NDArray[np.int64]:
    """Times to visit, from the noisiest on: ``(steps,)``, each below `train_steps`.

    ``"leading"`` ends at time 0, ``"trailing"`` begins at the last one.
    """
    if spacing == "leading":
        return np.arange(steps)[::-1] * (train_steps // steps)
    return np.round(np.arange(steps, 0, -1) * (train_steps / steps)).astype(np.int64) - 1


@dataclass(frozen=True)
class Step:
    """From one time to the one before.

    Attributes
    ----------
    time
        As the network was trained with.
    signal, signal_after
        Part of the variance that is signal, before and after the step.
    eta
        DDIM's: 0 adds no noise, 1 as much as DDPM does.
    """

    time: int
    signal: float
    signal_after: float
    eta: float

    @property
    def noise(self) -> float:
        """Standard deviation of the noise that the step adds."""
        kept = self.signal / self.signal_after
        return self.eta * math.sqrt((1 - self.signal_after) / (1 - self.signal) * (1 - kept))

    def split(self, x: Sample, said: Sample, prediction: Prediction) -> tuple[Sample, Sample]:
        """What the network takes for the clean sample and for the noise in `x`."""
        root, rest = math.sqrt(self.signal), math.sqrt(1 - self.signal)
        if prediction == "epsilon":
            return (x - rest * said) / root, said
        if prediction == "sample":
            return said, (x - root * said) / rest
        return root * x - rest * said, root * said + rest * x

    def ddim(self, clean: Sample, noise: Sample) -> Sample:
        """Mean after the step (DDIM, eq. 12)."""
        left = max(0.0, 1 - self.signal_after - self.noise**2)
        return math.sqrt(self.signal_after) * clean + math.sqrt(left) * noise

    def ddpm(self, x: Sample, clean: Sample) -> Sample:
        """Mean after the step (DDPM, eq. 7); the noise it wants is that of ``eta = 1``."""
        kept = self.signal / self.signal_after
        from_clean = math.sqrt(self.signal_after) * (1 - kept) / (1 - self.signal)
        return from_clean * clean + math.sqrt(kept) * (1 - self.signal_after) / (1 - self.signal) * x


def steps_of(signal: NDArray[np.float64], visited: NDArray[np.int64], eta: float) -> tuple[Step, ...]:
    """The steps through the times `visited`; after the last nothing but signal is left."""
    after = [*signal[visited[1:]].tolist(), 1.0]
    return tuple(
        Step(int(time), float(signal[time]), then, eta) for time, then in zip(visited.tolist(), after, strict=True)
    )
