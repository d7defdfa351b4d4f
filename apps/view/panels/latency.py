"""The latency strip: where the milliseconds go, and whether anything was missed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QFont, QPainter
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import Panel, draw_level, draw_run, draw_text, draw_trace, fixed, width_of
from apps.view.state.latency import WORDS
from apps.view.state.view import ViewState
from apps.view.theme import Theme

COURSE = 150
Part = tuple[str, QFont, str]


class LatencyPanel(Panel):
    """Renders `LatencyState`, with what `HealthState` counts."""

    heading = "On time"

    def __init__(self, state: ViewState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state

    def note(self) -> str:
        """What the numbers are taken from."""
        n = min(self.state.latency.count, self.state.latency.window)
        return f"ms, median of the last {n}" if n else "no prediction yet"

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """One row of numbers, or two where it is narrow; one sparkline."""
        row = QRectF(box.left(), box.top(), box.width(), 34)
        counts = self._counts(theme)
        x = draw_run(painter, box.left(), row, self._stages(theme)) + 18
        if x + sum(width_of(text, face) for text, face, _ in counts) > box.right():
            row = QRectF(box.left(), row.bottom() - 4, box.width(), 20)
            x = box.left()
        draw_run(painter, x, row, counts)
        plot = QRectF(box.left(), row.bottom() + 6, box.width(), box.bottom() - row.bottom() - 6)
        if plot.height() >= 18:
            self._draw_course(painter, plot, theme)

    def _stages(self, theme: Theme) -> list[Part]:
        latency, small, number = self.state.latency, font(13), font(15, bold=True)
        parts: list[Part] = []
        said = [name for name in WORDS if name in latency.ch_names]
        for k, name in enumerate(said):
            word = WORDS[name]
            parts.append((("   " if k else "") + word + " ", small, theme.dim))
            parts.append((fixed(latency.median(name), 1, 3), number, theme.text))
        parts += [
            ("  =  ", small, theme.dim),
            (fixed(latency.median("total"), 1, 4), font(22, bold=True), theme.accent if latency.count else theme.dim),
            (" ms p50", small, theme.dim),
            ("   ", small, theme.dim),
            (fixed(latency.percentile("total", 99), 1, 4), number, theme.text),
            (" ms p99", small, theme.dim),
        ]
        return parts

    def _counts(self, theme: Theme) -> list[Part]:
        """What was not decoded, what waits, how often a source came back; of what is zero only the misses."""
        health, small = self.state.health, font(13)
        colour = theme.warning if health.missed else theme.text
        parts: list[Part] = [
            (f"{health.missed}", font(15, bold=True), colour),
            (" missed", small, colour if health.missed else theme.dim),
        ]
        parts += [(f", {health.skipped} skipped to keep up", small, theme.warning)] if health.skipped else []
        parts += [(f", {health.in_gaps} skipped in gaps", small, theme.dim)] if health.in_gaps else []
        parts += [(f", {health.backlog} samples waiting", small, theme.dim)] if health.backlog else []
        parts += (
            [(f", source back {health.returned}\N{MULTIPLICATION SIGN}", small, theme.dim)] if health.returned else []
        )
        return parts

    def _draw_course(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        painter.fillRect(box, QColor(theme.well))
        total = self.state.latency.stage("total")
        total = total[np.isfinite(total)][-COURSE:]
        if len(total) < 2:
            return
        top = _ceiling(total)
        plot = box.adjusted(0, 3, -48, -1)
        draw_level(painter, plot, 1.0, theme.line)
        draw_text(painter, QRectF(plot.right() + 6, plot.top() - 6, 42, 16), f"{top:g} ms", font(11), theme.dim)
        x = 1 - (len(total) - 1 - np.arange(len(total))) / (COURSE - 1)
        draw_trace(painter, plot, x, np.minimum(total / top, 1.0), theme.accent, 1.4)


def _ceiling(total: NDArray[np.float64]) -> float:
    """A round number above all but the rarest values."""
    high = float(np.quantile(total, 0.995)) * 1.15
    decade = 10.0 ** np.floor(np.log10(max(high, 1e-3)))
    return float(next(step * decade for step in (1, 2, 5, 10) if step * decade >= high))
