"""Where electrodes of the international 10-10 system lie on a head seen from above."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

RING = {"FP": 18, "AF": 36, "F": 54, "FT": 72, "FC": 72, "T": 90, "C": 90, "TP": 108, "CP": 108, "P": 126, "PO": 144}
RING |= {"O": 162}
"""Degrees from the nose at which a row of electrodes meets the ring through T7, Oz, T8 and Fpz."""

RADIUS, OUTER = 0.8, 1.0
OLD = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
ENOUGH = 0.6
"""Part of the channels that must have a place for there to be a map."""

Place = tuple[float, float]


def place(name: str) -> Place | None:
    """Right of and in front of the vertex, head radius 1; None for a name that is not of the system.

    Source: Oostenveld & Praamstra 2001, Clin. Neurophysiol. 112:713 (the ten-percent system), drawn flat.
    """
    name = OLD.get(name.strip().upper(), name.strip().upper())
    found = re.fullmatch(r"(FP|AF|FT|FC|TP|CP|PO|F|T|C|P|O)(Z|10|[1-9])", name)
    if found is None:
        return None
    row, column = found.groups()
    angle = np.deg2rad(RING[row])
    front = RADIUS * float(np.cos(angle))
    if column == "Z":
        return (0.0, RADIUS * (1 - RING[row] / 90)) if row not in ("T", "FT", "TP") else None
    number = int(column)
    side = -1 if number % 2 else 1
    step = 4 if row in ("FP", "O") else (number + 1) // 2
    if step == 5:
        return side * OUTER * float(np.sin(angle)), OUTER * float(np.cos(angle))
    middle, part = RADIUS * (1 - RING[row] / 90), step / 4
    return side * part * RADIUS * float(np.sin(angle)), middle + (front - middle) * part**2


def places(ch_names: Sequence[str]) -> list[Place | None]:
    """The place of each channel; all None where too few are of the system for a map."""
    found = [place(name) for name in ch_names]
    known = sum(each is not None for each in found)
    return found if known >= max(3, ENOUGH * len(found)) else [None] * len(found)
