"""Figures that only these experiments have: clips beside reconstructions, and points in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.plots import figure
from calibration.tables.plots import bare, dots
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = "shown"
MOST_KINDS = 10
"""Kinds that have colours of their own; more are drawn as numbers on a scale."""


def clips(table: Table) -> Figure:
    """Frames of some conditions: what was shown, and below it what each array of the table has instead."""
    names = list(table.arrays)
    first = table.arrays[names[0]]  # (n_conditions, n_frames, height, width, 3)
    n, frames = first.shape[:2]
    drawn = figure(0.62 * frames * n + 1.2, 0.75 * len(names) + 0.2)
    panels = drawn.subplots(len(names), n, squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for axes, frames_of in zip(row, table.arrays[name], strict=True):
            axes.imshow(np.clip(np.concatenate(list(frames_of), axis=1), 0, 1), interpolation="nearest")
            axes.set_xticks([], [])
            axes.set_yticks([], [])
        row[0].set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center")
    return drawn


def some_frames(clip: NDArray[np.floating], at: tuple[int, ...]) -> NDArray[np.floating]:
    """``(n, 3, n_frames, height, width)`` to ``(n, frames, height, width, 3)``, as `clips` draws them."""
    return clip[:, :, list(at)].transpose(0, 2, 3, 4, 1)


def layouts(table: Table) -> Figure:
    """Every layout of the table, one panel each, coloured by its kinds or values.

    An array ``"NAME at"`` has the points ``(n, 2)``, ``"NAME kind"`` their kinds or values ``(n,)``.
    """
    names = [name.removesuffix(" at") for name in table.arrays if name.endswith(" at")]
    if not names:
        return dots(table)
    across = min(4, len(names))
    down = -(-len(names) // across)
    drawn = figure(3.6 * across, 3.2 * down)
    panels = drawn.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _scatter(drawn, axes, table.arrays[f"{name} at"], table.arrays[f"{name} kind"])
        axes.set_title(name, fontsize=9)
    for spare in panels[len(names) :]:
        spare.set_axis_off()
    return drawn


def _scatter(drawn: Figure, axes: Axes, at: NDArray, kind: NDArray) -> None:
    names = list(dict.fromkeys(kind.tolist()))
    if all(str(name).isdigit() for name in names):
        names.sort(key=int)
    if kind.dtype.kind in "US" and len(names) <= MOST_KINDS:
        for number, name in enumerate(names):
            axes.scatter(*at[kind == name].T, s=8, color=f"C{number}", label=name, lw=0)
        axes.legend(frameon=False, fontsize=6, markerscale=1.5)
    else:
        values = kind.astype(float) if kind.dtype.kind not in "US" else np.unique(kind, return_inverse=True)[1]
        drawn.colorbar(axes.scatter(*at.T, s=8, c=values, cmap="viridis", lw=0), ax=axes, shrink=0.7)
    axes.set_xticks([], [])
    axes.set_yticks([], [])
    bare(axes)
