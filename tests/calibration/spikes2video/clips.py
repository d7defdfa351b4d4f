"""Small clips (simulated): a bar for the cue, then a coloured pattern that drifts; counts that tell of them."""

from __future__ import annotations

from functools import cache

import numpy as np

from calibration.spikes2video.material import Conditions, Stages, Trials

STAGES = Stages(3, 6, 18)
SIZE = 16
COLOURS = np.array([[0.9, 0.2, 0.2], [0.2, 0.9, 0.2], [0.3, 0.3, 0.9], [0.8, 0.8, 0.1]])
DIRECTIONS = np.array([90.0, 30.0, -30.0, -90.0])
REGION = np.repeat(["PFC", "MT", "V4"], 4)


def conditions(n_cues: int = 2, n_colours: int = 2, n_directions: int = 2) -> Conditions:
    """Every combination of the first few of each."""
    cue, colour, direction = (
        axis.ravel() for axis in np.meshgrid(range(n_cues), range(n_colours), range(n_directions), indexing="ij")
    )
    return Conditions(cue.astype(np.intp), COLOURS[colour], DIRECTIONS[direction])


def clip(cue: int, colour: np.ndarray, direction: float, stages: Stages = STAGES, size: int = SIZE) -> np.ndarray:
    """``(3, n_frames, size, size)`` uint8."""
    made = np.full((3, stages.n_frames, size, size), 0.5)
    at = 2 + (size - 4) * cue // 4
    made[:, stages.frames("cue"), at : at + 2] = 1.0
    y, x = np.mgrid[:size, :size].astype(float)
    radians = np.radians(direction)
    for k in range(stages.stimulus):
        u, v = x - 0.7 * k * np.cos(radians), y + 0.7 * k * np.sin(radians)
        grey = 0.5 + 0.25 * (np.sin(2 * np.pi * u / 11 + 1) + np.sin(2 * np.pi * v / 13))
        made[:, stages.fixation + stages.cue + k] = np.asarray(colour)[:, None, None] * grey
    return np.round(255 * np.clip(made, 0, 1)).astype(np.uint8)


def trials(per_condition: int = 4, signal: float = 1.0, seed: int = 0, shows: Conditions | None = None) -> Trials:
    """Counts whose rates follow the condition by `signal`, and one clip for each condition."""
    return _trials(per_condition, signal, seed) if shows is None else _made(per_condition, signal, seed, shows)


@cache
def _trials(per_condition: int, signal: float, seed: int) -> Trials:
    return _made(per_condition, signal, seed, conditions())


def _made(per_condition: int, signal: float, seed: int, shows: Conditions) -> Trials:
    rng, tuning = np.random.default_rng(seed), np.random.default_rng(99)
    log_rate = 1.5 + signal * 0.6 * tuning.standard_normal((len(shows), STAGES.n_frames, len(REGION)))
    condition = np.repeat(np.arange(len(shows)), per_condition)
    X = rng.poisson(np.exp(log_rate[condition])).astype(np.float32)
    videos = np.stack([clip(*show) for show in zip(shows.cue, shows.colour, shows.direction, strict=True)])
    return Trials(X, condition, REGION, videos, condition.copy(), shows, STAGES)
