"""What all panels draw with: text, images, sparklines, and the frame that greys out when data are old."""

from __future__ import annotations

import re
import time

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRect, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.state.freshness import Freshness
from apps.view.theme import Theme, mix

ENDING = re.compile(r"\.(png|jpe?g|bmp|gif|tiff?|webp)$", re.IGNORECASE)
"""What the names of image files end with: left out where they label something."""

MARGIN = 14
HEAD = 34
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTRE = Qt.AlignmentFlag.AlignCenter


def greyed(theme: Theme) -> Theme:
    """The same theme with every meaning drained of colour, for data that are old."""
    faint = mix(theme.dim, theme.panel, 0.45)
    return Theme(
        name=theme.name,
        window=theme.window,
        panel=theme.panel,
        well=theme.well,
        line=theme.line,
        text=faint,
        dim=faint,
        accent=faint,
        neutral=faint,
        warning=faint,
        gap=theme.gap,
        hatch=theme.hatch,
    )


def width_of(text: str, face: QFont) -> float:
    """Width of a text in pixels."""
    return QFontMetricsF(face).horizontalAdvance(text)


def draw_text(
    painter: QPainter,
    box: QRectF,
    text: str,
    face: QFont,
    colour: str,
    align: Qt.AlignmentFlag = LEFT,
    cut: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
) -> None:
    """One line of text; an ellipsis stands for what does not fit the box."""
    painter.setFont(face)
    painter.setPen(QColor(colour))
    painter.drawText(box, align, QFontMetricsF(face).elidedText(text, cut, box.width() + 0.5))


def draw_run(painter: QPainter, x: float, box: QRectF, parts: list[tuple[str, QFont, str]], gap: float = 0.0) -> float:
    """Pieces of text one after another on a common baseline; returns where the last one ends."""
    tallest = max((QFontMetricsF(face).ascent() for _, face, _ in parts), default=0.0)
    baseline = box.center().y() + tallest * 0.36
    for text, face, colour in parts:
        painter.setFont(face)
        painter.setPen(QColor(colour))
        painter.drawText(QPointF(x, baseline), text)
        x += width_of(text, face) + gap
    return x


def to_qimage(pixels: NDArray[np.float32]) -> QImage:
    """``(channels, height, width)`` in [0, 1], one or three channels, as an image Qt can draw."""
    shown = np.clip(np.nan_to_num(pixels), 0, 1)
    rgb = np.repeat(shown[:1], 3, axis=0) if len(shown) < 3 else shown[:3]
    block = np.ascontiguousarray(np.moveaxis(rgb, 0, 2) * 255 + 0.5).astype(np.uint8)
    height, width = block.shape[:2]
    return QImage(block.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def draw_image(painter: QPainter, box: QRectF, image: QImage | None, theme: Theme) -> None:
    """An image as large as fits the box, centred; an empty well where there is none."""
    painter.fillRect(box, QColor(theme.well))
    if image is not None:
        size = image.size().scaled(box.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
        at = QRectF(0, 0, size.width(), size.height())
        at.moveCenter(box.center())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(at, image)
    painter.setPen(QPen(QColor(theme.line), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))


def draw_trace(
    painter: QPainter, box: QRectF, x: NDArray[np.float64], y: NDArray[np.float64], colour: str, width: float = 1.6
) -> None:
    """A line through points given as parts of the box: x from the left, y from the bottom, 0 to 1."""
    if len(x) < 2:
        return
    points = [
        QPointF(box.left() + a * box.width(), box.bottom() - b * box.height())
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour), width))
    painter.drawPolyline(QPolygonF(points))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def draw_level(painter: QPainter, box: QRectF, y: float, colour: str) -> None:
    """A dashed level line at height `y` (0 to 1) of the box: chance, or zero."""
    at = round(box.bottom() - y * box.height()) + 0.5
    pen = QPen(QColor(colour), 1)
    pen.setDashPattern([4, 3])
    painter.setPen(pen)
    painter.drawLine(QPointF(box.left(), at), QPointF(box.right(), at))


def fixed(value: float, digits: int = 2, width: int = 4) -> str:
    """A number that always takes the same room, without a sign where it rounds to 0; a dash when there is none."""
    text = f"{value:z.{digits}f}" if np.isfinite(value) else "–"
    return text.rjust(width, "\u2007")


def since(fresh: Freshness, now: float) -> str:
    """Say since when nothing has come."""
    if fresh.last is None:
        return "no data yet"
    at = time.strftime("%H:%M:%S", time.localtime(fresh.last))
    return f"no data since {at} ({fresh.silence(now):.0f} s)"


class Panel(QWidget):
    """A framed part of the window with a title; greys out when told that its data are old.

    Attributes
    ----------
    stale
        Since when nothing has come, in words; empty while data are fresh.
    """

    heading = ""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.stale = ""
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def use(self, theme: Theme) -> None:
        """Change colours."""
        self.theme = theme
        self.update()

    def mark(self, fresh: Freshness, now: float, old: bool = False) -> None:
        """Grey out when `fresh` is stale or what it holds is `old`."""
        stale = since(fresh, now) if fresh.last is not None and (old or fresh.stale(now)) else ""
        if stale != self.stale:
            self.stale = stale
            self.update()

    def note(self) -> str:
        """Words at the right of the title."""
        return ""

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """Draw the contents."""

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw frame, title and contents."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        self.frame(painter)
        theme = greyed(self.theme) if self.stale else self.theme
        inner = QRectF(self.rect()).adjusted(MARGIN, HEAD, -MARGIN, -MARGIN)
        painter.save()
        if self.stale:
            painter.setOpacity(0.75)
        self.draw(painter, inner, theme)
        painter.restore()
        painter.end()

    def frame(self, painter: QPainter) -> None:
        """Background and title row."""
        painter.fillRect(self.rect(), QColor(self.theme.window))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.panel))
        painter.drawRoundedRect(QRectF(self.rect()), 6, 6)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        row = QRectF(MARGIN, 6, self.width() - 2 * MARGIN, HEAD - 8)
        face = font(12, bold=True, spaced=True)
        draw_text(painter, row, self.heading.upper(), face, self.theme.dim)
        right = row.adjusted(width_of(self.heading.upper(), face) + 16, 0, 0, 0)
        if self.stale:
            draw_text(painter, right, self.stale, font(12), self.theme.warning, RIGHT)
        else:
            draw_text(painter, right, self.note(), font(12), self.theme.dim, RIGHT)


def whole(rect: QRectF) -> QRect:
    """The smallest rectangle of whole pixels around `rect`."""
    return rect.toAlignedRect()
