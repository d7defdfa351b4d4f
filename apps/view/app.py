"""Open the window in this process, take pictures when asked, and end when told."""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication

from apps.view.children import Child, replay
from apps.view.feed import Feed
from apps.view.fonts import font, load_fonts
from apps.view.state.discovery import DiscoveryState
from apps.view.state.view import ViewState
from apps.view.theme import THEMES
from apps.view.window import Window
from streamkit.errors import BadInput, StreamkitError

CHECK_S = 0.25


@dataclass(frozen=True)
class ViewOptions:
    """What the command line asked for.

    Attributes
    ----------
    session, stream
        Name of a live session, query of a signal stream; empty means any.
    recording
        Recording to replay beside the window.
    screenshot, after
        Picture to take `after` seconds, and then end.
    screenshots, every
        Folder of pictures to take `every` seconds until `duration` is over.
    duration
        Seconds after which the window closes; None means never.
    """

    session: str = ""
    stream: str = ""
    recording: Path | None = None
    screenshot: Path | None = None
    after: float = 5.0
    screenshots: Path | None = None
    every: float = 5.0
    size: tuple[int, int] = (1280, 800)
    theme: str = "dark"
    fps: float = 50.0
    duration: float | None = None


def application() -> QApplication:
    """Return the one QApplication, with fonts."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["streamkit"])
    load_fonts()
    app.setApplicationName("streamkit")
    app.setStyle("Fusion")
    app.setFont(font(13))
    return app


def run(options: ViewOptions) -> list[Path]:
    """Show the window until it is closed; returns the pictures taken.

    Raises
    ------
    StreamkitError
        When the replay beside it ended with an error.
    """
    app = application()
    base = f"view-{uuid.uuid4().hex[:8]}"
    child = replay(options.recording, base) if options.recording else None
    discovery = DiscoveryState(options.stream, options.session, base if child else "")
    state = ViewState(discovery=discovery)
    window = Window(state, Feed(state), THEMES[options.theme], options.fps)
    window.resize(*options.size)
    window.show()
    pictures: list[Path] = []
    keep = _timers(app, window, options, child, pictures)
    try:
        with _quits_on_signals(app), _errors_end(app) as errors:
            app.exec()
    finally:
        for timer in keep:
            timer.stop()
        window.close()
        failure = child.failure() if child else None
        if child is not None:
            child.stop()
    if errors:
        raise errors[0]
    if failure:
        kind = BadInput if child is not None and child.process.returncode == BadInput.exit_status else StreamkitError
        raise kind(f"the replay of {options.recording} ended: {failure}")
    return pictures


@contextmanager
def _quits_on_signals(app: QApplication) -> Iterator[None]:
    """Close the window, and what runs beside it, on Ctrl-C and on a request to terminate.

    Not before whatever runs at that moment has returned: to quit closes all windows at once, and their streams.
    """

    def later(*_: object) -> None:
        QTimer.singleShot(0, app.quit)

    before = {number: signal.signal(number, later) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _errors_end(app: QApplication) -> Iterator[list[BaseException]]:
    """End the event loop with what a slot raised: left alone, PyQt aborts the process over it."""
    errors: list[BaseException] = []

    def keep(kind: type[BaseException], error: BaseException, trace: object) -> None:
        errors.append(error)
        app.quit()

    before, sys.excepthook = sys.excepthook, keep
    try:
        yield errors
    finally:
        sys.excepthook = before


def last_number(folder: Path) -> int:
    """The highest number of a picture ``view-NUMBER.png`` in `folder`; 0 where there is none."""
    numbers = (path.stem.removeprefix("view-") for path in folder.glob("view-*.png"))
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _timers(
    app: QApplication, window: Window, options: ViewOptions, child: Child | None, pictures: list[Path]
) -> list[QTimer]:
    """Everything that happens by the clock: pictures, the end, and a look at the child."""
    timers = []

    def every(seconds: float, action: object, once: bool = False) -> None:
        timer = QTimer(window)
        timer.setSingleShot(once)
        timer.timeout.connect(action)
        timer.start(max(1, round(seconds * 1000)))
        timers.append(timer)

    def one_picture() -> None:
        pictures.append(window.snapshot(options.screenshot))
        if options.screenshots is None and options.duration is None:
            app.quit()

    def next_picture() -> None:
        folder = options.screenshots or Path()
        pictures.append(window.snapshot(folder / f"view-{last_number(folder) + 1:03d}.png"))

    if options.screenshot is not None:
        every(options.after, one_picture, once=True)
    if options.screenshots is not None:
        every(options.every, next_picture)
    if options.duration is not None:
        every(options.duration, app.quit, once=True)
    # Also lets Python see Ctrl+C, which Qt's event loop would otherwise keep from it.
    every(CHECK_S, lambda: app.quit() if child is not None and child.failure() else None)
    return timers
