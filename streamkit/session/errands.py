"""Errands: what follows an answer and may take its time, done by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from streamkit.errors import StreamkitError
from streamkit.priority import unhurry

Errand = Callable[[], Iterator[None]]
"""Work in short bursts: it yields after each."""

BREATH_S = 1e-4
"""Pause between bursts: long enough for a thread that waits for Python's lock to take it."""

MOST = 64
"""Errands that may wait; a further one is left out."""


class Errands:
    """Does errands in the order they came; nobody who hands one over ever waits.

    An errand that fails ends the thread, and `check` says so in the thread that decodes: nothing stops in silence.

    Parameters
    ----------
    most
        How many may wait.

    Attributes
    ----------
    lost
        Errands left out because too many were waiting.
    """

    def __init__(self, most: int = MOST) -> None:
        self.lost = 0
        self._most = most
        self._waiting: SimpleQueue[Errand | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="errands", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hand_over(self, errand: Errand) -> bool:
        """Leave an errand to the thread; False when it was left out."""
        if self._waiting.qsize() >= self._most:
            self.lost += 1
            return False
        self._waiting.put(errand)
        return True

    def check(self) -> None:
        """Raise what an errand failed with.

        Raises
        ------
        StreamkitError
            That, or what says so in words.
        """
        error = self._error
        if isinstance(error, StreamkitError):
            raise error
        if error is not None:
            raise StreamkitError(
                f"what follows a prediction failed: {type(error).__name__}: {error}. The session ends, for its streams "
                "would no longer belong together"
            ) from error

    def close(self, drain: bool = True) -> None:
        """Do what is waiting, or leave it with ``drain=False``, and end the thread; raises nothing."""
        if not drain:
            self._hurry.set()
        self._waiting.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        unhurry()
        while (errand := self._waiting.get()) is not None and not self._hurry.is_set():
            try:
                for _ in errand():
                    time.sleep(BREATH_S)
            except BaseException as error:  # told by `check`
                self._error = error
                return
