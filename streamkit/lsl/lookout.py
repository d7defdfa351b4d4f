"""Streams that appear later are looked for in a thread of their own, and handed over once they are connected."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import pylsl

from streamkit.errors import ContractMismatch, StreamkitError
from streamkit.lsl.search import Closes
from streamkit.lsl.selection import is_source
from streamkit.priority import unhurry
from streamkit.types import StreamSpec

PERIOD_S = 0.25
"""How often it is looked which streams there are; liblsl asks by itself, every second or so."""

_JOIN_S = 2.0


class Inlet(Closes, Protocol):
    """What a lookout connects to."""

    @property
    def spec(self) -> StreamSpec:
        """What the stream says about itself."""


T = TypeVar("T", bound=Inlet)


class Lookout(Generic[T]):
    """Watches for streams that were not there from the beginning.

    Parameters
    ----------
    condition
        XPath predicate of the streams that are meant.
    connect
        Makes an open inlet of a stream, or None of one that is not meant after all; ContractMismatch refuses it for
        good, other errors are tried again. Called on the thread of the lookout.
    known
        Streams that somebody else looks after.
    most
        How many are looked for; None for all that come.
    on_refusal
        Called with the reason, in words, when a stream is refused.

    Notes
    -----
    The thread waits outside the interpreter lock, and whoever calls `take` never waits.
    """

    def __init__(
        self,
        condition: str,
        connect: Callable[[pylsl.StreamInfo], T | None],
        known: Sequence[StreamSpec] = (),
        most: int | None = None,
        on_refusal: Callable[[str], None] | None = None,
    ) -> None:
        self._condition, self._connect, self._known = condition, connect, list(known)
        self._most, self._on_refusal = most, on_refusal
        self._seen: set[str] = set()
        self._found: deque[T] = deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="looking for further streams", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def take(self) -> list[T]:
        """Return what was found since the last call, open, each once; never waits."""
        return [self._found.popleft() for _ in range(len(self._found))] if self._found else []

    def stop(self) -> None:
        """End; what has been found and not taken is closed."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        for inlet in self.take():
            inlet.close()

    def _run(self) -> None:
        unhurry()
        resolver = pylsl.ContinuousResolver(pred=self._condition)
        left = self._most
        while left != 0 and not self._stopped.wait(PERIOD_S):
            for info in resolver.results():
                if left != 0 and self._is_new(info) and self._try(info):
                    left = None if left is None else left - 1

    def _is_new(self, info: pylsl.StreamInfo) -> bool:
        return info.uid() not in self._seen and not any(is_source(info, spec) for spec in self._known)

    def _try(self, info: pylsl.StreamInfo) -> bool:
        """Whether a stream was connected."""
        try:
            inlet = self._connect(info)
        except ContractMismatch as error:
            self._seen.add(info.uid())
            if self._on_refusal is not None:
                self._on_refusal(str(error))
            return False
        except StreamkitError:
            return False  # it may not be ready yet: the next look tries again
        self._seen.add(info.uid())
        if inlet is None:
            return False
        self._known.append(inlet.spec)
        if self._stopped.is_set():
            inlet.close()
        else:
            self._found.append(inlet)
        return True
