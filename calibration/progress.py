"""A progress bar with the time left, on stderr; or nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Any

WIDE = 115
"""Columns of a terminal that has room for everything; in a narrower one the bar is short and nothing else is cut."""


class Progress:
    """Shows what a calibration is at. This base class shows nothing."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the display."""

    def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
        """Start a step of `total` parts, of which some may be done already."""

    def advance(self, note: str = "") -> None:
        """Count one part of the step as done."""

    def at(self, done: float, note: str | None = None) -> None:
        """Say how many parts of the step are done; a part may be half done. None keeps the note."""


class Bar(Progress):
    """Shows it with rich: one line per step."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich
        from rich.table import Column

        console = Console(stderr=True)
        wide = console.width >= WIDE
        columns = (
            TextColumn("{task.description:<28}" if wide else "{task.description:<20}"),
            BarColumn(24 if wide else 7),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            *((TimeElapsedColumn(table_column=Column(no_wrap=True)),) if wide else ()),
            TextColumn("left"),
            TimeRemainingColumn(compact=not wide, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}", table_column=Column(no_wrap=False)),
        )
        self._rich = Rich(*columns, console=console)
        self._task: int | None = None

    def __enter__(self) -> Bar:
        self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the display."""
        if kind is None:
            self._end_step()
        self._rich.stop()

    def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
        """Start a step of `total` parts, of which some may be done already."""
        self._end_step()
        self._task = self._rich.add_task(what, total=total or 1, completed=done, note="")

    def advance(self, note: str = "") -> None:
        """Count one part of the step as done."""
        if self._task is not None:
            self._rich.update(self._task, advance=1, note=note)

    def at(self, done: float, note: str | None = None) -> None:
        """Say how many parts of the step are done; a part may be half done. None keeps the note."""
        if self._task is not None:
            self._rich.update(self._task, completed=done, **({} if note is None else {"note": note}))

    def _end_step(self) -> None:
        if self._task is not None:
            task = self._rich.tasks[self._task]
            self._rich.update(self._task, completed=task.total)


class Relay(Progress):
    """Hands everything to a queue, for another process to show.

    Parameters
    ----------
    queue
        Takes ``(method, arguments)``.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
        """Start a step of `total` parts, of which some may be done already."""
        self._queue.put(("begin", (what, total, done)))

    def advance(self, note: str = "") -> None:
        """Count one part of the step as done."""
        self._queue.put(("advance", (note,)))

    def at(self, done: float, note: str | None = None) -> None:
        """Say how many parts of the step are done."""
        self._queue.put(("at", (done, note)))
