"""Is this the stream the bundle was calibrated on? Every difference, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import ContractMismatch, RecordingError
from streamkit.recording import Recording, Signal
from streamkit.types import StreamSpec
from streamkit.units import canonical_unit

RATE_TOLERANCE = 1e-3
"""Nominal rates that differ by less than this fraction are equal."""


def differences(expected: StreamSpec, found: StreamSpec) -> tuple[str, ...]:
    """One line per difference that makes `found` unusable for a decoder calibrated on `expected`.

    Compared are the needed channels (more are allowed, in any order), the rate (to 0.1 %) and the unit in any
    spelling. The type decides nothing; it is added as a hint when something else differs.
    """
    lines = (*_channels(expected, found), *_rate(expected, found), *_unit(expected, found))
    if lines and expected.type and found.type.lower() != expected.type.lower():
        lines += (f"hint: the type is {found.type!r}, expected {expected.type!r}; is this the right stream?",)
    return lines


def channel_picks(expected: StreamSpec, found: StreamSpec) -> NDArray[np.intp] | None:
    """Columns of `found` that are the channels of `expected` in its order; None when already just those."""
    if found.ch_names == expected.ch_names:
        return None
    place = {name: column for column, name in enumerate(found.ch_names)}
    return np.array([place[name] for name in expected.ch_names], np.intp)


def check(expected: StreamSpec, found: StreamSpec) -> None:
    """Refuse a stream that is not what was expected.

    Raises
    ------
    ContractMismatch
        With every line of `differences`.
    """
    lines = differences(expected, found)
    if lines:
        raise ContractMismatch(
            f"stream {found.name!r} is not what the bundle was calibrated on; choose another stream "
            "(live: --stream), change its source, or calibrate on recordings of this one:",
            lines,
        )


def check_return(before: StreamSpec, found: StreamSpec) -> None:
    """Refuse a source that came back as something else.

    Raises
    ------
    ContractMismatch
        With every line of `differences`.
    """
    lines = differences(before, found)
    if lines:
        raise ContractMismatch(
            f"stream {found.name!r} came back as something else; start it again as it was (decoding goes on then), "
            "or start a new session for what it is now:",
            lines,
        )


def signal_of(recording: Recording, expected: StreamSpec, name: str = "", taken: Sequence[Signal] = ()) -> Signal:
    """Find the signal of a recording that has the channels of `expected`, and check the rest of it.

    Of several the one called `name` is meant, else the first that fits; never one of those `taken`.

    Raises
    ------
    ContractMismatch
        When none has them, or rate or unit differ; line by line.
    RecordingError
        When the recording has no signal (left) at all, or a channel of it holds no finite value.
    """
    free = [signal for signal in recording.signals if not any(signal is other for other in taken)]
    if taken and not free:
        raise RecordingError(
            f"recording {recording.meta.name!r} has no stream left for {_some(expected.ch_names)}: the bundle reads "
            f"{len(taken) + 1} or more signal streams, and the recording holds {len(recording.signals)}"
        )
    candidates = [signal for signal in free if set(expected.ch_names) <= set(signal.spec.ch_names)]
    named = [signal for signal in candidates or free if signal.spec.name == name]
    fitting = [signal for signal in candidates if not differences(expected, signal.spec)]
    signal = next(iter((*named, *fitting, *candidates, *free)), None) or recording.signal()
    _check_signal(recording, signal, expected)
    return signal


def _check_signal(recording: Recording, signal: Signal, expected: StreamSpec) -> None:
    lines = differences(expected, signal.spec)
    if lines:
        raise ContractMismatch(
            f"recording {recording.meta.name!r}, stream {signal.spec.name!r} is not what the bundle was calibrated on:",
            lines,
        )
    blank = [name for name in signal.blank() if name in expected.ch_names]
    if blank:
        raise RecordingError(
            f"recording {recording.meta.name!r}, stream {signal.spec.name!r}: no sample of {_some(blank)} is a finite "
            "number, so there is nothing to decode. Check the connection and record again."
        )


def _channels(expected: StreamSpec, found: StreamSpec) -> tuple[str, ...]:
    there = Counter(found.ch_names)
    missing = [name for name in expected.ch_names if name not in there]
    twice = [name for name in expected.ch_names if there[name] > 1]
    lines = []
    if missing:
        lines.append(
            f"channels: {len(missing)} of {expected.n_chans} expected are missing: {_some(missing)}; "
            f"the stream has {found.n_chans}: {_some(found.ch_names)}"
        )
    if twice:
        lines.append(f"channels: the stream has more than one called {_some(twice)}; names must be unique")
    return tuple(lines)


def _rate(expected: StreamSpec, found: StreamSpec) -> tuple[str, ...]:
    if abs(found.sfreq - expected.sfreq) <= RATE_TOLERANCE * expected.sfreq:
        return ()
    wanted, came = (f"{spec.sfreq:g} Hz" if spec.sfreq else "an irregular rate" for spec in (expected, found))
    return (f"rate: expected {wanted}, the stream has {came}",)


def _unit(expected: StreamSpec, found: StreamSpec) -> tuple[str, ...]:
    if not expected.unit or canonical_unit(found.unit) == canonical_unit(expected.unit):
        return ()
    if not found.unit:
        return (f"unit: expected {expected.unit}, the stream does not say its unit in its channel descriptions",)
    return (f"unit: expected {expected.unit}, the stream has {found.unit}",)


def _some(names: Sequence[str], most: int = 8) -> str:
    rest = f", … ({len(names) - most} more)" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
