"""The image panel: shown beside seen, how well they match, and the last twelve pairs."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QPainter
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import RIGHT, Panel, draw_image, draw_level, draw_run, draw_text, draw_trace, fixed, to_qimage
from apps.view.state.images import Pair
from apps.view.state.view import ViewState
from apps.view.theme import Theme

STRIP_N = 12
LABEL = 22
SCORE = 112
GAP = 12
THUMB_GAP = 4
ROW_GAP = 14


class ImagePanel(Panel):
    """Renders `ImagePairState`; without a session that reconstructs, only what is shown."""

    def __init__(self, state: ViewState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state
        self._cache: OrderedDict[int, tuple[object, QImage]] = OrderedDict()

    @property
    def reconstructs(self) -> bool:
        """True when the session predicts images."""
        return self.state.output == "image"

    @property
    def heading(self) -> str:  # type: ignore[override]
        """What the panel shows now."""
        return "Shown and seen" if self.reconstructs else "Shown"

    def note(self) -> str:
        """How many images have been reconstructed."""
        return f"{self.state.images.n_seen} seen" if self.reconstructs else ""

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """Two large images, the score, the strip; what room is left goes to the course of the score."""
        if not self.reconstructs:
            self._draw_shown_only(painter, box, theme)
            return
        rows = 2 if box.height() > _height(box.width(), 2) else 1
        thumb = _thumb(box.width(), rows)
        strip = LABEL + rows * (2 * thumb + ROW_GAP)
        side = max(40.0, min((box.width() - GAP) / 2, box.height() - LABEL - SCORE - strip - 2 * GAP))
        left = box.left() + (box.width() - 2 * side - GAP) / 2
        self._draw_pair(painter, QRectF(left, box.top(), 2 * side + GAP, LABEL + side), side, theme)
        top = box.top() + LABEL + side + GAP
        self._draw_score(painter, QRectF(box.left(), top, box.width(), box.bottom() - strip - GAP - top), theme)
        self._draw_strip(painter, QRectF(box.left(), box.bottom() - strip, box.width(), strip), thumb, rows, theme)

    def _draw_shown_only(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        shown = self.state.images.newest_shown
        side = min(box.width(), box.height())
        left = box.center().x() - side / 2
        draw_image(painter, QRectF(left, box.top(), side, side), shown and self._image(shown.pixels), theme)

    def _draw_pair(self, painter: QPainter, box: QRectF, side: float, theme: Theme) -> None:
        pair = self.state.images.latest
        shown = pair.shown if pair is not None and pair.shown is not None else self.state.images.newest_shown
        draw_title(painter, QRectF(box.left(), box.top(), side, LABEL), "SHOWN", theme.neutral)
        draw_title(painter, QRectF(box.left() + side + GAP, box.top(), side, LABEL), "SEEN", theme.accent)
        top = box.top() + LABEL
        draw_image(painter, QRectF(box.left(), top, side, side), shown and self._image(shown.pixels), theme)
        seen = None if pair is None else self._image(pair.pixels)
        draw_image(painter, QRectF(box.left() + side + GAP, top, side, side), seen, theme)

    def _draw_score(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        images = self.state.images
        row = QRectF(box.left(), box.top(), box.width(), 36)
        n = len(images.judged)
        big, small = font(26, bold=True), font(13)
        parts = [
            ("match ", small, theme.dim),
            (fixed(images.score), big, theme.accent if n else theme.dim),
            ("   chance ", small, theme.dim),
            (fixed(images.chance), font(18, bold=True), theme.text if n else theme.dim),
        ]
        draw_run(painter, row.left(), row, parts)
        words = f"{images.n_way}-way, last {n}" if n else "waiting for pairs"
        draw_text(painter, row.adjusted(row.width() - 150, 0, 0, 0), words, small, theme.dim, RIGHT)
        own, others = images.correlations
        line = f"pixel correlation {fixed(own, 2, 5)} with its own image, {fixed(others, 2, 5)} with the others"
        draw_text(painter, QRectF(box.left(), row.bottom() + 1, box.width(), 18), line, font(12), theme.dim)
        plot = QRectF(box.left(), row.bottom() + 26, box.width(), box.bottom() - row.bottom() - 26)
        _draw_course(painter, plot, images.course(), images.chance, theme)

    def _draw_strip(self, painter: QPainter, box: QRectF, thumb: float, rows: int, theme: Theme) -> None:
        pairs = self.state.images.strip(STRIP_N)
        head = QRectF(box.left(), box.top(), box.width(), LABEL)
        words = f"last {STRIP_N} pairs; underlined where seen matches shown best"
        draw_text(painter, head, words, font(11), theme.dim)
        per_row = STRIP_N // rows
        for k in range(STRIP_N):
            x = box.left() + (k % per_row) * (thumb + THUMB_GAP)
            y = box.top() + LABEL + (k // per_row) * (2 * thumb + ROW_GAP)
            index = k - (STRIP_N - len(pairs))
            self._draw_thumb(painter, x, y, thumb, pairs[index] if index >= 0 else None, theme)

    def _draw_thumb(self, painter: QPainter, x: float, y: float, side: float, pair: Pair | None, theme: Theme) -> None:
        shown = None if pair is None or pair.shown is None else self._image(pair.shown.pixels)
        seen = None if pair is None else self._image(pair.pixels)
        draw_image(painter, QRectF(x, y, side, side), shown, theme)
        draw_image(painter, QRectF(x, y + side + 2, side, side), seen, theme)
        if pair is not None and pair.found:
            painter.fillRect(QRectF(x, y + 2 * side + 4, side, 3), QColor(theme.accent))

    def _image(self, pixels: NDArray[np.float32]) -> QImage:
        key = id(pixels)
        if key not in self._cache:
            self._cache[key] = (pixels, to_qimage(pixels))
            while len(self._cache) > 4 * STRIP_N:
                self._cache.popitem(last=False)
        return self._cache[key][1]


def _thumb(width: float, rows: int) -> float:
    per_row = STRIP_N // rows
    return (width - (per_row - 1) * THUMB_GAP) / per_row


def _height(width: float, rows: int) -> float:
    """Height that two large images, the score and a strip of `rows` rows take at their best."""
    return 2 * LABEL + (width - GAP) / 2 + 2 * GAP + SCORE + rows * (2 * _thumb(width, rows) + ROW_GAP)


def draw_title(painter: QPainter, box: QRectF, text: str, colour: str) -> None:
    """Words above an image, with a bar in the colour of what it is."""
    painter.fillRect(QRectF(box.left(), box.top() + 4, 4, box.height() - 10), QColor(colour))
    draw_text(painter, box.adjusted(11, -1, 0, -1), text, font(12, bold=True, spaced=True), colour)


def _draw_course(painter: QPainter, box: QRectF, course: NDArray[np.float64], chance: float, theme: Theme) -> None:
    """Running score from 0 to 1 with its chance line."""
    painter.fillRect(box, QColor(theme.well))
    if np.isfinite(chance):
        draw_level(painter, box, chance, theme.text)
    if len(course):
        x = np.linspace(0, 1, len(course)) if len(course) > 1 else np.array([0.0, 1.0])
        y = course if len(course) > 1 else np.repeat(course, 2)
        draw_trace(painter, box.adjusted(0, 2, 0, -2), x, y, theme.accent, 2)
