"""Which streams a session reads: one signal that fits the contract, and the markers that go with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

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
    query: str | Sequence[str] | None, signal: StreamSpec, timeout: float, tick: Callable[[], None], *, required: bool
) -> list[pylsl.StreamInfo]:
    """Wait for the marker streams that go with `signal`, see `pick_markers`; for at least one of each query.

    When they are not `required` and no query names them, only `OPTIONAL_S` is waited for them.

    Raises
    ------
    StreamNotFound
        When they are required or named, and not there within `timeout` seconds.
    """
    if query is not None and not isinstance(query, str):
        found = [await_markers(one, signal, timeout, tick, required=True) for one in query]
        return list({info.uid(): info for infos in found for info in infos}.values())
    required = required or query is not None
    for left in _slices(timeout if required else OPTIONAL_S, tick):
        found_now = pick_markers(query, signal, left)
        if found_now:
            return found_now
    if required:
        raise not_found(query or "", timeout, "markers")
    return []


def await_side(
    query: str,
    expected: StreamSpec,
    taken: Sequence[StreamSpec],
    timeout: float,
    tick: Callable[[], None],
    *,
    required: bool,
) -> pylsl.StreamInfo | None:
    """Wait for a side stream, see `pick_side`; None when it is neither `required` nor there after `OPTIONAL_S`.

    Raises
    ------
    StreamNotFound
        When it is required and not there within `timeout` seconds.
    """
    for left in _slices(timeout if required else min(timeout, OPTIONAL_S), tick):
        info = pick_side(query, expected, taken, left)
        if info is not None:
            return info
    if required:
        raise not_found(query or expected.name or ", ".join(expected.ch_names), timeout, "numeric")
    return None


def pick_side(query: str, expected: StreamSpec, taken: Sequence[StreamSpec], timeout: float) -> pylsl.StreamInfo | None:
    """Return the side stream `query` means, or None when nothing fits within `timeout` seconds.

    Without a query it is the one that fits `expected`; of several the one of that name, then the one whose source
    id begins, up to ``/``, as that of the first of `taken`. Never one of those `taken`.

    Raises
    ------
    StreamError
        When several are left; lists them.
    """
    found = find(query, timeout=timeout, kind=None if query else "numeric")
    found = [info for info in found if not any(is_source(info, spec) for spec in taken)]
    if not query:
        found = [info for info in found if could_be(info, expected) and _fits(info, expected)]
        found = [info for info in found if info.name() == expected.name] or found
        found = [info for info in found if taken and are_related(info.source_id(), taken[0])] or found
    return only(found, query) if found else None


def could_be(info: pylsl.StreamInfo, expected: StreamSpec) -> bool:
    """Whether a stream may be `expected`, as far as can be told without asking it for its description."""
    regular = (info.nominal_srate() > 0) == (expected.sfreq > 0)
    enough = info.channel_count() >= expected.n_chans
    return bool(regular and enough and info.channel_format() != pylsl.cf_string)


def is_source(info: pylsl.StreamInfo, spec: StreamSpec) -> bool:
    """Whether a stream comes from the source of `spec`: same source id, or same name, type and host without one."""
    if spec.source_id or info.source_id():
        return str(info.source_id()) == spec.source_id
    return (info.name(), info.type(), info.hostname()) == (spec.name, spec.type, spec.hostname)


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
        numeric = [info for info in numeric if expected.name and info.name() == expected.name] or numeric
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
    found = find(markers_of_host(signal), timeout=timeout, kind="markers")
    return [info for info in found if are_related(info.source_id(), signal)] or found


def markers_of_host(signal: StreamSpec) -> str:
    """Query for the streams of the host that `signal` comes from."""
    return f"hostname={signal.hostname}"


def are_related(source_id: str, signal: StreamSpec) -> bool:
    """Whether a source id and that of `signal` share their beginning up to ``/``."""
    base, slash, _ = signal.source_id.rpartition("/")
    return bool(slash) and source_id.rpartition("/")[0] == base


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
