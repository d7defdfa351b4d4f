"""A progress bar with the time left, on stderr; or nothing."""

from __future__ import annotations

from types import TracebackType


class Progress:
    """Shows what a calibration is at. This base class shows nothing."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the display."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Start a step of `total` parts."""

    def advance(self, note: str = "") -> None:
        """Count one part of the step as done."""


class Bar(Progress):
    """Shows it with rich: one line per step."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._rich = Rich(*columns, console=Console(stderr=True))
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

    def begin(self, what: str, total: int | None = None) -> None:
        """Start a step of `total` parts."""
        self._end_step()
        self._task = self._rich.add_task(what, total=total or 1, note="")

    def advance(self, note: str = "") -> None:
        """Count one part of the step as done."""
        if self._task is not None:
            self._rich.update(self._task, advance=1, note=note)

    def _end_step(self) -> None:
        if self._task is not None:
            task = self._rich.tasks[self._task]
            self._rich.update(self._task, completed=task.total)
