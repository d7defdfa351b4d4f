"""The stack on which a thread's signal handlers run stays the one it was.

OpenVINO's processor plugin gives the thread that loads it an alternate stack (`man sigaltstack`) just large enough for
a signal's frame with AMX registers in use. Python runs its handlers there, and where it first has to look up a
function, that alone takes as much again: Ctrl-C would end the process with a segmentation fault.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_: ClassVar = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextmanager
def same_signal_stack() -> Iterator[None]:
    """Put back this thread's alternate signal stack afterwards, or that there was none. Linux only."""
    if not sys.platform.startswith("linux"):
        yield
        return
    libc, before = ctypes.CDLL(None), _Stack()
    known = libc.sigaltstack(None, ctypes.byref(before)) == 0
    try:
        yield
    finally:
        if known:
            libc.sigaltstack(ctypes.byref(before), None)


def signal_stack_size() -> int:
    """Bytes of this thread's alternate signal stack; 0 without one. Linux only."""
    found = _Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
    return int(found.size) if found.start else 0
