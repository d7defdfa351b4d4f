"""The decision panel: class probabilities as bars, and the running accuracy with its chance line."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen, QPolygonF
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import ENDING, RIGHT, Panel, draw_level, draw_run, draw_text, draw_trace, fixed, width_of
from apps.view.state.decisions import DecisionState
from apps.view.theme import Theme, mix

MOST_CLASSES = 8
ROW_MIN, ROW_MAX = 26.0, 64.0
SCORE = 150


class DecisionPanel(Panel):
    """Renders `DecisionState`."""

    heading = "Decisions"

    def __init__(self, state: DecisionState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state

    def note(self) -> str:
        """How many decisions have come."""
        return f"{self.state.count} decided"

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """Bars above, score below."""
        bars = QRectF(box.left(), box.top(), box.width(), box.height() - SCORE - 12)
        self._draw_bars(painter, bars, theme)
        self._draw_score(painter, QRectF(box.left(), box.bottom() - SCORE, box.width(), SCORE), theme)

    def _order(self, height: float) -> list[int]:
        """Classes to draw: all in their own order, or the most likely ones where there is no room for all."""
        labels, values = self.state.labels, self.state.values
        most = max(1, min(MOST_CLASSES, int(height // ROW_MIN)))
        if len(labels) <= most or values is None:
            return list(range(min(len(labels), most)))
        return [int(k) for k in np.argsort(-values[: len(labels)])[:most]]

    def _draw_bars(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        order = self._order(box.height())
        if not order:
            return
        latest, values = self.state.latest, self.state.values
        height = float(np.clip(box.height() / len(order), ROW_MIN, ROW_MAX))
        top = box.top() + max(0.0, (box.height() - height * len(order)) / 2)
        faces = font(17, bold=True), font(17)
        room = max(width_of(ENDING.sub("", self.state.labels[k]), faces[0]) for k in order)
        room = min(room + 26, box.width() * 0.4)
        for row, k in enumerate(order):
            line = QRectF(box.left(), top + row * height, box.width(), height)
            label = self.state.labels[k]
            chosen = latest is not None and latest.label == label
            value = float(values[k]) if values is not None and k < len(values) else float("nan")
            self._draw_row(painter, line, room, label, value, chosen, theme)

    def _draw_row(
        self, painter: QPainter, line: QRectF, room: float, label: str, value: float, chosen: bool, theme: Theme
    ) -> None:
        latest = self.state.latest
        if latest is not None and latest.truth == label:
            _draw_arrow(painter, line.left(), line.center().y(), theme.neutral)
        face = font(17, bold=chosen)
        draw_text(
            painter,
            line.adjusted(16, 0, room - line.width() - 6, 0),
            ENDING.sub("", label),
            face,
            theme.text if chosen else theme.dim,
            cut=Qt.TextElideMode.ElideMiddle,
        )
        thick = round(min(26.0, line.height() * 0.45))
        track = QRectF(line.left() + room, line.center().y() - thick / 2, line.width() - room - 62, thick)
        painter.fillRect(track, QColor(theme.well))
        if np.isfinite(value):
            colour = theme.accent if chosen else mix(theme.accent, theme.panel, 0.5)
            painter.fillRect(
                QRectF(track.left(), track.top(), track.width() * min(1.0, max(0.0, value)), thick), QColor(colour)
            )
        number = QRectF(track.right() + 6, line.top(), 56, line.height())
        draw_text(painter, number, fixed(value), font(18, bold=chosen), theme.text if chosen else theme.dim, RIGHT)

    def _draw_score(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        state, n = self.state, len(self.state.judged)
        row = QRectF(box.left(), box.top(), box.width(), 36)
        small = font(13)
        chance = float("nan") if state.chance is None else state.chance
        parts = [
            ("accuracy ", small, theme.dim),
            (fixed(state.accuracy), font(26, bold=True), theme.accent if n else theme.dim),
            ("   chance ", small, theme.dim),
            (fixed(chance), font(18, bold=True), theme.text if n else theme.dim),
        ]
        draw_run(painter, row.left(), row, parts)
        draw_text(
            painter,
            row.adjusted(row.width() - 110, 0, 0, 0),
            f"last {n}" if n else "none judged",
            small,
            theme.dim,
            RIGHT,
        )
        low, high = state.interval
        words = (
            f"95 % interval {fixed(low)} to {fixed(high)}; the triangle marks the true class"
            if n
            else "judged once an event says what is true"
        )
        draw_text(painter, QRectF(box.left(), row.bottom() + 1, box.width(), 18), words, font(12), theme.dim)
        plot = QRectF(box.left(), row.bottom() + 26, box.width(), box.bottom() - row.bottom() - 26)
        self._draw_course(painter, plot, chance, theme)

    def _draw_course(self, painter: QPainter, box: QRectF, chance: float, theme: Theme) -> None:
        painter.fillRect(box, QColor(theme.well))
        if np.isfinite(chance):
            draw_level(painter, box, chance, theme.text)
        course = self.state.course()
        if len(course) > 1:
            draw_trace(painter, box.adjusted(0, 2, 0, -2), np.linspace(0, 1, len(course)), course, theme.accent, 2)


def _draw_arrow(painter: QPainter, x: float, y: float, colour: str) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(Qt.PenStyle.NoPen))
    painter.setBrush(QColor(colour))
    painter.drawPolygon(QPolygonF([QPointF(x, y - 5), QPointF(x + 9, y), QPointF(x, y + 5)]))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
