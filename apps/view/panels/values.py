"""The value panel: predicted quantities over the recorded ones, and how well they agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QPainter
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import RIGHT, Panel, draw_level, draw_run, draw_text, draw_trace, fixed
from apps.view.state.signal import UNITS
from apps.view.state.values import ValueState
from apps.view.theme import Theme

MOST = 4
GUTTER = 64
SIDE = 168


class ValuePanel(Panel):
    """Renders `ValueState`: one lane per quantity."""

    heading = "Predicted ↔ recorded"

    def __init__(self, state: ValueState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state

    def note(self) -> str:
        """Time base."""
        more = len(self.state.labels) - MOST
        return f"{self.state.seconds:g} s" + (f"   ·   {MOST} of {len(self.state.labels)} shown" if more > 0 else "")

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """Draw the lanes from top to bottom."""
        labels = self.state.labels[:MOST]
        if not labels:
            return
        lane = (box.height() + 8) / len(labels)
        for k, label in enumerate(labels):
            self._draw_lane(painter, QRectF(box.left(), box.top() + k * lane, box.width(), lane - 8), label, theme)

    def _draw_lane(self, painter: QPainter, box: QRectF, label: str, theme: Theme) -> None:
        plot = box.adjusted(GUTTER, 0, -SIDE, 0)
        painter.fillRect(plot, QColor(theme.well))
        (t, x), (s, y) = self.state.predicted(label), self.state.recorded(label)
        end = self.state.newest()
        t, x = _between(t, x, end - self.state.seconds, end)
        s, y = _between(s, y, end - self.state.seconds, end)
        low, high = _limits(x, y)
        self._draw_axis(painter, box, low, high, theme)
        if low < 0 < high:
            draw_level(painter, plot, -low / (high - low), theme.line)
        for stamps, values, colour in ((s, y, theme.neutral), (t, x, theme.accent)):
            place = 1 + (stamps - end) / self.state.seconds
            draw_trace(painter, plot, place, (values - low) / (high - low), colour, 1.8)
        self._draw_numbers(painter, QRectF(plot.right() + 14, box.top(), SIDE - 14, box.height()), label, x, theme)

    def _draw_axis(self, painter: QPainter, box: QRectF, low: float, high: float, theme: Theme) -> None:
        left = QRectF(box.left(), box.top(), GUTTER - 8, 16)
        draw_text(painter, left, f"{high:.3g}", font(11), theme.dim, RIGHT)
        draw_text(painter, left.translated(0, box.height() - 16), f"{low:.3g}", font(11), theme.dim, RIGHT)

    def _draw_numbers(self, painter: QPainter, box: QRectF, label: str, x: NDArray[np.float64], theme: Theme) -> None:
        unit = UNITS.get(self.state.unit, self.state.unit)
        newest = float(x[-1]) if len(x) else float("nan")
        rows = [
            [(f"{label} ", font(13), theme.dim), (fixed(newest, 2, 6), font(18, bold=True), theme.accent)],
            [
                ("r ", font(13), theme.dim),
                (fixed(self.state.correlation(label), 2, 5), font(18, bold=True), theme.text),
            ],
        ]
        rows[0].append((f" {unit}" if unit != "units" else "", font(13), theme.dim))
        rows[1].append(("  chance 0", font(13), theme.dim))
        height = min(28.0, box.height() / 2)
        top = box.center().y() - height
        for k, row in enumerate(rows):
            draw_run(painter, box.left(), QRectF(box.left(), top + k * height, box.width(), height), row)


def _between(
    stamps: NDArray[np.float64], values: NDArray[np.float64], start: float, end: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    keep = (stamps >= start) & (stamps <= end) & np.isfinite(values)
    return stamps[keep], values[keep]


def _limits(*traces: NDArray[np.float64]) -> tuple[float, float]:
    """Range of all traces on round numbers, so that the axis seldom moves."""
    together = np.concatenate(traces)
    if not len(together):
        return 0.0, 1.0
    low, high = float(together.min()), float(together.max())
    step = 10 ** np.floor(np.log10(max(high - low, 1e-9))) / 2
    low, high = float(np.floor(low / step) * step), float(np.ceil(high / step) * step)
    return (low, high) if high > low else (low - step, high + step)
