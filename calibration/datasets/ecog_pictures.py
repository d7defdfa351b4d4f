"""Drawings of five kinds of things, in grey: animals, chairs, faces, fruits, vehicles.

What makes a thing of its kind is the drawing; six numbers make it this one and no other; a view is another size, place
and turn of it. Every image gets one contrast, but for what is clipped, so that brightness tells no category.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.photographs import normalise, shrink
from streamkit.errors import require

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Array = NDArray[np.float32]
FINER = 4
"""Times as many pixels a side, drawn and then averaged: smooth edges."""
MID = 128
N_TRAITS = 6


@dataclass(frozen=True)
class Picture:
    """One image: its file name, what it shows, and its pixels ``(size, size)`` in [0, 1]."""

    name: str
    category: str
    exemplar: int
    view: int
    image: Array


@dataclass(frozen=True)
class Pen:
    """Draws in a square from -1 to 1, seen at a scale and shifted."""

    draw: ImageDraw
    side: int
    scale: float
    shift: tuple[float, float]

    def at(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        """Pixels of these points."""
        half = self.side / 2
        return [tuple(half * (1 + self.scale * v + s) for v, s in zip(p, self.shift, strict=True)) for p in points]  # type: ignore[misc]

    def oval(self, x: float, y: float, width: float, height: float, shade: int) -> None:
        """An ellipse around a point, of half its width and height."""
        self.draw.ellipse(self.at((x - width, y - height), (x + width, y + height)), fill=shade)

    def area(self, *points: tuple[float, float], shade: int) -> None:
        """A polygon."""
        self.draw.polygon(self.at(*points), fill=shade)

    def box(self, left: float, top: float, right: float, bottom: float, shade: int) -> None:
        """A rectangle."""
        self.area((left, top), (right, top), (right, bottom), (left, bottom), shade=shade)


def animal(pen: Pen, t: NDArray[np.float64]) -> None:
    """A body on four legs, with head, ear and tail; traits: length, legs, head, neck, shade, tail."""
    shade, long, legs = int(30 + 50 * t[4]), 0.4 + 0.25 * t[0], 0.25 + 0.3 * t[1]
    pen.oval(0, 0, long, 0.25, shade)
    for x in (-0.8 * long, -0.45 * long, 0.4 * long, 0.75 * long):
        pen.box(x - 0.05, 0.1, x + 0.05, 0.2 + legs, shade)
    head = 0.12 + 0.1 * t[2]
    up = -0.2 - 0.25 * t[3]
    pen.area((long - 0.2, 0), (long, up), (long + 0.1, up), (long, 0.1), shade=shade)
    pen.oval(long + 0.1, up, head * 1.3, head, shade)
    pen.area((long, up - head), (long + 0.06, up - 2 * head), (long + 0.12, up - head), shade=shade)
    pen.area((-long + 0.05, -0.1), (-long - 0.3 * t[5] - 0.1, -0.4 + 0.5 * t[5]), (-long + 0.05, 0.02), shade=shade)


def chair(pen: Pen, t: NDArray[np.float64]) -> None:
    """Seat, back and four legs; traits: width, back, legs, bars, shade, thickness."""
    shade, wide, thick = int(200 + 50 * t[4]), 0.35 + 0.2 * t[0], 0.04 + 0.05 * t[5]
    high, low = -0.4 - 0.4 * t[1], 0.5 + 0.35 * t[2]
    pen.box(-wide, 0, wide, 2 * thick, shade)
    for x in (-wide, -0.5 * wide, 0.5 * wide - thick, wide - thick):
        pen.box(x, 0, x + thick, low if abs(x) > 0.6 * wide else 0.8 * low, shade)
    for x in np.linspace(-wide, wide - thick, 2 + round(3 * t[3])):
        pen.box(x, high, x + thick, 0, shade)
    pen.box(-wide, high, wide, high + 2 * thick, shade)


def face(pen: Pen, t: NDArray[np.float64]) -> None:
    """Head, hair, eyes, nose and mouth; traits: width, hair, eyes' distance, their size, shade, mouth."""
    shade, wide = int(190 + 50 * t[4]), 0.45 + 0.2 * t[0]
    pen.oval(0, -0.08, wide + 0.07, 0.78, 40)
    pen.oval(0, 0.08 + 0.1 * t[1], wide, 0.68, shade)
    apart, eye = 0.16 + 0.12 * t[2], 0.06 + 0.05 * t[3]
    for x in (-apart, apart):
        pen.oval(x, -0.08, 1.5 * eye, eye, 245)
        pen.oval(x, -0.08, 0.8 * eye, eye, 15)
        pen.box(x - 1.6 * eye, -0.26, x + 1.6 * eye, -0.22, 50)
    pen.area((0, -0.02), (0.08, 0.22), (-0.08, 0.22), shade=shade - 60)
    pen.oval(0, 0.42, 0.14 + 0.14 * t[5], 0.04 + 0.06 * t[1], 60)


def fruit(pen: Pen, t: NDArray[np.float64]) -> None:
    """A round body with light on it, stem and leaf; traits: width, height, light, leaf, shade, stem."""
    shade, wide, high = int(60 + 60 * t[4]), 0.4 + 0.25 * t[0], 0.4 + 0.25 * t[1]
    for step in range(8):
        part = 1 - step / 8
        pen.oval(-0.25 * wide * (1 - part), -0.25 * high * (1 - part), wide * part, high * part, shade + 14 * step)
    pen.box(-0.03, -high - 0.12 - 0.2 * t[5], 0.03, -high + 0.05, 30)
    leaf = 0.15 + 0.25 * t[3]
    pen.area((0, -high), (leaf, -high - 0.5 * leaf), (1.4 * leaf, -high + 0.05), shade=int(60 + 80 * t[2]))


def vehicle(pen: Pen, t: NDArray[np.float64]) -> None:
    """Body, cabin, windows and wheels; traits: length, cabin, wheels, its place, shade, windows."""
    shade, long, wheel = int(20 + 60 * t[4]), 0.6 + 0.25 * t[0], 0.12 + 0.1 * t[2]
    left, right, top = -0.6 * long + 0.3 * t[3], 0.5 * long, -0.25 - 0.25 * t[1]
    pen.box(-long, -0.05, long, 0.3, shade)
    pen.area((left, -0.05), (left + 0.15, top), (right - 0.15, top), (right, -0.05), shade=shade)
    middle = (left + right) / 2
    pen.box(left + 0.17, top + 0.06, middle - 0.03, -0.06, int(170 + 70 * t[5]))
    pen.box(middle + 0.03, top + 0.06, right - 0.17, -0.06, int(170 + 70 * t[5]))
    for x in (-0.6 * long, 0.6 * long):
        pen.oval(x, 0.3, wheel, wheel, 10)
        pen.oval(x, 0.3, 0.5 * wheel, 0.5 * wheel, 190)


DRAWERS: dict[str, Callable[[Pen, NDArray[np.float64]], None]] = {
    "animals": animal,
    "chairs": chair,
    "faces": face,
    "fruits": fruit,
    "vehicles": vehicle,
}
CATEGORIES = tuple(DRAWERS)


def draw(category: str, traits: NDArray[np.float64], view: int, size: int, rng: np.random.Generator) -> Array:
    """One view of one thing: ``(size, size)`` in [0, 1]; view 0 is upright, in the middle, of the usual size.

    Parameters
    ----------
    traits
        ``(N_TRAITS,)`` in [0, 1].
    rng
        Draws size, place and turn of the other views.
    """
    scale = 0.9 if view == 0 else float(rng.uniform(0.6, 1.05))
    shift = (0.0, 0.0) if view == 0 else tuple(rng.uniform(-0.15, 0.15, 2).tolist())
    turn = 0.0 if view == 0 else float(rng.uniform(-20, 20))
    side = size * FINER
    image: Any = require("PIL.Image", "images", "drawing the images of a world")
    canvas = image.new("L", (side, side), MID)
    pen = require("PIL.ImageDraw", "images", "drawing the images of a world").Draw(canvas)
    DRAWERS[category](Pen(pen, side, scale, shift), traits)
    turned = canvas.rotate(turn, resample=image.Resampling.BILINEAR, fillcolor=MID)
    return shrink(np.asarray(turned, np.float32) / np.float32(255), size)


def pictures(
    categories: tuple[str, ...], exemplars: int, views: int, size: int, contrast: float, rng: np.random.Generator
) -> list[Picture]:
    """All images of a world: category by category, thing by thing, view by view."""
    found = []
    for category in categories:
        for exemplar in range(exemplars):
            traits = rng.uniform(size=N_TRAITS)
            for view in range(views):
                image = normalise(draw(category, traits, view, size, rng), contrast)
                found.append(
                    Picture(f"{category}_{exemplar}{'abcdefghij'[view % 10]}.png", category, exemplar, view, image)
                )
    return found
