"""Finding streams: a query, what matched it, and what there was instead."""

from __future__ import annotations

import time
from typing import Literal

import pylsl

from streamkit.errors import ConfigError, StreamError, StreamLost, StreamNotFound
from streamkit.lsl.wire import FORMATS, channels_of, keys_of
from streamkit.types import StreamSpec
from streamkit.units import common_unit

Kind = Literal["signal", "markers", "numeric"]

KEYS = ("name", "type", "source_id", "hostname", "uid")

_KIND = {
    "signal": "nominal_srate>0 and channel_format!='string'",
    "numeric": "channel_format!='string' and type!='Prediction' and type!='Latency' and type!='Image'"
    " and type!='Epochs' and type!='Encoding' and type!='Candidates'",
    "markers": "nominal_srate=0 and channel_count=1 and type!='Decision' and type!='Health'"
    " and (contains(type,'Marker') or channel_format='string')",
}
_SETTLE_S = 0.7  # liblsl asks by unicast half a second after multicast
_LIST_S = 1.0
_SLICE_S = 1.0


def predicate(query: str, kind: Kind | None = None) -> str:
    """Translate a query into the XPath predicate that LSL resolves.

    Parameters
    ----------
    query
        ``"name=…,type=…,source_id=…"`` (a comma means *and*; a trailing ``*`` matches any ending), or a bare
        word that is a name or a source id; empty matches every stream.
    kind
        ``"signal"``: regular numeric streams; ``"numeric"``: irregular ones as well; ``"markers"``: irregular
        single-channel streams of text, or of a type containing ``"Marker"``; not what a session itself says.

    Raises
    ------
    ConfigError
        For a key that is not one of `KEYS`.
    """
    terms = [_term(part.strip()) for part in query.split(",") if part.strip()]
    return " and ".join((*terms, *([_KIND[kind]] if kind else ()))) or "name!=''"


def same_source(spec: StreamSpec, *also: str) -> str:
    """XPath predicate of the source `spec` came from: its source id, or name, type and host where it has none.

    Parameters
    ----------
    also
        Further `KEYS` that must be the same.
    """
    keys = dict.fromkeys((*(("source_id",) if spec.source_id else ("name", "type", "hostname")), *also))
    return " and ".join(f"{key}={_quoted(getattr(spec, key))}" for key in keys)


def find(query: str = "", *, timeout: float = 5.0, kind: Kind | None = None) -> list[pylsl.StreamInfo]:
    """Every stream that matches, sorted by host and name; an empty list when `timeout` seconds bring none.

    Returns as soon as matches have been found and no more turn up; a query by ``source_id`` stops at the first.
    """
    condition = predicate(query, kind)
    found = _first(condition, timeout)
    if found and not _unique(query):
        found = _distinct((*found, *pylsl.resolve_bypred(condition, 1024, min(_SETTLE_S, timeout))))
    return sorted(found, key=lambda info: (info.hostname(), info.name(), info.source_id()))


def _first(condition: str, timeout: float) -> list[pylsl.StreamInfo]:
    """Resolve in slices: Python hears Ctrl-C only between two calls of liblsl."""
    deadline = time.monotonic() + timeout
    while True:
        left = max(0.0, deadline - time.monotonic())
        found: list[pylsl.StreamInfo] = pylsl.resolve_bypred(condition, 1, min(left, _SLICE_S))
        if found or left <= _SLICE_S:
            return found


def find_one(query: str = "", *, timeout: float = 5.0, kind: Kind | None = None) -> pylsl.StreamInfo:
    """Return the one stream that matches.

    Raises
    ------
    StreamNotFound
        When nothing matches within `timeout` seconds; lists what was found instead.
    StreamError
        When several match; lists them.
    """
    matches = find(query, timeout=timeout, kind=kind)
    if not matches:
        raise not_found(query, timeout, kind)
    return only(matches, query)


def only(matches: list[pylsl.StreamInfo], query: str) -> pylsl.StreamInfo:
    """Return the single match, or refuse to guess among several (StreamError)."""
    if len(matches) > 1:
        raise StreamError(
            f"{len(matches)} streams match {query or 'any stream'!r}; expected one. "
            f"Name one of them by its source id:{_listing(matches)}"
        )
    return matches[0]


def not_found(query: str, timeout: float, kind: Kind | None = None) -> StreamNotFound:
    """Build the error for a query nothing matched: it says what was looked for and what is there."""
    others = find(timeout=_LIST_S)
    what = {"signal": "signal stream", "markers": "marker stream"}.get(kind or "", "stream")
    seen = f"These were found:{_listing(others)}" if others else "No LSL stream at all was found."
    return StreamNotFound(
        f"no {what} matched {query or 'any name'!r} within {timeout:g} s. {seen}\n"
        "Start the source (or `streamkit replay RECORDING`), or see what is in reach with `streamkit streams`."
    )


def spec_of(info: pylsl.StreamInfo, timeout: float = 5.0) -> StreamSpec:
    """Everything a stream says about itself; opens a short connection for the full description.

    Raises
    ------
    StreamLost
        When the source does not answer within `timeout` seconds, or another does in its place.
    """
    return spec_from(full_info(pylsl.StreamInlet(info, recover=False), info, timeout))


def full_info(inlet: pylsl.StreamInlet, info: pylsl.StreamInfo, timeout: float) -> pylsl.StreamInfo:
    """Fetch the full description through an existing inlet."""
    try:
        whole = inlet.info(timeout)
    except RuntimeError as error:
        raise StreamLost(
            f"stream {info.name()!r} on {info.hostname()} was seen but did not answer within {timeout:g} s ({error}); "
            "check that its program still runs and that no firewall blocks TCP ports 16572-16604"
        ) from error
    if (whole.name(), whole.type(), whole.source_id()) != (info.name(), info.type(), info.source_id()):
        # The port of a stream that has ended is given to the next one, and liblsl does not ask who answers.
        raise StreamLost(
            f"stream {info.name()!r} on {info.hostname()} was seen but did not answer: {whole.name()!r} has its port; "
            "start its program again"
        )
    return whole


def spec_from(info: pylsl.StreamInfo) -> StreamSpec:
    """Translate a full description; channels nobody named are called ``ch1``, ``ch2`` and so on."""
    n_chans = info.channel_count()
    channels = channels_of(info)
    described = len(channels) == n_chans
    names = [c["label"] or f"ch{k}" for k, c in enumerate(channels, 1)] if described else []
    return StreamSpec(
        name=info.name(),
        type=info.type(),
        ch_names=tuple(names or [f"ch{k}" for k in range(1, n_chans + 1)]),
        sfreq=info.nominal_srate(),
        unit=common_unit([c["unit"] for c in channels]) if described else "",
        channel_format=FORMATS[info.channel_format()],
        source_id=info.source_id(),
        hostname=info.hostname(),
        description=keys_of(info),
    )


def _unique(query: str) -> bool:
    """Whether the query names one source."""
    return any(part.strip().startswith("source_id=") and not part.strip().endswith("*") for part in query.split(","))


def _term(part: str) -> str:
    key, equals, value = part.partition("=")
    if not equals:
        return f"({_compare('name', key)} or {_compare('source_id', key)})"
    if key.strip() not in KEYS:
        raise ConfigError(
            f"stream query {part!r}: {key.strip()!r} is not a property to search by; expected one of {', '.join(KEYS)}"
        )
    return _compare(key.strip(), value.strip())


def _compare(key: str, value: str) -> str:
    if value.endswith("*"):
        return f"starts-with({key},{_quoted(value[:-1])})"
    return f"{key}={_quoted(value)}"


def _quoted(value: str) -> str:
    quote = '"' if "'" in value else "'"
    return f"{quote}{value}{quote}"


def _distinct(infos: tuple[pylsl.StreamInfo, ...]) -> list[pylsl.StreamInfo]:
    return list({info.uid(): info for info in infos}.values())


def _listing(infos: list[pylsl.StreamInfo]) -> str:
    return "".join(
        f"\n  name={i.name()} type={i.type()} source_id={i.source_id()} "
        f"({i.channel_count()} ch, {i.nominal_srate():g} Hz, on {i.hostname()})"
        for i in infos
    )
