"""Scribe: the thread that writes a live session to disk, in bursts too short to hold up decoding."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from streamkit.errors import StreamkitError
from streamkit.priority import unhurry

PERIOD_S = 0.2
"""What a killed process loses is no older than this and the time of one turn."""

BREATH_S = 1e-4
"""Pause between bursts: long enough for a thread that waits for Python's lock to take it."""


class Book(Protocol):
    """Something that is written bit by bit."""

    def write(self) -> Iterator[None]:
        """Write what has come, yielding after each short burst of work."""

    def close(self) -> Iterator[None]:
        """Write the rest and the end, yielding likewise."""


class Scribe:
    """Keeps books in a thread of its own.

    A book that fails is left as it is and reported; the others are kept on.

    Parameters
    ----------
    books
        What to write.
    on_problem
        Called with what went wrong, on the writing thread.

    Notes
    -----
    Whoever decodes waits for nothing here: files are written without Python's lock, and what needs the lock is cut
    into bursts far below a millisecond.
    """

    def __init__(self, books: Sequence[Book], on_problem: Callable[[str], None]) -> None:
        self._books = list(books)
        self._on_problem = on_problem
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write everything that has come, then the ends; returns when that is done."""
        self._halt.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        unhurry()
        while not self._halt.wait(PERIOD_S):
            self._keep(lambda book: book.write())
        self._keep(lambda book: book.close())

    def _keep(self, work: Callable[[Book], Iterator[None]]) -> None:
        for book in tuple(self._books):
            try:
                for _ in work(book):
                    time.sleep(BREATH_S)
            except Exception as error:
                self._books.remove(book)
                known = isinstance(error, StreamkitError)
                self._on_problem(str(error) if known else f"writing failed: {type(error).__name__}: {error}")
