"""Figures that only BrainAE's experiments have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from calibration.plots import SEEN, SHOWN, figure
from calibration.tables import plots
from calibration.tables.plots import bare, matrix
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

dots = partial(plots.dots, paper="eeg")


def scatters(table: Table) -> Figure:
    """What a part is worth to decoding against how well it is predicted, over channels and over time."""
    panels = [(name, metric) for name in ("channels", "time") for metric in ("top-1", "margin")]
    drawn = figure(3.4 * len(panels), 3.2)
    for axes, (name, metric) in zip(drawn.subplots(1, len(panels)), panels, strict=True):
        axes.scatter(table.arrays[f"{name} r"], table.arrays[f"{name} {metric}"], s=12, color=SEEN)
        value = table.value(name, f"consistency, {metric}")
        r = "not defined" if value is None else f"r = {value:.2f}"
        axes.set(xlabel="encoding r", ylabel=f"fall of {metric}", title=f"{name}, {r}")
        bare(axes)
    return drawn


def signals(table: Table) -> Figure:
    """Spectra of recorded and predicted responses, and how channels go together in them."""
    drawn = figure(15, 3.2)
    panels = drawn.subplots(1, 5)
    freqs = table.arrays["freqs"]
    for colour, name in ((SHOWN, "recorded"), (SEEN, "predicted")):
        panels[0].semilogy(freqs[1:], np.maximum(table.arrays[name][1:], 1e-30), color=colour, label=name)
    panels[0].set(xlabel="Hz", ylabel="power density", title="spectrum")
    panels[0].legend(frameon=False, fontsize=8)
    bare(panels[0])
    couplings = [name for name in table.arrays if "," in name]
    for axes, name in zip(panels[1:], couplings, strict=True):
        matrix(drawn, axes, table.arrays[name], name)
    return drawn
