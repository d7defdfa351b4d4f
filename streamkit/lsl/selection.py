"""Which streams a session reads: one signal that fits the contract, and the markers that go with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pylsl

from streamkit.errors import StreamError
from streamkit.lsl.contract import differences
from streamkit.lsl.discovery import find, not_found, only, spec_of
from streamkit.recording.model import SAID
from streamkit.types import StreamSpec

SLICE_S = 1.0
"""A search is cut into pieces of this length, so that its caller can give up in between."""

OPTIONAL_S = 1.0
"""How long streams that need not be there are waited for."""


def await_signal(query: str, expected: StreamSpec, timeout: float, tick: Callable[[], None]) -> pylsl.StreamInfo:
    """Wait for the signal stream `query` means, see `pick_signal`.

    Parameters
    ----------
    tick
        Called about once a second; what it raises ends the wait.

    Raises
    ------
    StreamNotFound
        When nothing matched within `timeout` seconds; lists what was found.
    """
    for left in _slices(timeout, tick):
        info = pick_signal(query, expected, left)
        if info is not None:
            return info
    raise not_found(query, timeout, "signal")


def await_markers(
    query: str | None, signal: StreamSpec, timeout: float, tick: Callable[[], None], *, required: bool
) -> list[pylsl.StreamInfo]:
    """Wait for the marker streams that go with `signal`, see `pick_markers`.

    When they are not `required` and no query names them, only `OPTIONAL_S` is waited for them.

    Raises
    ------
    StreamNotFound
        When they are required or named, and not there within `timeout` seconds.
    """
    required = required or query is not None
    for left in _slices(timeout if required else OPTIONAL_S, tick):
        found = pick_markers(query, signal, left)
        if found:
            return found
    if required:
        raise not_found(query or "", timeout, "markers")
    return []


def pick_signal(query: str, expected: StreamSpec, timeout: float) -> pylsl.StreamInfo | None:
    """Return the signal stream `query` means, or None when nothing matches within `timeout` seconds.

    Several matches are narrowed down to the one that fits `expected`.

    Raises
    ------
    StreamError
        When more than one of several matches fits, or none does; lists them.
    """
    matches = find(query, timeout=timeout, kind=None if query else "signal")
    numeric = [info for info in matches if info.channel_format() != pylsl.cf_string]
    if matches and not numeric:
        raise StreamError(f"stream {matches[0].name()!r} matches {query!r} but carries text, not a signal")
    if len(numeric) > 1:
        numeric = [info for info in numeric if _fits(info, expected)] or numeric
    return only(numeric, query) if numeric else None


def pick_markers(query: str | None, signal: StreamSpec, timeout: float) -> list[pylsl.StreamInfo]:
    """Return the marker streams of a session; an empty list when there are none within `timeout` seconds.

    Parameters
    ----------
    query
        Which streams; None means every irregular single-channel stream of a type containing ``"Markers"`` on
        the signal's host. When there are several, those that share the signal's source id up to ``/`` are
        preferred.
    signal
        The stream the markers go with.
    """
    if query is not None:
        found = [info for info in find(query, timeout=timeout) if info.type() not in SAID]
        return [info for info in found if info.channel_count() == 1 and info.nominal_srate() == 0]
    found = find(f"hostname={signal.hostname}", timeout=timeout, kind="markers")
    base, slash, _ = signal.source_id.rpartition("/")
    related = [info for info in found if slash and info.source_id().rpartition("/")[0] == base]
    return related or found


def _slices(timeout: float, tick: Callable[[], None]) -> Iterator[float]:
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        yield min(SLICE_S, left)
        tick()


def _fits(info: pylsl.StreamInfo, expected: StreamSpec) -> bool:
    try:
        return not differences(expected, spec_of(info))
    except StreamError:
        return False
