"""The candidate panel: what was shown beside the picture the model finds likeliest, and the runners-up."""

from __future__ import annotations

import re
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import RIGHT, Panel, draw_image, draw_run, draw_text, fixed, to_qimage
from apps.view.panels.images import draw_title
from apps.view.state.candidates import Candidate
from apps.view.state.view import ViewState
from apps.view.theme import Theme

LABEL, GAP, SCORE = 22, 12, 40
RUNNERS = 132
KEPT = 32
ENDING = re.compile(r"\.(png|jpe?g|bmp|gif|tiff?|webp)$", re.IGNORECASE)


class CandidatePanel(Panel):
    """Renders `CandidateState` beside the image that was shown."""

    heading = "Shown and seen"

    def __init__(self, state: ViewState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state
        self._cache: OrderedDict[int, tuple[object, QImage]] = OrderedDict()

    def note(self) -> str:
        """How many pictures there are to choose from."""
        n = self.state.candidates.n_labels
        return f"the likeliest of {n} pictures" if n else ""

    def draw(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        """Two large images, the runners-up beside them, the score below."""
        side = max(40.0, min((box.width() - RUNNERS - 2 * GAP) / 2, box.height() - LABEL - SCORE))
        left = box.left() + max(0.0, (box.width() - 2 * side - RUNNERS - 2 * GAP) / 2)
        found = self.state.candidates.candidates
        shown = self.state.images.shown_at(self.state.candidates.event_stamp)
        places = (QRectF(left + k * (side + GAP), box.top(), side, LABEL + side) for k in range(2))
        for place, title, colour, pixels in zip(
            places,
            ("SHOWN", "SEEN"),
            (theme.neutral, theme.accent),
            (shown and shown.pixels, found[0].pixels if found else None),
            strict=True,
        ):
            draw_title(painter, place.adjusted(0, 0, 0, -side), title, colour)
            image = None if pixels is None else self._image(pixels)
            draw_image(painter, place.adjusted(0, LABEL, 0, 0), image, theme)
        runners = QRectF(left + 2 * (side + GAP), box.top(), RUNNERS, LABEL + side)
        self._draw_runners(painter, runners, found[1:], theme)
        self._draw_score(painter, QRectF(box.left(), box.top() + LABEL + side, box.width(), SCORE), theme)

    def _draw_runners(self, painter: QPainter, box: QRectF, found: list[Candidate], theme: Theme) -> None:
        draw_text(painter, box.adjusted(0, 0, 0, LABEL - box.height()), "runners-up", font(11), theme.dim)
        if not found:
            return
        each = (box.height() - LABEL + 4) / len(found)
        side = each - 4
        for k, candidate in enumerate(found):
            top = box.top() + LABEL + k * each
            draw_image(painter, QRectF(box.left(), top, side, side), self._image(candidate.pixels), theme)
            words = QRectF(box.left() + side + 8, top, box.width() - side - 8, side)
            half = words.adjusted(0, 0, 0, -side / 2) if side >= 30 else words
            draw_text(painter, half, fixed(candidate.probability), font(14, bold=True), theme.text)
            if side >= 30:
                label = ENDING.sub("", candidate.label)
                box_of_label = words.adjusted(0, side / 2, 0, 0)
                draw_text(painter, box_of_label, label, font(11), theme.dim, cut=Qt.TextElideMode.ElideMiddle)

    def _draw_score(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        state = self.state.candidates
        n, k = len(state.judged), len(state.candidates)
        small = font(13)
        parts = [
            (f"among the first {k or 5} ", small, theme.dim),
            (fixed(state.share), font(22, bold=True), theme.accent if n else theme.dim),
            ("   chance ", small, theme.dim),
            (fixed(state.chance), font(18, bold=True), theme.text if n else theme.dim),
        ]
        row = box.adjusted(0, 6, 0, 0)
        draw_run(painter, row.left(), row, parts)
        words = f"last {n}" if n else "none judged"
        draw_text(painter, row.adjusted(row.width() - 110, 0, 0, 0), words, small, theme.dim, RIGHT)

    def _image(self, pixels: NDArray[np.float32]) -> QImage:
        key = id(pixels)
        if key not in self._cache or self._cache[key][0] is not pixels:
            self._cache[key] = (pixels, to_qimage(pixels))
            while len(self._cache) > KEPT:
                self._cache.popitem(last=False)
        return self._cache[key][1]
