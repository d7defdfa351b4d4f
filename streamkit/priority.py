"""Real-time scheduling for the thread that decodes, where the system grants it.

On a busy computer a thread that wakes up waits until another has used its turn, some milliseconds, and may lose the
processor in the middle of an inference. A real-time thread does neither. Most systems grant it to members of a group
(``rtprio`` in ``/etc/security/limits.conf``) or to administrators; who may not have it decodes as before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

LEVEL = 10
"""Real-time priority: above everything ordinary, below what audio servers and the kernel's own threads use."""

BUSY, CALM = 0.8, 0.5
"""Real-time scheduling is given back by a thread that computes for more than the first part of a second, and taken
again when it computes for less than the second."""


def hurry() -> bool:
    """Ask for real-time scheduling of this thread and of those it starts; False where it is not to be had."""
    if not hasattr(os, "SCHED_RR"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(LEVEL))
    except OSError:
        return False
    return True


def unhurry() -> None:
    """Give this thread ordinary scheduling, whatever the thread that started it has."""
    if hasattr(os, "SCHED_OTHER") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


_claimed: set[Priority] = set()
"""Those that want it in this process."""


class Priority:
    """Real-time scheduling of one thread, given back while it computes nearly all the time: others must live, too.

    Call every method in that thread. Only one thread of a process has it: several that take turns at the interpreter
    lock spend more time handing it over than using it when each of them must run at once.

    Parameters
    ----------
    wanted
        False leaves everything as it is.
    used, clock
        Seconds of processor time this thread has used; seconds.

    Attributes
    ----------
    state
        ``"real-time"``, ``"normal"``, or ``"given back"`` while the thread is too busy or not the only one.
    """

    def __init__(
        self,
        wanted: bool = True,
        used: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = "normal"
        self._wanted, self._used, self._clock = wanted, used, clock
        self._since: tuple[float, float] | None = None

    def claim(self) -> None:
        """Take it, if it is wanted and granted, and nobody else in this process does."""
        if self._wanted:
            _claimed.add(self)
            if len(_claimed) > 1:
                self.state = "given back"
            elif hurry():
                self.state = "real-time"

    def watch(self) -> None:
        """Look at how busy the thread was since the last call, about a second ago; the first call begins to look."""
        if self.state == "normal":
            return
        used, now = self._used(), self._clock()
        before, self._since = self._since, (used, now)
        if before is None:
            return
        busy = (used - before[0]) / max(now - before[1], 1e-9)
        alone = len(_claimed) == 1
        if self.state == "real-time" and (busy > BUSY or not alone):
            unhurry()
            self.state = "given back"
        elif self.state == "given back" and busy < CALM and alone and hurry():
            self.state = "real-time"

    def release(self) -> None:
        """Back to ordinary scheduling; `state` keeps saying how it was."""
        _claimed.discard(self)
        if self.state == "real-time":
            unhurry()
