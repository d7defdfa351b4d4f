"""Colours and sizes: dark and light, colour-blind-safe (after Okabe and Ito), one meaning per colour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """One set of colours, ``#rrggbb``.

    Attributes
    ----------
    window, panel, line, well
        Background, panels on it, hairlines, and the ground under images, bars and traces.
    text, dim
        Words and numbers; words that may be overlooked.
    accent
        What the model saw or predicted; nothing else.
    neutral
        What was shown or recorded; nothing else.
    warning
        What is wrong; nothing else.
    gap, hatch
        Where samples are missing.
    """

    name: str
    window: str
    panel: str
    well: str
    line: str
    text: str
    dim: str
    accent: str
    neutral: str
    warning: str
    gap: str
    hatch: str


DARK = Theme(
    name="dark",
    window="#12151a",
    panel="#1a1e25",
    well="#14171d",
    line="#2b313b",
    text="#e8ebf0",
    dim="#929cab",
    accent="#56b4e9",
    neutral="#c3cad4",
    warning="#e69f00",
    gap="#232830",
    hatch="#3d4551",
)

LIGHT = Theme(
    name="light",
    window="#eef0f3",
    panel="#ffffff",
    well="#f6f7f9",
    line="#d9dee5",
    text="#1b2027",
    dim="#5c6673",
    accent="#0072b2",
    neutral="#3d4650",
    warning="#d55e00",
    gap="#e9ecf0",
    hatch="#bcc4ce",
)

THEMES = {"dark": DARK, "light": LIGHT}


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def argb(colour: str) -> int:
    """One opaque 32-bit pixel."""
    red, green, blue = rgb(colour)
    return 0xFF000000 | red << 16 | green << 8 | blue


def mix(one: str, other: str, part: float) -> str:
    """A colour `part` of the way from `one` to `other`."""
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(rgb(one), rgb(other), strict=True))
