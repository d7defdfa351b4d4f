"""The candidate panel: what was shown beside the picture the model finds likeliest, and the runners-up."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QWidget

from apps.view.fonts import font
from apps.view.paint import ENDING, RIGHT, Panel, draw_image, draw_run, draw_text, fixed, to_qimage
from apps.view.panels.images import draw_title
from apps.view.state.candidates import Candidate
from apps.view.state.view import ViewState
from apps.view.theme import Theme

LABEL, GAP, SCORE, RUNNERS = 22, 12, 40, 58
KEPT = 32
READABLE = 70.0
"""Narrower than this (px), a label says nothing; the decisions give it."""


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
        """Two large images, the runners-up below them, then the score."""
        side = max(40.0, min((box.width() - GAP) / 2, box.height() - LABEL - RUNNERS - SCORE))
        left = box.left() + max(0.0, (box.width() - 2 * side - GAP) / 2)
        found = self.state.candidates.candidates
        shown = self.state.images.shown_at(self.state.candidates.event_stamp)
        for k, (title, colour, pixels) in enumerate(
            (
                ("SHOWN", theme.neutral, shown and shown.pixels),
                ("SEEN", theme.accent, found[0].pixels if found else None),
            )
        ):
            place = QRectF(left + k * (side + GAP), box.top(), side, LABEL)
            draw_title(painter, place, title, colour)
            image = None if pixels is None else self._image(pixels)
            draw_image(painter, QRectF(place.left(), place.bottom(), side, side), image, theme)
        below = box.top() + LABEL + side
        self._draw_runners(painter, QRectF(box.left(), below + GAP, box.width(), RUNNERS - GAP), found[1:], theme)
        self._draw_score(painter, QRectF(box.left(), below + RUNNERS, box.width(), SCORE), theme)

    def _draw_runners(self, painter: QPainter, box: QRectF, found: list[Candidate], theme: Theme) -> None:
        if not found:
            return
        each, side = (box.width() + GAP) / len(found), box.height()
        for k, candidate in enumerate(found):
            left = box.left() + k * each
            draw_image(painter, QRectF(left, box.top(), side, side), self._image(candidate.pixels), theme)
            words = QRectF(left + side + 6, box.top(), each - GAP - side - 6, side / 2)
            draw_text(painter, words, fixed(candidate.probability), font(14, bold=True), theme.text)
            if words.width() < READABLE:
                continue
            label = ENDING.sub("", candidate.label)
            low = words.translated(0, side / 2)
            draw_text(painter, low, label, font(11), theme.dim, cut=Qt.TextElideMode.ElideMiddle)

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
