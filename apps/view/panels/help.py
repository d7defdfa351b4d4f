"""The help overlay: every key, over a dimmed window."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import draw_text
from apps.view.theme import Theme

KEYS = (
    ("↑  ↓", "larger, smaller traces"),
    ("A", "choose the scale from the signal"),
    ("←  →", "shorter, longer time base"),
    ("Page ↑  ↓", "previous, next channels"),
    ("[  ]", "fewer, more channels on a page"),
    (",  .", "previous, next channel of predicted ↔ recorded; or click on it"),
    ("B", "the channel that is predicted best"),
    ("M", "the newest epoch, the mean of the last ones"),
    ("Space", "hold the signals still, and go on"),
    ("T", "dark, light"),
    ("S", "snapshot: save this window as a picture"),
    ("R", "record all streams in view; again to stop"),
    ("F", "full screen"),
    ("?", "this help"),
    ("Q", "close the window; the session goes on"),
)
ROW = 30
WIDTH = 560


class HelpOverlay(QWidget):
    """Lists `KEYS`; any click closes it."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.hide()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Close."""
        self.hide()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the card."""
        painter = QPainter(self)
        veil = QColor(self.theme.window)
        veil.setAlphaF(0.78)
        painter.fillRect(self.rect(), veil)
        height = 78 + ROW * len(KEYS)
        card = QRectF((self.width() - WIDTH) / 2, max(8.0, (self.height() - height) / 2), WIDTH, height)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(self.theme.line))
        painter.setBrush(QColor(self.theme.panel))
        painter.drawRoundedRect(card, 8, 8)
        head = QRectF(card.left() + 28, card.top() + 16, WIDTH - 56, 32)
        draw_text(painter, head, "Keys", font(20, bold=True), self.theme.text)
        for k, (key, does) in enumerate(KEYS):
            row = QRectF(card.left() + 28, card.top() + 58 + k * ROW, WIDTH - 56, ROW)
            draw_text(painter, row, key, font(14, bold=True), self.theme.text)
            draw_text(painter, row.adjusted(140, 0, 0, 0), does, font(14), self.theme.dim)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.end()
