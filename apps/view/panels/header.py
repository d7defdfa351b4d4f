"""The header: which stream, bundle and backend, in what state, since when; record, snapshot, help."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QMenu, QPushButton, QWidget

from apps.view.fonts import font
from apps.view.paint import CENTRE, RIGHT, Panel, draw_text, width_of
from apps.view.state.view import ViewState
from apps.view.theme import Theme, mix

HEIGHT = 54
EXPLAINED = ("refused", "failed")
"""States whose message is given in full below."""
CALM = ("live", "connecting", "searching", "no session", "stopped")


class Header(Panel):
    """Renders `HealthState` and the session's facts; its buttons only ask."""

    record = pyqtSignal()
    snapshot = pyqtSignal()
    help = pyqtSignal()
    choose = pyqtSignal(str)

    def __init__(self, state: ViewState, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.state = state
        self.now = 0.0
        self.recording = False
        self._stream = self._button("", self._show_menu)
        self._stream.setToolTip("choose the signal stream to show")
        self._buttons = [
            self._button("Record", self.record.emit),
            self._button("Snapshot", self.snapshot.emit),
            self._button("?", self.help.emit),
        ]
        self.use(theme)

    def use(self, theme: Theme) -> None:
        """Change colours."""
        super().use(theme)
        hover = mix(theme.panel, theme.text, 0.12)
        rest = mix(theme.panel, theme.text, 0.05)
        style = (
            f"QPushButton{{color:{theme.text};background:{rest};border:1px solid {theme.line};border-radius:5px;"
            f"padding:0 12px}}QPushButton:hover{{background:{hover}}}"
        )
        for button in self._buttons:
            button.setStyleSheet(style)
        self._stream.setStyleSheet(
            f"QPushButton{{border:none;background:transparent;text-align:left;border-radius:5px}}"
            f"QPushButton:hover{{background:{hover}}}"
        )

    def show_time(self, now: float, recording: bool) -> None:
        """Bring clock and button up to `now`."""
        self.now = now
        if recording != self.recording:
            self.recording = recording
            self._buttons[0].setText("Stop recording" if recording else "Record")
            self._place()
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Buttons at the right, the stream menu at the left."""
        self._place()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw facts at the left and the state at the right."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self.theme.panel))
        painter.fillRect(QRectF(0, self.height() - 1, self.width(), 1), QColor(self.theme.line))
        state_left = self._draw_state(painter)
        facts_right = self._draw_facts(painter, state_left - 24)
        room = QRectF(facts_right, 8, state_left - 16 - facts_right, 38)
        if (said := self._said()) and room.width() > 80:
            self._draw_said(painter, room, said)
        painter.end()

    def _facts(self) -> list[tuple[str, str]]:
        spec, facts = self.state.signals.spec, self.state.health.facts
        n_signals = len(self.state.discovery.signals())
        stream = f"{spec.name} · {spec.n_chans} ch · {spec.sfreq:g} Hz" if spec else "–"
        return [
            ("STREAM ▾" if n_signals > 1 else "STREAM", stream),
            ("BUNDLE", facts.get("bundle") or "–"),
            ("BACKEND", self.state.health.backend or "–"),
        ]

    def _draw_said(self, painter: QPainter, room: QRectF, said: str) -> None:
        """One line, or two where one is too short."""
        face = font(13)
        if width_of(said, face) <= room.width():
            draw_text(painter, room, said, face, self.theme.warning, RIGHT)
            return
        words = said.split(" ")
        n = next((n for n in range(len(words), 1, -1) if width_of(" ".join(words[:n]), face) <= room.width()), 1)
        for top, line in ((8, words[:n]), (27, words[n:])):
            draw_text(painter, QRectF(room.x(), top, room.width(), 19), " ".join(line), face, self.theme.warning, RIGHT)

    def _said(self) -> str:
        """Why it is not well, or the newest of the warnings while it is."""
        health = self.state.health
        if not self._wrong():
            return health.warnings[-1] if health.warnings and health.state == "live" else ""
        return health.headline if health.state not in EXPLAINED else ""

    def _wrong(self) -> bool:
        return self.state.health.shown_state(self.now) not in CALM

    def _draw_facts(self, painter: QPainter, right: float) -> float:
        x = 16.0
        small, value = font(11, bold=True, spaced=True), font(14)
        for title, text in self._facts():
            width = min(max(width_of(text, value), width_of(title, small)) + 2, max(0.0, right - x))
            if width < 30:
                return x
            draw_text(painter, QRectF(x, 8, width, 16), title, small, self.theme.dim)
            draw_text(painter, QRectF(x, 25, width, 20), text, value, self.theme.text)
            x += width + 30
        return self._draw_badge(painter, x, right) if self.state.simulated else x

    def _draw_badge(self, painter: QPainter, x: float, right: float) -> float:
        """Say that the data are simulated: pictures of the window have no title bar."""
        face = font(12, bold=True, spaced=True)
        box = QRectF(x, 15.5, width_of("SIMULATED", face) + 22, 24)
        if box.right() > right:
            return x
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(self.theme.text))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 4, 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        draw_text(painter, box, "SIMULATED", face, self.theme.text, CENTRE)
        return box.right() + 24

    def _draw_state(self, painter: QPainter) -> float:
        """State, clock and message, ending where the buttons begin; returns where they start."""
        health = self.state.health
        word = health.shown_state(self.now)
        colour = self.theme.warning if self._wrong() else self.theme.text
        right = self._buttons[0].x() - 20
        clock = health.clock(self.now)
        width = width_of("00:00:00", font(20)) + 4
        if health.state:
            draw_text(painter, QRectF(right - width, 8, width, 38), clock, font(20), self.theme.text, RIGHT)
            right -= width + 12
        face = font(17, bold=True)
        width = width_of(word.upper(), face) + 2
        draw_text(painter, QRectF(right - width, 8, width, 38), word.upper(), face, colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour if word != "no session" else self.theme.dim))
        painter.drawEllipse(QRectF(right - width - 20, 22, 11, 11))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        return right - width - 20

    def _button(self, text: str, asked: object) -> QPushButton:
        button = QPushButton(text, self)
        button.setFont(font(13))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.clicked.connect(asked)
        return button

    def _place(self) -> None:
        right = self.width() - 14
        for button in reversed(self._buttons):
            width = button.fontMetrics().horizontalAdvance(button.text()) + 28
            button.setGeometry(right - width, 11, width, 32)
            right -= width + 8
        self._stream.setGeometry(8, 4, 200, HEIGHT - 8)
        self._stream.lower()

    def _show_menu(self) -> None:
        menu = QMenu(self)
        menu.setFont(font(13))
        for stream in self.state.discovery.signals():
            action = menu.addAction(stream.line())
            if action is not None:
                action.triggered.connect(lambda _, chosen=stream.source_id or stream.uid: self.choose.emit(chosen))
        menu.popup(self._stream.mapToGlobal(self._stream.rect().bottomLeft()))
