"""Films made of photographs: a square window drifts over one of them for a few seconds, then comes the next shot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.movie_config import Film
from calibration.datasets.photographs import load_colour, shrink

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One run of a film.

    Attributes
    ----------
    frames
        uint8 ``(n, 3, side, side)``.
    shot
        ``(n,)`` number of the shot that each frame is of.
    photograph
        ``(n,)`` name of what each frame was cut from.
    """

    frames: Frames
    shot: NDArray[np.intp]
    photograph: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.frames)


def film_of(film: Film, photographs: tuple[str, ...], n_frames: int, rng: np.random.Generator) -> Shown:
    """A film of so many frames; photographs follow each other in random order, each before any comes again."""
    frames: list[Frames] = []
    shots: list[int] = []
    names: list[str] = []
    turn: list[str] = []
    while len(frames) < n_frames:
        turn = turn or rng.permutation(photographs).tolist()
        name = turn.pop()
        length = min(int(rng.integers(film.shot[0], film.shot[1] + 1)), n_frames - len(frames))
        number = shots[-1] + 1 if shots else 0
        frames += shot_of(film, load_colour(name), length, rng)
        shots += [number] * length
        names += [name] * length
    return Shown(np.stack(frames), np.array(shots, np.intp), np.array(names, np.str_))


def shot_of(film: Film, photograph: NDArray[np.float32], length: int, rng: np.random.Generator) -> list[Frames]:
    """One shot: a window that drifts in a line and turns back at the edges of the photograph."""
    sides = np.array(photograph.shape[1:])
    window = max(film.side, round(float(rng.uniform(*film.window)) * int(sides.min())))
    window = min(window, int(sides.min()))
    room = sides - window
    corner, angle = rng.uniform(0, 1, 2) * room, rng.uniform(0, 2 * np.pi)
    step = rng.uniform(0.3, 1.0) * film.travel * window * np.array([np.sin(angle), np.cos(angle)])
    made = []
    for k in range(length):
        top, left = np.round(reflected(corner + k * step, room)).astype(int)
        square = photograph[:, top : top + window, left : left + window]
        made.append(as_frame(square, film.side))
    return made


def reflected(place: NDArray[np.float64], room: NDArray[np.integer]) -> NDArray[np.float64]:
    """A place that turns back at 0 and at the end of the room."""
    twice = np.maximum(2 * room, 1e-9)
    folded = np.mod(place, twice)
    return np.where(room > 0, np.minimum(folded, twice - folded), 0.0)


def as_frame(square: NDArray[np.float32], side: int) -> Frames:
    """A square of a photograph, ``(3, s, s)`` in [0, 1], averaged down to ``(3, side, side)`` of whole steps."""
    small = np.stack([shrink(plane, side) for plane in square])
    return np.round(255 * np.clip(small, 0, 1)).astype(np.uint8)
