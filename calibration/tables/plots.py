"""Figures of the experiments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.plots import CHANCE, SEEN, SHOWN, figure
from calibration.tables.items import Row
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (SEEN, "#e69f00", "#009e73", "#cc79a7", SHOWN)
STROKES = ("-", ":", "-.")
"""Of as many lines as there are colours each, in turn."""


def dots(table: Table, paper: str = "") -> Figure:
    """One panel per metric: every line with its interval and chance.

    Parameters
    ----------
    paper
        Which of the paper's figures of a line stands beside it, if any; never beside simulated data.
    """
    metrics = _ordered(line["metric"] for line in table.rows if line["value"] is not None)
    if not metrics:
        return nothing(table)
    most = max(len(_lines(table, metric)) for metric in metrics)
    across = min(3, len(metrics))
    down = -(-len(metrics) // across)
    drawn = figure(4.2 * across, (0.9 + 0.3 * most) * down)
    panels = drawn.subplots(down, across, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=False):
        _dots(axes, _lines(table, metric), metric, paper)
    for spare in panels[len(metrics) :]:
        spare.set_axis_off()
    ours = any(line.get("simulated") for line in table.rows)
    what = "; simulated" if ours else f"; hollow: the paper's, {paper.upper()}" if paper else ""
    drawn.supxlabel(f"bar: 95 % interval; orange line: chance{what}", fontsize=8)
    return drawn


def _dots(axes: Axes, lines: Sequence[Row], metric: str, paper: str) -> None:
    for at, line in enumerate(reversed(lines)):
        if None not in line["ci95"]:
            axes.plot(line["ci95"], (at, at), color=SEEN, lw=3, alpha=0.45)
        axes.plot(line["value"], at, "o", color=SEEN)
        if line["chance"] is not None:
            axes.plot(line["chance"], at, "|", color=CHANCE, ms=12, mew=2)
        if paper in line.get("paper", {}) and not line.get("simulated"):
            axes.plot(line["paper"][paper], at, "o", mfc="none", color=SHOWN)
    axes.set_yticks(range(len(lines)), [line["row"] for line in reversed(lines)], fontsize=8)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.set_title(metric, fontsize=9)
    bare(axes)


def courses(x: str, label: str, split: str = "", log: bool = False) -> Callable[[Table], Figure]:
    """Return what draws each metric against the key `x` of the lines, one line for every value of the key `split`."""

    def draw(table: Table) -> Figure:
        rows = [line for line in table.rows if x in line and line["value"] is not None]
        metrics = [name for name in _ordered(line["metric"] for line in rows) if not name.endswith("difference")]
        if not metrics:
            return nothing(table)
        drawn = figure(3.6 * len(metrics), 3.2)
        parts = _ordered(line.get(split, "") for line in rows if line["metric"] in metrics)
        for axes, metric in zip(np.atleast_1d(drawn.subplots(1, len(metrics))), metrics, strict=True):
            lines = [line for line in rows if line["metric"] == metric]
            for number, part in enumerate(parts):
                _course(axes, [line for line in lines if line.get(split, "") == part], x, str(part), number)
            axes.set(xlabel=label, title=metric)
            if log:
                axes.set_xscale("log")
                at = sorted({line[x] for line in lines})
                axes.set_xticks(at, [f"{each:g}" for each in at])
                axes.set_xticks([], minor=True)
            bare(axes)
        if split:
            axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        return drawn

    return draw


def _course(axes: Axes, lines: Sequence[Row], x: str, label: str, number: int) -> None:
    lines = sorted(lines, key=lambda line: float(line[x]))
    at = [float(line[x]) for line in lines]
    colour, stroke = COLOURS[number % len(COLOURS)], STROKES[number // len(COLOURS) % len(STROKES)]
    axes.plot(at, [line["value"] for line in lines], marker="o", ls=stroke, ms=3, color=colour, label=label)
    edges = np.array([line["ci95"] for line in lines], float).reshape(-1, 2)
    axes.fill_between(at, edges[:, 0], edges[:, 1], color=colour, alpha=0.15, lw=0)
    axes.plot(at, np.array([line["chance"] for line in lines], float), color=CHANCE, ls="--", lw=1)


def matrices(table: Table) -> Figure:
    """Every array of the table as a matrix, side by side."""
    drawn = figure(3.2 * len(table.arrays), 3.2)
    for axes, (name, values) in zip(drawn.subplots(1, len(table.arrays)), table.arrays.items(), strict=True):
        matrix(drawn, axes, values, name)
    return drawn


def matrix(drawn: Figure, axes: Axes, values: NDArray, name: str) -> None:
    """One matrix in its panel, coloured by what is off its diagonal."""
    off = values[~np.eye(len(values), dtype=bool)]
    shown = axes.imshow(values, vmin=float(off.min()), vmax=float(off.max()), cmap="viridis")
    axes.set_title(name, fontsize=9)
    axes.set_xticks([], [])
    axes.set_yticks([], [])
    drawn.colorbar(shown, ax=axes, shrink=0.7)


def sheet(table: Table) -> Figure:
    """Every array of the table as a row of pictures under its name: ``(n, height, width)``, or with 3 colours last."""
    n = max(len(pictures) for pictures in table.arrays.values())
    height, width = next(iter(table.arrays.values())).shape[1:3]
    across, down = (side / max(height, width) for side in (width, height))
    drawn = figure(0.95 * n * across + 1.4, 0.98 * len(table.arrays) * down + 0.1)
    panels = drawn.subplots(len(table.arrays), n, squeeze=False)
    for row, (name, pictures) in zip(panels, table.arrays.items(), strict=True):
        for axes, picture in zip(row, pictures, strict=False):
            axes.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for axes in row:
            axes.set_xticks([], [])
            axes.set_yticks([], [])
        row[0].set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center")
    return drawn


def nothing(table: Table) -> Figure:
    """Say why there is nothing to draw."""
    drawn = figure(6, 1.2)
    why = table.rows[0]["note"] if table.rows else "no rows"
    drawn.text(0.5, 0.5, why, ha="center", va="center", wrap=True)
    return drawn


def _lines(table: Table, metric: str) -> list[Row]:
    return [line for line in table.rows if line["metric"] == metric and line["value"] is not None]


def _ordered(names: Any) -> list[Any]:
    return list(dict.fromkeys(names))


def bare(axes: Axes) -> None:
    """No frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
