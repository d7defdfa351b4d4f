"""Ctrl-C that the system delivers to another thread than the main one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

ONLY_POSIX = pytest.mark.skipif(os.name != "posix", reason="signals go to single threads on POSIX only")
SOON_S, GIVEN_UP_S = 0.3, 10.0


@contextmanager
def ctrl_c_elsewhere(end: Callable[[], None]) -> Iterator[None]:
    """Soon a thread of its own receives Ctrl-C; should the main thread not hear it, `end` ends its waiting."""
    done, deaf = threading.Event(), threading.Event()

    def receive() -> None:
        if not done.wait(SOON_S):
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not done.wait(GIVEN_UP_S):
            deaf.set()
            end()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=receive)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert not deaf.is_set(), f"Ctrl-C was not heard in {GIVEN_UP_S:g} s"
