"""The empty state: teaches what to do next; its commands can be selected and copied."""

from __future__ import annotations

from html import escape

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QLabel, QWidget

from apps.view.fonts import font
from apps.view.paint import Panel
from apps.view.state.teach import Lesson
from apps.view.theme import Theme

WIDEST = 760


class LessonPanel(Panel):
    """Renders a `Lesson`."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._lesson: Lesson | None = None
        self._label = QLabel(self)
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.RichText)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setFont(font(14))

    def show_lesson(self, lesson: Lesson | None) -> None:
        """Change what is taught; None clears it."""
        if lesson != self._lesson:
            self._lesson = lesson
            self._render()

    def use(self, theme: Theme) -> None:
        """Change colours."""
        super().use(theme)
        self._render()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the text in the middle."""
        self._place()

    def _render(self) -> None:
        self._label.setText("" if self._lesson is None else as_html(self._lesson, self.theme))
        self._place()

    def _place(self) -> None:
        width = min(WIDEST, self.width() - 48)
        height = min(self._label.heightForWidth(width), self.height() - 32)
        self._label.setGeometry((self.width() - width) // 2, max(16, (self.height() - height) // 2), width, height)


def as_html(lesson: Lesson, theme: Theme) -> str:
    """A lesson as rich text."""
    colour = theme.warning if lesson.warning else theme.text
    out = [
        f'<p style="font-size:22px; font-weight:600; color:{colour}; margin:0 0 12px 0">{escape(lesson.headline)}</p>'
    ]
    out += [f'<p style="color:{theme.text}; margin:0 0 14px 0">{escape(text)}</p>' for text in lesson.said]
    if lesson.list_title:
        out.append(f'<p style="color:{theme.dim}; margin:8px 0 4px 0">{escape(lesson.list_title)}</p>')
    out += [f'<p style="color:{theme.text}; margin:0 0 5px 12px">{escape(line)}</p>' for line in lesson.listed]
    if lesson.commands:
        out.append(f'<p style="color:{theme.dim}; margin:18px 0 6px 0">What to do</p>')
    mono = f"color:{theme.text}; font-family:'{font(13, mono=True).family()}'; font-size:13px"
    for command, does in lesson.commands:
        out.append(
            f'<p style="margin:0 0 1px 12px; {mono}">{escape(command)}</p>'
            f'<p style="margin:0 0 9px 12px; color:{theme.dim}; font-size:12px">{escape(does)}</p>'
        )
    return "".join(out)
