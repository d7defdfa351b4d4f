"""Where on the cortex responses are predicted: electrodes in two views, and a smooth map around them.

There is no surface to paint on, only positions: each view is a plane (from the side, from below), and its map is the
mean of electrodes weighted by a Gaussian of their distance in it, drawn where an electrode is near.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.plots import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.floating]
VIEWS: dict[str, tuple[int, int]] = {"from the side": (1, 2), "from below": (1, 0)}
"""Which axes of the position go right and up: x left to right, y back to front, z down to up."""
AXES = ("left to right", "back to front", "down to up")
WIDTH_MM, REACH_MM, STEP_MM = 8.0, 14.0, 2.0


def smooth_map(places: Array, values: Array, x: Array, y: Array) -> Array:
    """Weighted mean of electrodes on a grid ``(len(y), len(x))``; NaN where none is within `REACH_MM`.

    Parameters
    ----------
    places
        ``(n, 2)`` millimetres.
    values
        ``(n,)``.
    """
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    squared = ((grid[:, :, None] - places) ** 2).sum(-1)
    weights = np.exp(-squared / (2 * WIDTH_MM**2))
    made = (weights * values).sum(2) / np.maximum(weights.sum(2), 1e-300)
    return np.where(squared.min(2) <= REACH_MM**2, made, np.nan)


def heat_map(position: Array, values: Array, title: str = "r") -> Figure:
    """Draw the maps; electrodes without a position or value are left out.

    Parameters
    ----------
    position
        ``(n, 3)`` millimetres.
    values
        ``(n,)``.
    """
    known = np.isfinite(position).all(1) & np.isfinite(values)
    position, values = position[known], values[known]
    limit = float(np.abs(values).max()) or 1.0
    drawn = figure(4.2 * len(VIEWS) + 0.8, 3.4)
    panels = np.atleast_1d(drawn.subplots(1, len(VIEWS)))
    for axes, (view, (across, up)) in zip(panels, VIEWS.items(), strict=True):
        places = position[:, (across, up)]
        x, y = (np.arange(places[:, k].min() - 15, places[:, k].max() + 15, STEP_MM) for k in (0, 1))
        shown = axes.pcolormesh(x, y, smooth_map(places, values, x, y), cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.scatter(*places.T, c=values, cmap="RdBu_r", vmin=-limit, vmax=limit, s=14, edgecolors="black", lw=0.4)
        axes.set(xlabel=f"{AXES[across]} (mm)", ylabel=f"{AXES[up]} (mm)", title=f"{title}, {view}", aspect="equal")
    drawn.colorbar(shown, ax=list(panels), shrink=0.8, label=title)
    return drawn
