"""Who waits hears signals, however they are delivered."""

from __future__ import annotations

import threading
import time

import pytest

from streamkit.patience import HEAR_S, wait_for
from tests.elsewhere import ONLY_POSIX, ctrl_c_elsewhere


@ONLY_POSIX
@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_signal_that_another_thread_receives_is_heard(timeout: float | None) -> None:
    event = threading.Event()
    with ctrl_c_elsewhere(event.set), pytest.raises(KeyboardInterrupt):
        wait_for(event, timeout)


@pytest.mark.parametrize("timeout", [0.0, 0.05, 1.5 * HEAR_S])
def test_the_time_runs_out(timeout: float) -> None:
    begin = time.monotonic()
    assert not wait_for(threading.Event(), timeout)
    assert time.monotonic() - begin >= timeout


def test_what_is_set_meanwhile_or_already_is_seen() -> None:
    event = threading.Event()
    threading.Timer(1.5 * HEAR_S, event.set).start()
    assert wait_for(event)
    assert wait_for(event, 0.0)
