"""What ends the window, and when."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWidgets")

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QWidget

from apps.view.app import ViewOptions, _quits_on_signals, application, run

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are told apart on POSIX only")


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_frame_closes_the_window_after_it(number: signal.Signals) -> None:
    app, window, open_then = application(), QWidget(), []
    window.show()

    def frame() -> None:
        os.kill(os.getpid(), number)
        open_then.append(window.isVisible())

    QTimer.singleShot(0, frame)
    QTimer.singleShot(20_000, app.quit)
    with _quits_on_signals(app):
        app.exec()
    assert open_then == [True]
    assert not window.isVisible()


def test_pictures_count_on_from_those_that_are_there(tmp_path: Path) -> None:
    for name in ("view-001.png", "view-007.png", "view-last.png"):
        (tmp_path / name).write_text("mine")
    taken = run(ViewOptions(stream="name=nobody-has-this", screenshots=tmp_path, every=0.2, duration=1.0))
    assert [path.name for path in taken[:2]] == ["view-008.png", "view-009.png"]
    assert (tmp_path / "view-001.png").read_text() == (tmp_path / "view-007.png").read_text() == "mine"
