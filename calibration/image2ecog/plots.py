"""Figures that only image to ECoG has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from calibration.image2ecog.heatmap import heat_map
from calibration.image2ecog.scores import R
from calibration.plots import CHANCE, SEEN, figure
from calibration.tables import plots
from calibration.tables.plots import bare, nothing
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

dots = partial(plots.dots, paper="ecog")


def regions(table: Table) -> Figure:
    """Correlation, squared error and explained variance, region by region; thin regions are not drawn."""
    return dots(Table([line for line in table.rows if not line.get("excluded")], table.arrays))


def subject_matrix(table: Table) -> Figure:
    """Subjects by regions; grey where a subject has no electrode."""
    values, names, labels = (table.arrays[key] for key in ("matrix", "subjects", "regions"))
    drawn = figure(2.2 + 0.55 * len(labels), 2.2 + 0.32 * len(names))
    axes = drawn.subplots()
    axes.set_facecolor("0.85")
    limit = float(np.nanmax(np.abs(values))) or 1.0
    shown = axes.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    drawn.colorbar(shown, ax=axes, shrink=0.8, label=R)
    return drawn


def cortex(table: Table) -> Figure:
    """Heat map of r less chance, where positions are known."""
    if "position" not in table.arrays:
        return nothing(table)
    return heat_map(table.arrays["position"], table.arrays["r above chance"], "r above chance")


def snr(table: Table) -> Figure:
    """Signal to noise of every channel against its correlation; scores of the best channels beside it."""
    drawn = figure(7.6, 3.2)
    panels = drawn.subplots(1, 2)
    ratio, r = table.arrays["snr and r"]
    panels[0].scatter(ratio, r, s=12, color=SEEN)
    panels[0].set(xlabel="signal to noise on training trials", ylabel=R)
    lines = [line for line in table.rows if "share" in line]
    at = [line["share"] for line in lines]
    panels[1].plot(at, [line["value"] for line in lines], "o-", color=SEEN)
    panels[1].plot(at, [line["chance"] for line in lines], color=CHANCE, ls="--")
    panels[1].set(xlabel="share of channels, the best first", ylabel=R)
    for axes in panels:
        bare(axes)
    return drawn


def two_by_two(table: Table) -> Figure:
    """The four pairs, over all channels."""
    lines = [line for line in table.rows if "region" not in line]
    return dots(Table(lines, table.arrays))
