"""The encoding panel: what the model predicts the brain to do over what it did, and how well they agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPen, QPolygonF
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import CENTRE, ENDING, RIGHT, Panel, draw_level, draw_run, draw_text, draw_trace, fixed, width_of
from apps.view.state.encoding import EncodingState
from apps.view.state.signal import UNITS
from apps.view.theme import Theme, mix

GUTTER, CAPTION, FOOT = 48, 22, 18
BARS_MIN, BARS_MAX, MAP_MAX = 120.0, 380.0, 180.0
SPACE, AXIS = 14, 26
NOSE = ((-0.12, 0.99), (0.0, 1.13), (0.12, 0.99))
NEAR = 14.0
"""A click this near (px) to an electrode means it."""


class EncodingPanel(Panel):
    """Renders `EncodingState`: one channel's epoch, the correlation of every channel, and where they lie."""

    heading = "Predicted ↔ recorded"

    def __init__(self, state: EncodingState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def note(self) -> str:
        """How much there is to go by."""
        n = self.state.n
        return f"{n} epochs   ·   , . choose the channel" if n else "no epoch yet"

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """The epoch at the left, the bars, the map where electrodes have a place."""
        epoch, bars, head = self._parts(box)
        if self.state.ch_names:
            self._draw_epoch(painter, epoch, theme)
            self._draw_bars(painter, bars, theme)
        if head is not None:
            self._draw_map(painter, head, theme)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the channel of the bar or electrode that is clicked."""
        if event is None:
            return
        found = self.channel_at(event.position())
        if found is not None:
            self.state.choose(found)
            self.update()

    def channel_at(self, point: QPointF) -> int | None:
        """The channel drawn at a point of the panel; None beside them all."""
        _, bars, head = self._parts(QRectF(self.rect()).adjusted(14, 34, -14, -14))
        n_chans = len(self.state.ch_names)
        if bars.contains(point) and n_chans:
            return min(n_chans - 1, int((point.x() - bars.left()) / bars.width() * n_chans))
        if head is None:
            return None
        away = [
            (np.hypot(point.x() - at.x(), point.y() - at.y()), k)
            for k, at in enumerate(self._electrodes(head))
            if at is not None
        ]
        distance, nearest = min(away, default=(np.inf, -1))
        return nearest if distance <= NEAR else None

    def _parts(self, box: QRectF) -> tuple[QRectF, QRectF, QRectF | None]:
        """Where the epoch, the bars and the map are."""
        has_map = any(place is not None for place in self.state.places) and box.width() > 560
        side = min(MAP_MAX, box.height()) if has_map else 0.0
        wanted = 9.0 * len(self.state.ch_names) + 30
        width = min(BARS_MAX, max(BARS_MIN, wanted), 0.3 * box.width())
        right = box.right() - (side + SPACE if has_map else 0)
        bars = QRectF(right - width, box.top() + CAPTION, width, box.height() - CAPTION - FOOT)
        epoch = QRectF(box.left(), box.top(), bars.left() - SPACE - AXIS - box.left(), box.height())
        head = QRectF(box.right() - side, box.center().y() - side / 2, side, side) if has_map else None
        return epoch, bars, head

    def _draw_epoch(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        state = self.state
        predicted, recorded = state.traces()
        plot = box.adjusted(GUTTER, CAPTION, 0, -FOOT)
        painter.fillRect(plot, QColor(theme.well))
        self._draw_caption(painter, QRectF(box.left(), box.top() - 2, box.width(), CAPTION), theme)
        times = state.times
        low, high = _limits(predicted, recorded)
        self._draw_axes(painter, plot, times, low, high, theme)
        if not len(predicted):
            draw_text(painter, plot, state.caption, font(13), theme.dim, CENTRE)
            return
        place = (times - times[0]) / max(times[-1] - times[0], 1e-9)
        painter.save()
        painter.setClipRect(plot)
        for values, colour, width in ((recorded, theme.neutral, 1.4), (predicted, theme.accent, 2.2)):
            draw_trace(painter, plot, place, (values - low) / (high - low), colour, width)
        painter.restore()

    def _draw_caption(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """Which channel, how well it is predicted, and at which event."""
        state, small = self.state, font(12)
        name, k = state.ch_names[state.chosen], state.chosen
        parts = [
            (name, font(14, bold=True), theme.text),
            ("  r ", small, theme.dim),
            (fixed(state.r[k], 2, 4), font(14, bold=True), theme.text),
            (f"  {_interval(state.low[k], state.high[k])}", small, theme.dim),
            (f"  chance {fixed(state.chance[k])}" if np.isfinite(state.chance[k]) else "", small, theme.dim),
        ]
        end = draw_run(painter, box.left(), box, parts)
        rest = box.adjusted(end - box.left() + 12, 0, 0, 0)
        if state.epochs and rest.width() > 90:
            label = ENDING.sub("", state.caption)
            draw_text(painter, rest, label, font(11), theme.dim, RIGHT, Qt.TextElideMode.ElideMiddle)

    def _draw_axes(
        self, painter: QPainter, plot: QRectF, times: NDArray[np.float64], low: float, high: float, theme: Theme
    ) -> None:
        face, unit = font(11), UNITS.get(self.state.unit, self.state.unit)
        gutter = QRectF(plot.left() - GUTTER, plot.top(), GUTTER - 8, 14)
        draw_text(painter, gutter, f"{high:.3g}", face, theme.dim, RIGHT)
        draw_text(painter, gutter.translated(0, plot.height() - 14), f"{low:.3g}", face, theme.dim, RIGHT)
        if unit not in ("", "units"):
            draw_text(painter, gutter.translated(0, plot.height() / 2 - 7), unit, face, theme.dim, RIGHT)
        if low < 0 < high:
            draw_level(painter, plot, -low / (high - low), theme.line)
        first, last = float(times[0]), float(times[-1])
        if first < 0 < last:
            x = round(plot.left() + plot.width() * -first / (last - first)) + 0.5
            painter.setPen(QPen(QColor(theme.line), 1))
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
        foot = QRectF(plot.left(), plot.bottom() + 3, plot.width(), 14)
        draw_text(painter, foot, f"{1000 * first:.0f} ms", face, theme.dim)
        draw_text(painter, foot, f"{1000 * last:.0f} ms", face, theme.dim, RIGHT)
        words = [("predicted", face, theme.accent), ("recorded", face, theme.neutral)]
        width = sum(width_of(text, face) for text, _, _ in words) + 10
        draw_run(painter, foot.center().x() - width / 2, foot, words, gap=10)

    def _draw_bars(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """One bar per channel, with its interval as a line through its end, and chance as a line across."""
        state = self.state
        low, high = _bar_limits(state.r, state.high)
        draw_text(painter, box.translated(0, -CAPTION).adjusted(0, 0, 0, CAPTION - box.height()),
                  "r per channel, 95 % interval", font(11), theme.dim)  # fmt: skip
        painter.fillRect(box, QColor(theme.well))
        zero = box.bottom() - box.height() * -low / (high - low)
        each = box.width() / len(state.ch_names)
        for k, r in enumerate(state.r):
            if not np.isfinite(r):
                continue
            y = box.bottom() - box.height() * (float(np.clip(r, low, high)) - low) / (high - low)
            x, width = box.left() + k * each, max(1.0, each - (2 if each > 5 else 0.5))
            colour = theme.accent if k == state.chosen else mix(theme.accent, theme.panel, 0.5)
            painter.fillRect(QRectF(x, min(y, zero), width, max(1.0, abs(zero - y))), QColor(colour))
            if each >= 5 and np.isfinite(state.low[k]):
                ends = [float(np.clip(edge, low, high)) for edge in (state.low[k], state.high[k])]
                painter.setPen(QPen(QColor(theme.text if k == state.chosen else theme.dim), 1))
                top, bottom = (box.bottom() - box.height() * (edge - low) / (high - low) for edge in ends[::-1])
                middle = round(x + width / 2) + 0.5
                painter.drawLine(QPointF(middle, top), QPointF(middle, bottom))
            if np.isfinite(state.chance[k]):
                level = float(np.clip(state.chance[k], low, high))
                y = round(box.bottom() - box.height() * (level - low) / (high - low)) + 0.5
                painter.setPen(QPen(QColor(theme.text), 1.5))
                painter.drawLine(QPointF(x, y), QPointF(x + width, y))
        draw_level(painter, box, -low / (high - low), theme.line)
        left = QRectF(box.left() - AXIS - 4, zero - 8, AXIS, 16)
        draw_text(painter, left, "0", font(11), theme.dim, RIGHT)
        if zero - box.top() > 24:
            above = QRectF(box.left() - AXIS - 4, box.top() - 1, AXIS, 16)
            draw_text(painter, above, f"{high:.2g}", font(11), theme.dim, RIGHT)
        foot = QRectF(box.left(), box.bottom() + 3, box.width(), 14)
        best = _best(state)
        draw_text(painter, foot, "— chance", font(11), theme.text)
        if best:
            draw_text(painter, foot, best, font(11), theme.dim, RIGHT)

    def _draw_map(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """A head from above, nose up; the more accent, the better a channel is predicted."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        radius = box.width() / 2 * 0.84
        painter.setPen(QPen(QColor(theme.line), 1.5))
        painter.setBrush(QColor(theme.well))
        middle = box.center() + QPointF(0, 4)
        painter.drawPolyline(QPolygonF([middle + QPointF(dx * radius, -dy * radius) for dx, dy in NOSE]))
        painter.drawEllipse(middle, radius, radius)
        _, top = _bar_limits(self.state.r, self.state.high)
        dot = float(np.clip(radius / np.sqrt(max(1, len(self.state.ch_names))) * 0.62, 3.0, 8.0))
        for k, at in enumerate(self._electrodes(box)):
            if at is None:
                continue
            r = self.state.r[k]
            part = float(np.clip(r / top, 0, 1)) if np.isfinite(r) else 0.0
            chosen = k == self.state.chosen
            painter.setPen(QPen(QColor(theme.text if chosen else theme.line), 2 if chosen else 1))
            painter.setBrush(QColor(mix(theme.well, theme.accent, part)))
            painter.drawEllipse(at, dot, dot)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _electrodes(self, box: QRectF) -> list[QPointF | None]:
        radius = box.width() / 2 * 0.84
        middle = box.center() + QPointF(0, 4)
        return [
            None if place is None else QPointF(middle.x() + place[0] * radius, middle.y() - place[1] * radius)
            for place in self.state.places
        ]


def _interval(low: float, high: float) -> str:
    return f"({fixed(low)} to {fixed(high)})" if np.isfinite(low) else ""


def _best(state: EncodingState) -> str:
    if not np.isfinite(state.r).any():
        return ""
    k = int(np.nanargmax(state.r))
    return f"best {state.ch_names[k]} {state.r[k]:.2f}"


def _bar_limits(r: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the axis on round numbers; it always holds 0 and at least 0.2."""
    both = np.concatenate([r, high])
    finite = both[np.isfinite(both)]
    top = max(0.2, float(np.ceil(finite.max(initial=0.2) * 5) / 5))
    bottom = float(np.floor(min(0.0, r[np.isfinite(r)].min(initial=0.0)) * 5) / 5)
    return bottom, min(1.0, top)


def _limits(*traces: NDArray[np.float64]) -> tuple[float, float]:
    """Range of all traces on round numbers, so that the axis seldom moves."""
    together = np.concatenate(traces)
    together = together[np.isfinite(together)]
    if not len(together):
        return 0.0, 1.0
    low, high = float(together.min()), float(together.max())
    step = 10 ** np.floor(np.log10(max(high - low, 1e-9))) / 2
    low, high = float(np.floor(low / step) * step), float(np.ceil(high / step) * step)
    return (low, high) if high > low else (low - step, high + step)
