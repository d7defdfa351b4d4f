"""The signal panel: an oscilloscope sweep that paints only the columns that changed."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRect, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import ENDING, HEAD, MARGIN, RIGHT, Panel, draw_text, width_of
from apps.view.state.signal import SignalState
from apps.view.sweep_image import SweepImage
from apps.view.theme import Theme, mix

GUTTER_MIN, GUTTER_MAX = 48.0, 120.0
STRIP = 46
LABEL_ROW = 15
CLOSEST = 9.0
"""Triangles nearer than this (px) to the next one are left out."""
LANE_MIN = 14.0


class SignalPanel(Panel):
    """Traces of one page of channels, gaps hatched, events marked below.

    `tick` is called once per frame; nothing is painted when nothing came.

    Attributes
    ----------
    paints
        Number of times Qt has had this panel painted.
    """

    heading = "Signals"

    def __init__(self, state: SignalState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state
        self._image = SweepImage(theme, 1, 1)
        self._picture = QImage()
        self._version = -1
        self._events: list[tuple[int, str, int]] = []
        self._gutter = 64
        self.paints = 0

    @property
    def plot(self) -> QRect:
        """Where the traces are, in logical pixels."""
        width = max(8, self.width() - 2 * MARGIN - self._gutter - 8)
        return QRect(MARGIN + self._gutter, HEAD, width, max(8, self.height() - HEAD - STRIP - 10))

    def use(self, theme: Theme) -> None:
        """Change colours."""
        self._image.use(theme)
        self._version = -1
        super().use(theme)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the sweep one column per device pixel."""
        ratio, plot = self.devicePixelRatioF(), self.plot
        columns, height = round(plot.width() * ratio), round(plot.height() * ratio)
        self._image = SweepImage(self.theme, height, columns, 1.2 * ratio)
        pixels = self._image.pixels
        self._picture = QImage(pixels.data, columns, height, 4 * columns, QImage.Format.Format_RGB32)  # type: ignore[call-overload]
        self._picture.setDevicePixelRatio(ratio)
        self.state.resize(columns)
        self._version = -1
        self.tick()

    def tick(self) -> None:
        """Paint what is new into the picture and ask Qt to show just that."""
        if self._version != self.state.version:
            self._fit_gutter()
            self._version = self.state.version
            self._image.paint_all(self.state)
            self._events = self.state.visible_events()
            self.update()
            return
        columns = self._image.paint_new(self.state)
        self._update_columns(columns)
        events = self.state.visible_events()
        if events != self._events:
            self._events = events
            self.update(QRect(0, self.plot.bottom() + 1, self.width(), STRIP))
            for column, _, _ in events[-3:]:
                self.update(
                    QRect(self.plot.left() + int(column / self.devicePixelRatioF()) - 1, HEAD, 4, self.plot.height())
                )

    def note(self) -> str:
        """Channels, time base and scale."""
        state = self.state
        if state.spec is None:
            return ""
        shown = state.channels
        page = f"channels {shown.start + 1}–{shown.stop} of {state.spec.n_chans}"
        frozen = "FROZEN   ·   " if state.frozen else ""
        auto = " auto" if state.auto else ""
        return f"{frozen}{page}   ·   {state.seconds:g} s   ·   {state.scale:g} {state.unit}/div{auto}"

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw only what lies in the part to be repainted."""
        self.paints += 1
        part = self.rect() if event is None else event.rect()
        painter = QPainter(self)
        if not self.plot.contains(part):
            self.frame(painter)
            self._draw_names(painter)
            self._draw_scale_bar(painter)
            self._draw_labels(painter)
        self._draw_plot(painter, part.intersected(self.plot))
        painter.end()

    def _fit_gutter(self) -> None:
        """Room for the longest channel name."""
        names = self.state.spec.ch_names if self.state.spec else ()
        widest = max((width_of(name, font(11)) for name in names), default=0.0)
        gutter = round(min(GUTTER_MAX, max(GUTTER_MIN, widest + 14)))
        if gutter != self._gutter:
            self._gutter = gutter
            self.resizeEvent(None)

    def _update_columns(self, columns: object) -> None:
        found = list(columns)  # type: ignore[call-overload]
        if not found:
            return
        ratio, plot = self.devicePixelRatioF(), self.plot
        wrap = next((k for k in range(1, len(found)) if found[k] < found[k - 1]), len(found))
        for run in (found[:wrap], found[wrap:]):
            if run:
                left = plot.left() + int(run[0] / ratio) - 2
                self.update(
                    QRect(left, plot.top(), int((run[-1] - run[0]) / ratio) + 6, plot.height()).intersected(plot)
                )

    def _draw_plot(self, painter: QPainter, part: QRect) -> None:
        if part.isEmpty():
            return
        plot, ratio = self.plot, self.devicePixelRatioF()
        painter.setClipRect(part)
        source = QRectF(part.translated(-plot.topLeft()))
        scaled = QRectF(source.x() * ratio, source.y() * ratio, source.width() * ratio, source.height() * ratio)
        painter.drawImage(QRectF(part), self._picture, scaled)
        self._draw_marks(painter, plot, ratio)
        if self.stale:
            veil = QColor(self.theme.panel)
            veil.setAlphaF(0.68)
            painter.fillRect(part, veil)

    def _draw_marks(self, painter: QPainter, plot: QRect, ratio: float) -> None:
        painter.setPen(QPen(QColor(mix(self.theme.well, self.theme.text, 0.3)), 1))
        for column, _, _ in self._events:
            x = plot.left() + column / ratio
            painter.drawLine(QPointF(x + 0.5, plot.top()), QPointF(x + 0.5, plot.bottom()))
        sweep = self.state.sweep
        if sweep.head >= 0:
            painter.setPen(QPen(QColor(mix(self.theme.well, self.theme.text, 0.7)), 1))
            x = plot.left() + ((sweep.head + 1) % sweep.columns) / ratio + 0.5
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))

    def _draw_names(self, painter: QPainter) -> None:
        spec, channels, plot = self.state.spec, self.state.channels, self.plot
        if spec is None or channels.stop <= channels.start:
            return
        lane = plot.height() / (channels.stop - channels.start)
        every = max(1, int(-(-LANE_MIN // lane)))
        colour = self.theme.dim
        for row in range(0, channels.stop - channels.start, every):
            box = QRectF(MARGIN, plot.top() + (row + 0.5) * lane - 8, self._gutter - 10, 16)
            draw_text(painter, box, spec.ch_names[channels.start + row], font(11), colour, RIGHT)

    def _draw_scale_bar(self, painter: QPainter) -> None:
        """One division, drawn at the right edge: what the scale in the title means."""
        spec, channels, plot = self.state.spec, self.state.channels, self.plot
        if spec is None:
            return
        lane = plot.height() / max(1, channels.stop - channels.start)
        x = plot.right() + 6.5
        painter.setPen(QPen(QColor(self.theme.dim), 2))
        painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.top() + lane))

    def _draw_labels(self, painter: QPainter) -> None:
        """A triangle under each event; labels take turns on two rows, so that each has room up to the next but one."""
        plot, ratio, face = self.plot, self.devicePixelRatioF(), font(11)
        events = sorted(self._events)
        ends = {0: plot.right() + 12.0, 1: plot.right() + 12.0}
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for column, said, number in reversed(events):
            label = ENDING.sub("", said)
            x = plot.left() + column / ratio + 0.5
            row = number % 2
            if min(ends.values()) - x >= CLOSEST:
                self._draw_triangle(painter, x, plot.bottom() + 4)
            box = QRectF(x - 4, plot.bottom() + 12 + row * LABEL_ROW, min(ends[row] - x - 4, 160), LABEL_ROW)
            if box.width() >= min(64.0, width_of(label, face)):
                draw_text(painter, box, label, face, self.theme.dim, cut=Qt.TextElideMode.ElideMiddle)
            ends[row] = x
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _draw_triangle(self, painter: QPainter, x: float, top: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.dim))
        painter.drawPolygon(QPolygonF([QPointF(x, top), QPointF(x - 4, top + 7), QPointF(x + 4, top + 7)]))
