"""Units of inferior temporal cortex, recorded one after another, as one population that watches clips.

Zhang & Desimone's seven objects at three positions (Meyers, Zhang, Desimone & Poggio 2011): a folder of R rasters, one
unit each, 1 ms bins from 500 ms before a picture to 500 ms after. The pictures themselves are not published with them;
schematic ones stand in. Of every unit the trials are split first and pseudo-trials are put together within one side of
the split, so that no trial is on both.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.material import Conditions, Stages, Trials
from streamkit.errors import RecordingError, require

Array = NDArray[np.floating]
Rows = NDArray[np.intp]

OBJECTS = ("car", "couch", "face", "flower", "guitar", "hand", "kiwi")
POSITIONS = ("upper", "middle", "lower")
CELLS = len(OBJECTS) * len(POSITIONS)
FEWEST = 15
"""Trials that a unit must have of every object at every position."""
WIDTH, HOP, FIRST = 300, 45, 40
"""Milliseconds of a window of counts, from one to the next, and before the first."""
STAGES = Stages(4, 7, 4)
"""15 windows of a trial: those that end before the picture, those that are partly before it, and the rest."""
SIZE, ICON = 16, 8
"""Pixels of a picture, and of the object in it."""


@dataclass(frozen=True)
class Unit:
    """One unit.

    Attributes
    ----------
    raster
        ``(n, 1000)`` spikes in 1 ms bins.
    cell
        ``(n,)`` object and position of each trial: three times the object's number, plus the position's.
    """

    name: str
    raster: NDArray[np.uint8]
    cell: Rows

    def rows_of_cells(self) -> list[Rows]:
        """Trials of each object and position, in the order in which they were recorded."""
        return [np.flatnonzero(self.cell == cell) for cell in range(CELLS)]


def read_units(folder: Path) -> list[Unit]:
    """Every unit with enough trials.

    Raises
    ------
    RecordingError
        When the folder holds no raster.
    """
    files = sorted(folder.rglob("*_raster_data.rda"))
    if not files:
        raise RecordingError(f"{folder} holds no *_raster_data.rda: give the folder of the data set")
    units = [read_unit(path) for path in files]
    return [unit for unit in units if min(len(rows) for rows in unit.rows_of_cells()) >= FEWEST]


def read_unit(path: Path) -> Unit:
    """One raster file."""
    rdata = require("rdata", "bench", "reading R rasters")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # the class of the table is not known to the reader; its columns are
        table = rdata.read_rda(path)["raster_data"]
    times = [name for name in table.columns if name.startswith("time.")]
    thing = np.array([OBJECTS.index(str(each)) for each in table["labels.stimulus_ID"]])
    place = np.array([POSITIONS.index(str(each)) for each in table["labels.stimulus_position"]])
    return Unit(path.stem, table[times].to_numpy().astype(np.uint8), thing * len(POSITIONS) + place)


def counts(raster: NDArray[np.uint8]) -> NDArray[np.float32]:
    """``(n, 1000)`` spikes to ``(n, 15)`` counts in overlapping windows."""
    starts = FIRST + HOP * np.arange(STAGES.n_frames)
    before = np.cumsum(np.pad(raster, ((0, 0), (1, 0))), axis=1, dtype=np.float32)
    return before[:, starts + WIDTH] - before[:, starts]


def blocks_of(units: Sequence[Unit], n_blocks: int) -> list[list[list[Rows]]]:
    """Trials by block, unit and cell: consecutive stretches of what was recorded of each cell."""
    split = [[np.array_split(rows, n_blocks) for rows in unit.rows_of_cells()] for unit in units]
    return [[[cells[block] for cells in unit] for unit in split] for block in range(n_blocks)]


def joined(blocks: Sequence[list[list[Rows]]]) -> list[list[Rows]]:
    """Several blocks as one: trials by unit and cell."""
    return [[np.concatenate(parts) for parts in zip(*cells, strict=True)] for cells in zip(*blocks, strict=True)]


def drawn(rows: list[list[Rows]], per_cell: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """``(cells x per_cell, n_units)`` trials of pseudo-trials that are drawn with replacement, cell by cell."""
    found = [[rng.choice(cell, per_cell) for cell in unit] for unit in rows]
    return np.array(found).reshape(len(rows), -1).T


def paired(rows: list[list[Rows]], rng: np.random.Generator) -> NDArray[np.intp]:
    """The same, every trial at most once: as many of a cell as every unit has."""
    fewest = min(len(cell) for unit in rows for cell in unit)
    found = [[rng.permutation(cell)[:fewest] for cell in unit] for unit in rows]
    return np.array(found).reshape(len(rows), -1).T


def pseudo_trials(units: Sequence[Unit], counted: Sequence[NDArray[np.float32]], chosen: NDArray[np.intp]) -> Pseudo:
    """Trials of the population.

    Parameters
    ----------
    counted
        ``(n_trials, 15)`` of each unit.
    chosen
        ``(n, n_units)``, cell by cell with as many rows each.
    """
    X = np.stack([each[chosen[:, k]] for k, each in enumerate(counted)], axis=2)
    cell = np.repeat(np.arange(CELLS), len(chosen) // CELLS)
    region = np.full(len(counted), "IT")
    trials = Trials(X, cell, region, clips(), cell.copy(), shows(), STAGES, sfreq=1000 / HOP)
    return Pseudo(trials, units, chosen)


@dataclass(frozen=True)
class Pseudo:
    """Pseudo-trials, and which trial of each unit they are made of, ``(n, n_units)``."""

    trials: Trials
    units: Sequence[Unit]
    chosen: NDArray[np.intp]

    def in_span(self, span: tuple[int, int]) -> NDArray[np.float32]:
        """``(n, n_units)`` spikes from one time to the other, milliseconds after the picture."""
        at = slice(span[0] + 500, span[1] + 500)
        each = [unit.raster[rows, at].sum(1) for unit, rows in zip(self.units, self.chosen.T, strict=True)]
        return np.stack(each, axis=1).astype(np.float32)


def shows() -> Conditions:
    """What the cells show: the number of the object stands for the cue; nothing has a colour or moves."""
    return Conditions(np.arange(CELLS) // len(POSITIONS), np.zeros((CELLS, 3)), np.zeros(CELLS))


def clips() -> NDArray[np.uint8]:
    """``(21, 3, 15, SIZE, SIZE)``: grey before the picture, then the picture."""
    made = np.full((CELLS, 3, STAGES.n_frames, SIZE, SIZE), 128, np.uint8)
    made[:, :, STAGES.fixation :] = pictures()[:, :, None]
    return made


def pictures() -> NDArray[np.uint8]:
    """``(21, 3, SIZE, SIZE)`` every object at every position, on grey."""
    made = np.full((CELLS, 3, SIZE, SIZE), 128, np.uint8)
    left = (SIZE - ICON) // 2
    for thing, name in enumerate(OBJECTS):
        for place in range(len(POSITIONS)):
            top = place * (SIZE - ICON) // (len(POSITIONS) - 1)
            made[thing * len(POSITIONS) + place, :, top : top + ICON, left : left + ICON] = icon(name)
    return made


def icon(name: str) -> NDArray[np.uint8]:
    """``(3, ICON, ICON)`` schematic drawing, made eight times as large and reduced."""
    image, draw = (require(f"PIL.{part}", "train", "pictures of objects") for part in ("Image", "ImageDraw"))
    large = image.new("RGB", (8 * ICON, 8 * ICON), (128, 128, 128))
    pen = draw.Draw(large)
    for shape, edges, colour in DRAWINGS[name]:
        getattr(pen, shape)([round(8 * ICON * edge) for edge in edges], fill=colour)
    return np.asarray(large.resize((ICON, ICON), image.Resampling.BOX)).transpose(2, 0, 1)


DRAWINGS: dict[str, tuple[tuple[str, tuple[float, ...], tuple[int, int, int]], ...]] = {
    "car": (
        ("rectangle", (0.0, 0.45, 1.0, 0.75), (200, 30, 30)),
        ("rectangle", (0.25, 0.2, 0.8, 0.5), (200, 30, 30)),
        ("ellipse", (0.1, 0.6, 0.38, 0.9), (20, 20, 20)),
        ("ellipse", (0.62, 0.6, 0.9, 0.9), (20, 20, 20)),
    ),
    "couch": (
        ("rectangle", (0.1, 0.15, 0.9, 0.6), (110, 60, 20)),
        ("rectangle", (0.0, 0.5, 1.0, 0.9), (150, 90, 40)),
    ),
    "face": (
        ("ellipse", (0.12, 0.0, 0.88, 1.0), (240, 200, 170)),
        ("rectangle", (0.28, 0.3, 0.42, 0.44), (20, 20, 20)),
        ("rectangle", (0.58, 0.3, 0.72, 0.44), (20, 20, 20)),
        ("rectangle", (0.32, 0.7, 0.68, 0.8), (150, 40, 40)),
    ),
    "flower": (
        ("rectangle", (0.44, 0.5, 0.56, 1.0), (20, 120, 20)),
        ("ellipse", (0.1, 0.0, 0.9, 0.7), (230, 60, 200)),
        ("ellipse", (0.38, 0.22, 0.62, 0.46), (250, 230, 40)),
    ),
    "guitar": (
        ("rectangle", (0.44, 0.0, 0.56, 0.5), (60, 30, 10)),
        ("ellipse", (0.28, 0.35, 0.72, 0.68), (230, 140, 30)),
        ("ellipse", (0.2, 0.55, 0.8, 1.0), (230, 140, 30)),
    ),
    "hand": (
        ("rectangle", (0.2, 0.45, 0.85, 1.0), (250, 220, 200)),
        ("rectangle", (0.22, 0.05, 0.36, 0.5), (250, 220, 200)),
        ("rectangle", (0.46, 0.0, 0.6, 0.5), (250, 220, 200)),
        ("rectangle", (0.7, 0.05, 0.84, 0.5), (250, 220, 200)),
    ),
    "kiwi": (
        ("ellipse", (0.0, 0.12, 1.0, 0.88), (90, 60, 30)),
        ("ellipse", (0.1, 0.2, 0.9, 0.8), (90, 170, 40)),
        ("ellipse", (0.38, 0.4, 0.62, 0.6), (240, 250, 210)),
    ),
}
"""Shapes in the unit square, one over the other."""
