"""Memory that a training on the processor frees and takes again, step by step, stays with the process meanwhile.

The C library hands back blocks of some size as soon as they are freed, and the kernel fills each with zeros, page by
page, when it is next asked for: half of the time of a step, where feature maps take tens of megabytes.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of `mallopt(3)`."""

MOST_MAPPINGS, TRIM_AT = 65536, 128 << 10
"""What the GNU C library begins with."""

NEVER = 2**31 - 1


def gnu_c_library() -> Any:
    """The C library where it is GNU's, or None."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
    except (OSError, TypeError):
        return None


@contextlib.contextmanager
def kept_when_freed() -> Iterator[bool]:
    """Keep freed memory within, and give back what nobody uses in the end; yields whether that can be done here."""
    library = gnu_c_library()
    if library is None:
        yield False
        return
    told = library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield bool(told)
    finally:
        library.mallopt(M_MMAP_MAX, MOST_MAPPINGS)
        library.mallopt(M_TRIM_THRESHOLD, TRIM_AT)
        library.malloc_trim(0)
