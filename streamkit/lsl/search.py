"""A source that went away is looked for in a thread of its own, until one that fits is there and connected."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import pylsl

from streamkit.errors import ContractMismatch, StreamkitError
from streamkit.priority import unhurry

LISTEN_S = 0.1
"""How long answers to one question are waited for: a source is found at most this long after it can be."""

LONGEST_PAUSE_S = 5.0
"""Between two attempts to connect to a stream that answers and cannot be opened."""

DYING_S = 6.0
"""A stream that goes away may answer once more, and liblsl keeps an answer for 5 s: that it cannot be opened so long is
no news."""

WATCH_S = 0.5
"""How often a watch looks which streams there are."""

FORGET_S = 3.0
"""A watched stream that has not answered for so long no longer does; liblsl asks every 1 to 1.75 s."""

STANDS_S = 2.0
"""So long a stream must have answered in the place of a watched one."""

_JOIN_S = 1.0


class Closes(Protocol):
    """What a search connects to."""

    def close(self) -> None:
        """Let go of it."""


T = TypeVar("T", bound=Closes)


class Search(Generic[T]):
    """Looks until a stream answers that can be connected to; begins at once, in a thread.

    Parameters
    ----------
    condition
        XPath predicate of the streams that are meant.
    connect
        Makes an open inlet of a stream; ContractMismatch refuses this one for good, other errors are tried again.

    Attributes
    ----------
    refusal
        Why the stream that is there was refused; None when none was.
    problem
        Why a stream that has answered for more than `DYING_S` cannot be opened, or nothing can be asked; empty while
        neither is so.

    Notes
    -----
    liblsl's continuous resolver asks every 1 to 1.75 s; asking anew each `LISTEN_S` finds a source that has come back
    ten times sooner. The continuous one runs beside it for networks where only its unicast gets through. The thread
    spends its time waiting inside liblsl, without the interpreter lock.
    """

    forget_s = 5.0

    def __init__(self, condition: str, connect: Callable[[pylsl.StreamInfo], T]) -> None:
        self.refusal: ContractMismatch | None = None
        self.problem = ""
        self._condition, self._connect = condition, connect
        self._refused: set[str] = set()
        self._failing: dict[str, float] = {}
        self._failures = 0
        self._found: T | None = None
        self._lock = threading.Lock()
        self._news, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="looking for a lost stream", daemon=True)
        self._thread.start()

    @property
    def has_news(self) -> bool:
        """Whether `wait` would return at once."""
        return self._news.is_set()

    def wait(self, timeout: float) -> T | None:
        """Wait up to `timeout` seconds for news; returns the open inlet once there is one, and only once."""
        if self._news.wait(timeout):
            self._news.clear()
        with self._lock:
            found, self._found = self._found, None
        return found

    def stop(self, wait: bool = False) -> None:
        """Give up; what has been found and not fetched is closed. `wait` gives the thread a second to end."""
        self._stopped.set()
        with self._lock:
            if self._found is not None:
                self._found.close()
                self._found = None
        if wait:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        unhurry()
        resolver: pylsl.ContinuousResolver | None = None
        while not self._stopped.is_set():
            try:
                resolver = resolver or pylsl.ContinuousResolver(pred=self._condition, forget_after=self.forget_s)
                if self._try(self._answers(resolver)):
                    return
            except Exception as error:  # whatever it is: say it, and look on
                self._fail(error)

    def _answers(self, resolver: pylsl.ContinuousResolver) -> list[pylsl.StreamInfo]:
        """Streams that answer now, newest first, without those refused."""
        unseen = " and ".join((self._condition, *(f"uid!='{uid}'" for uid in self._refused)))
        infos = pylsl.resolve_bypred(unseen, 1, LISTEN_S) or resolver.results()
        return newest_first(info for info in infos if info.uid() not in self._refused)

    def _try(self, infos: list[pylsl.StreamInfo]) -> bool:
        """Connect to the first that can be; whether one could."""
        failure: Exception | None = None
        told = False
        for info in infos:
            try:
                self._hand_over(self._connect(info))
                return True
            except ContractMismatch as error:
                self._refuse(info, error)
            except Exception as error:
                failure = error
                told = time.monotonic() - self._failing.setdefault(info.uid(), time.monotonic()) > DYING_S
        if failure is not None:
            self._fail(failure, told)
        return False

    def _hand_over(self, inlet: T) -> None:
        with self._lock:
            if self._stopped.is_set():
                inlet.close()
            else:
                self._found = inlet
        self._news.set()

    def _refuse(self, info: pylsl.StreamInfo, error: ContractMismatch) -> None:
        self.refusal = error
        self._refused.add(info.uid())
        self._news.set()

    def _fail(self, error: Exception, told: bool = True) -> None:
        self._failures += 1
        if told:
            self.problem = str(error) if isinstance(error, StreamkitError) else f"{type(error).__name__}: {error}"
        self._stopped.wait(min(LONGEST_PAUSE_S, LISTEN_S * 2 ** min(self._failures - 1, 10)))


class Watch(Search[T]):
    """Waits, without asking more than liblsl does by itself, for a stream that takes the place of one that is silent.

    A stream without a rate may be silent for long and be well: another takes its place only once the silent one has
    ceased to answer. A program that runs twice, or two that share a source id, are left as they are.

    Parameters
    ----------
    condition, connect
        As `Search` takes them; the watched stream itself must fit the condition.
    uid
        Of the watched stream.
    silent
        Whether it is; asked on the thread of the watch.
    """

    forget_s = FORGET_S

    def __init__(
        self,
        condition: str,
        connect: Callable[[pylsl.StreamInfo], T],
        uid: str,
        silent: Callable[[], bool],
    ) -> None:
        self._uid, self._silent = uid, silent
        self._since: dict[str, float] = {}
        super().__init__(condition, connect)

    def _answers(self, resolver: pylsl.ContinuousResolver) -> list[pylsl.StreamInfo]:
        """Streams that have answered for `STANDS_S` while the silent one did not, newest first."""
        self._stopped.wait(WATCH_S)
        infos = {info.uid(): info for info in resolver.results()}
        others = {} if self._uid in infos else infos
        now = time.monotonic()
        self._since = {uid: self._since.get(uid, now) for uid in others if uid not in self._refused}
        if not self._silent():
            return []
        return newest_first(others[uid] for uid, since in self._since.items() if now - since >= STANDS_S)


def newest_first(infos: Iterable[pylsl.StreamInfo]) -> list[pylsl.StreamInfo]:
    """Streams by the time at which their source made them."""
    return sorted(infos, key=lambda info: -float(info.created_at()))
