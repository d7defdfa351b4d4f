"""Waiting that hears Ctrl-C.

Only the main thread runs Python's signal handlers, and the system may deliver a signal to any thread of the process: a
main thread that waits for a lock without end is then not woken, and the signal is not heard before something else
happens.
"""

from __future__ import annotations

import threading
import time

HEAR_S = 0.2
"""Longest time for which a signal that another thread received is not heard."""


def wait_for(event: threading.Event, timeout: float | None = None) -> bool:
    """Wait until an event is set, as its own `wait` does; signals are heard meanwhile.

    Parameters
    ----------
    timeout
        Seconds; None for ever.

    Returns
    -------
    bool
        Whether it is set.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while not event.wait(HEAR_S if until is None else min(HEAR_S, max(0.0, until - time.monotonic()))):
        if until is not None and time.monotonic() >= until:
            return False
    return True
