"""Clips of a trial: a fixation spot, one of four cues, then dots of one colour that move in one direction.

After the task of Siegel, Buschman and Miller 2015 (Science 348:1352), at the size and rate at which Zhang et al. decode
it. Dots leave the frame on one side and come back on the other; all of them move alike. Values are those of 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dots_config import N_CUES, Clip
from calibration.spikes2video.material import Conditions, Stages

Mask = NDArray[np.float32]
Pixels = NDArray[np.uint8]

BACKGROUND = 0.1
"""Grey of the empty screen, in [0, 1]."""
SPOT = 1.2
"""Radius of the fixation spot, pixels of a side of 32."""
FINE = 4
"""Points a pixel's side is sampled at where a cue is drawn."""


def stages_of(clip: Clip) -> Stages:
    """Frames of each stage."""
    return Stages(clip.fixation, clip.cue, clip.stimulus)


def conditions_of(clip: Clip) -> Conditions:
    """All combinations of cue, colour and direction, the direction changing fastest."""
    cues, colours, directions = zip(*product(range(N_CUES), clip.colours, clip.directions), strict=True)
    return Conditions(np.array(cues, np.intp), np.array(colours, np.float64), np.array(directions, np.float64))


def cue_mask(cue: int, side: int) -> Mask:
    """How much of each pixel a cue covers, ``(side, side)``: a disc, a square, a triangle or a cross."""
    fine = (np.arange(side * FINE) + 0.5) / (side * FINE) * 2 - 1
    y, x = np.meshgrid(-fine, fine, indexing="ij")  # up and right are positive
    inside = (
        x**2 + y**2 < 0.6**2,
        np.maximum(abs(x), abs(y)) < 0.52,
        (y > -0.5) & (abs(x) < (0.7 - y) * 0.55),
        (np.minimum(abs(x), abs(y)) < 0.18) & (np.maximum(abs(x), abs(y)) < 0.7),
    )[cue]
    return inside.reshape(side, FINE, side, FINE).mean((1, 3)).astype(np.float32)


def spot_mask(side: int) -> Mask:
    """How much of each pixel the fixation spot covers."""
    centre = np.full((1, 2), side / 2)
    return discs(centre, SPOT * side / 32, side)


def discs(centres: NDArray[np.floating], radius: float, side: int) -> Mask:
    """How much of each pixel discs cover: ``(n, 2)`` rows and columns to ``(side, side)``; the frame's edges meet."""
    at = np.arange(side) + 0.5
    apart = np.abs(at[None, None] - centres[:, :, None]) % side  # (n, 2, side)
    apart = np.minimum(apart, side - apart)
    distance = np.hypot(apart[:, 0, :, None], apart[:, 1, None, :])
    return np.clip(radius + 0.5 - distance, 0, 1).max(0).astype(np.float32)


def dot_masks(clip: Clip, direction: float, rng: np.random.Generator) -> Mask:
    """How much of each pixel dots cover while they move: ``(stimulus, side, side)``."""
    start = rng.uniform(0, clip.side, (clip.dots, 2))
    angle = np.deg2rad(direction)
    step = clip.speed * np.array([-np.sin(angle), np.cos(angle)])  # rows grow downwards
    return np.stack([discs((start + k * step) % clip.side, clip.radius, clip.side) for k in range(clip.stimulus)])


def painted(mask: Mask, colour: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float32]:
    """Masks ``(…, side, side)`` in a colour on the background: ``(3, …, side, side)``."""
    ink = np.asarray(colour, np.float32).reshape(3, *(1,) * mask.ndim)
    return BACKGROUND + mask * (ink - np.float32(BACKGROUND))


def clips_of(clip: Clip, rng_of: Sequence[np.random.Generator]) -> Pixels:
    """Every clip of every condition: uint8 ``(n_conditions * clips, 3, n_frames, side, side)``.

    Row ``condition * clips + k`` is clip k of a condition.

    Parameters
    ----------
    rng_of
        A generator for each clip of a condition, which draws where its dots start: the same in all conditions.
    """
    white, spot = (1.0, 1.0, 1.0), spot_mask(clip.side)
    starts = [rng.bit_generator.state for rng in rng_of]
    moving = {}
    for direction, (k, rng) in product(clip.directions, enumerate(rng_of)):
        rng.bit_generator.state = starts[k]
        moving[direction, k] = dot_masks(clip, direction, rng)
    fixation = np.repeat(painted(spot, white)[:, None], clip.fixation, axis=1)
    made = []
    for cue, colour, direction in product(range(N_CUES), clip.colours, clip.directions):
        shape = np.maximum(cue_mask(cue, clip.side), spot)
        cued = np.repeat(painted(shape, white)[:, None], clip.cue, axis=1)
        for k in range(clip.clips):
            made.append(np.concatenate([fixation, cued, painted(moving[direction, k], colour)], axis=1))
    return np.rint(np.stack(made) * 255).astype(np.uint8)


def sheet_size(n_frames: int) -> tuple[int, int]:
    """Rows and columns of the sheet that shows so many frames at once, as near to a square as they go; 45 are 5 x 9."""
    rows = next(rows for rows in range(int(n_frames**0.5), 0, -1) if n_frames % rows == 0)
    return rows, n_frames // rows


def sheet(clip: NDArray, size: tuple[int, int] | None = None) -> NDArray:
    """Frames side by side, row by row: ``(C, n_frames, H, W)`` to ``(C, rows H, columns W)``."""
    colours, n_frames, height, width = clip.shape
    rows, columns = size or sheet_size(n_frames)
    cells = clip.reshape(colours, rows, columns, height, width)
    return np.ascontiguousarray(cells.transpose(0, 1, 3, 2, 4)).reshape(colours, rows * height, columns * width)


def unsheet(image: NDArray, n_frames: int) -> NDArray:
    """The way back: ``(C, rows H, columns W)`` to ``(C, n_frames, H, W)``."""
    colours, height, width = image.shape
    rows, columns = sheet_size(n_frames)
    cells = image.reshape(colours, rows, height // rows, columns, width // columns)
    return np.ascontiguousarray(cells.transpose(0, 1, 3, 2, 4)).reshape(
        colours, n_frames, height // rows, width // columns
    )
