"""The window: lays the panels out, calls the feed, and turns keys into changes of state."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
from PyQt6.QtCore import QRect, QTimer
from PyQt6.QtGui import QCloseEvent, QColor, QKeySequence, QPalette, QResizeEvent, QShortcut
from PyQt6.QtWidgets import QWidget

from apps.view.children import Child, record
from apps.view.feed import Feed
from apps.view.panels.candidates import CandidatePanel
from apps.view.panels.decisions import DecisionPanel
from apps.view.panels.encoding import EncodingPanel
from apps.view.panels.header import HEIGHT, Header
from apps.view.panels.help import HelpOverlay
from apps.view.panels.images import ImagePanel
from apps.view.panels.latency import LatencyPanel
from apps.view.panels.lesson import LessonPanel
from apps.view.panels.signals import SignalPanel
from apps.view.panels.values import ValuePanel
from apps.view.state.teach import lesson
from apps.view.state.view import ViewState
from apps.view.theme import DARK, LIGHT, Theme
from streamkit.errors import BadInput

SPACE = 8
LATENCY_HEIGHT = 132
SLOW_S = 0.2
"""Panels of numbers are drawn five times a second: often enough to follow, seldom enough to read."""


class Window(QWidget):
    """All panels of one `ViewState`.

    Parameters
    ----------
    state
        What to show.
    feed
        Fills the state; called once per frame. None for a still picture.
    theme
        Colours to begin with.
    fps
        Frames per second to aim at.
    wall
        Wall clock in seconds.
    """

    def __init__(
        self,
        state: ViewState,
        feed: Feed | None = None,
        theme: Theme = DARK,
        fps: float = 50.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.state = state
        self.feed = feed
        self.theme = theme
        self.wall = wall
        self.recorder: Child | None = None
        self._slow = 0.0
        self._seen = (-1, -1)
        self.header = Header(state, theme, self)
        self.signals = SignalPanel(state.signals, theme, self)
        self.images = ImagePanel(state, theme, self)
        self.candidates = CandidatePanel(state, theme, self)
        self.decisions = DecisionPanel(state.decisions, theme, self)
        self.values = ValuePanel(state.values, theme, self)
        self.encoding = EncodingPanel(state.encoding, theme, self)
        self.latency = LatencyPanel(state, theme, self)
        self.lesson = LessonPanel(theme, self)
        self.help = HelpOverlay(theme, self)
        self.panels = (
            self.header, self.signals, self.images, self.candidates, self.decisions, self.values, self.encoding,
            self.latency, self.lesson,
        )  # fmt: skip
        self.setMinimumSize(960, 600)
        self._connect()
        self.use(theme)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.tick)
        if feed is not None:
            self._timer.start(max(1, round(1000 / fps)))

    def tick(self) -> None:
        """One frame: take in what came, paint what changed."""
        if self.feed is not None:
            self.feed.poll()
        self.signals.tick()
        if (seen := (self.state.images.n_seen, self.state.candidates.count)) != self._seen:
            self._seen = seen
            self.images.update()
            self.candidates.update()
        now = self.wall()
        if now - self._slow >= SLOW_S:
            self._slow = now
            self.refresh(now)

    def refresh(self, now: float) -> None:
        """Bring numbers, layout and staleness up to date."""
        state = self.state
        old = state.predictions_stale(now)
        self.signals.mark(state.signals.freshness, now)
        reconstructs = self.images.reconstructs
        self.images.mark(
            state.images.freshness if reconstructs else state.images.shown_fresh, now, old and reconstructs
        )
        self.candidates.mark(state.candidates.freshness, now, old)
        self.encoding.mark(state.encoding.freshness, now, old)
        self.decisions.mark(state.decisions.freshness, now, old)
        self.values.mark(state.values.freshness, now, old)
        self.latency.mark(state.latency.freshness, now, old)
        self.lesson.show_lesson(lesson(state))
        recording = self.recorder is not None and self.recorder.running
        if self.recorder is not None and (failure := self.recorder.failure()):
            click.echo(f"error: the recording ended: {failure}", err=True)
            self.recorder = None
        self.header.show_time(now, recording)
        for panel in (self.images, self.candidates, self.decisions, self.values, self.encoding, self.latency):
            panel.update()
        if self.windowTitle() != state.title():
            self.setWindowTitle(state.title())
        self.lay_out()

    def lay_out(self) -> None:
        """Place the panels that have something to say."""
        width, height = self.width(), self.height()
        places = arrange(self.state, width, height)
        self.header.setGeometry(0, 0, width, HEIGHT)
        for name, panel in (
            ("signals", self.signals),
            ("images", self.images),
            ("candidates", self.candidates),
            ("decisions", self.decisions),
            ("values", self.values),
            ("encoding", self.encoding),
            ("latency", self.latency),
            ("lesson", self.lesson),
        ):
            place = places.get(name)
            if place is not None and panel.geometry() != place:
                panel.setGeometry(place)
            if panel.isVisibleTo(self) != (place is not None):
                panel.setVisible(place is not None)
        self.help.setGeometry(0, 0, width, height)

    def use(self, theme: Theme) -> None:
        """Change colours everywhere."""
        self.theme = theme
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.window))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.text))
        self.setPalette(palette)
        for panel in self.panels:
            panel.use(theme)
        self.help.theme = theme
        self.help.update()

    def toggle_theme(self) -> None:
        """Dark to light and back."""
        self.use(LIGHT if self.theme is DARK else DARK)

    def toggle_help(self) -> None:
        """Show or hide the keys."""
        self.help.setVisible(not self.help.isVisible())
        self.help.raise_()

    def snapshot(self, path: Path | None = None) -> Path:
        """Save the window as a picture; returns where."""
        path = path or Path(time.strftime("streamkit-%Y%m%d-%H%M%S.png"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.grab().save(str(path), "PNG"):
            raise BadInput(f"the picture {path} could not be saved. Choose a place that can be written to.")
        return path

    def snapshot_here(self) -> None:
        """Save a picture in the current folder; where that fails, say so and go on."""
        try:
            click.echo(f"saved {self.snapshot()}", err=True)
        except (OSError, BadInput) as error:
            click.echo(f"error: {error}", err=True)

    def toggle_record(self) -> None:
        """Start recording all streams in view, or stop."""
        if self.recorder is not None and self.recorder.running:
            self.recorder.stop()
            self.recorder = None
            return
        roles = self.state.discovery.roles
        ids = [found.source_id for found in roles.values() if found.source_id]
        if ids:
            self.recorder = record(Path(time.strftime("recording-%Y%m%d-%H%M%S")), ids)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lay out again."""
        self.lay_out()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Let go of the streams; their sources do not notice."""
        self._timer.stop()
        if self.recorder is not None:
            self.recorder.stop()
        if self.feed is not None:
            self.feed.close()

    def _connect(self) -> None:
        signals, encoding = self.state.signals, self.state.encoding
        for keys, action in {
            ("Up", "+", "="): lambda: signals.change_scale(1),
            ("Down", "-"): lambda: signals.change_scale(-1),
            ("Left",): lambda: signals.change_time_base(-1),
            ("Right",): lambda: signals.change_time_base(1),
            ("PgUp",): lambda: signals.turn_page(-1),
            ("PgDown",): lambda: signals.turn_page(1),
            ("[",): lambda: signals.change_page_size(-1),
            ("]",): lambda: signals.change_page_size(1),
            ("A",): signals.autoscale,
            (",",): lambda: encoding.turn(-1),
            (".",): lambda: encoding.turn(1),
            ("B",): encoding.choose_best,
            ("M",): lambda: setattr(encoding, "average", not encoding.average),
            ("Space",): lambda: signals.freeze(not signals.frozen),
            ("T",): self.toggle_theme,
            ("S",): self.snapshot_here,
            ("R",): self.toggle_record,
            ("?", "F1", "H"): self.toggle_help,
            ("F", "F11"): lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
            ("Esc",): self.help.hide,
            ("Q", "Ctrl+W", "Ctrl+Q"): self.close,
        }.items():
            for key in keys:
                QShortcut(QKeySequence(key), self).activated.connect(action)
        self.header.help.connect(self.toggle_help)
        self.header.snapshot.connect(self.snapshot_here)
        self.header.record.connect(self.toggle_record)
        if self.feed is not None:
            self.header.choose.connect(self.feed.choose)


def arrange(state: ViewState, width: int, height: int) -> dict[str, QRect]:
    """Where each panel goes; a panel that is not named is not shown."""
    top, bottom = HEIGHT + SPACE, height - SPACE
    whole = QRect(SPACE, top, width - 2 * SPACE, bottom - top)
    if not state.anything:
        return {"lesson": whole}
    left = _left_panels(state)
    side = min(560, max(400, round(width * 0.35))) if left else 0
    places = _stack(left, QRect(SPACE, top, side, whole.height()))
    x = SPACE + side + (SPACE if side else 0)
    right = QRect(x, top, width - SPACE - x, whole.height())
    below = right.bottom() + 1
    if state.output:
        below -= LATENCY_HEIGHT
        places["latency"] = QRect(x, below, right.width(), LATENCY_HEIGHT)
        below -= SPACE
    if state.output == "values":
        tall = round(whole.height() * 0.36)
        places["values"] = QRect(x, below - tall, right.width(), tall)
        below -= tall + SPACE
    if state.encodes:
        tall = round(whole.height() * 0.34)
        places["encoding"] = QRect(x, below - tall, right.width(), tall)
        below -= tall + SPACE
    places["signals"] = QRect(x, top, right.width(), below - top)
    return places


def _left_panels(state: ViewState) -> list[str]:
    """Names of the panels in the left column, from top to bottom."""
    taught = lesson(state) is not None
    shown = state.images.newest_shown is not None
    panels = ["images"] if state.output == "image" or shown else []
    panels = ["candidates"] if state.retrieves else panels
    if taught:
        return [*panels[:1], "lesson"] if not state.health.refused else ["lesson"]
    if state.output == "probabilities":
        panels.append("decisions")
    return panels


def _stack(names: list[str], column: QRect) -> dict[str, QRect]:
    """Panels above one another; the lower one of two gets a little more than half."""
    if len(names) < 2:
        return {name: column for name in names}
    upper = round(column.height() * 0.46)
    return {
        names[0]: QRect(column.left(), column.top(), column.width(), upper),
        names[1]: QRect(column.left(), column.top() + upper + SPACE, column.width(), column.height() - upper - SPACE),
    }
