"""windows_of: the windows of a whole recording by plain slicing; what a `Windower` must agree with."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from streamkit import clock
from streamkit.preprocess.window import WindowConfig, check_rate, event_sample
from streamkit.types import Chunk, Event, Mask, Window


def windows_of(
    processed: Chunk,
    events: Sequence[Event],
    sfreq: float,
    config: WindowConfig,
    left_out: Counter[str] | None = None,
) -> list[Window]:
    """Cut every window of one whole processed recording.

    Parameters
    ----------
    processed
        All samples, as `Preprocessor.process` gives them.
    events
        All events, on the same clock; hop mode takes none into account.
    sfreq
        Rate of the processed samples in Hz.
    config
        What to cut.
    left_out
        Takes up how many windows there are not, by the reasons of `Windower.counts`; None where nobody asks.

    Returns
    -------
    list of Window
        Those a `Windower` gives, in the order of their event's sample, then stamp, then place in `events`.
        Window data may be a view into ``processed.data``. An event without a window is left out.

    Raises
    ------
    ConfigError
        When the stream is irregular or the baseline is shorter than one sample.
    """
    check_rate(sfreq, config)
    gap = processed.gap
    if gap is None:
        gap = clock.gaps(processed.stamps, np.nan, clock.default_max_gap(sfreq))
        processed = dataclasses.replace(processed, gap=gap)
    if config.gaps in ("hold", "zero"):
        processed = _filled(processed, gap, sfreq, config)
    lost: Counter[str] = Counter() if left_out is None else left_out
    places = _hops(processed, config) if config.mode == "hop" else _events(processed, events, sfreq, config, lost)
    windows = []
    for at, event in places:
        window = _window(processed, at, event, sfreq, config)
        if isinstance(window, Window):
            windows.append(window)
        else:
            lost[window] += 1
    return _with_gaps(windows, processed)


def _filled(processed: Chunk, gap: Mask, sfreq: float, config: WindowConfig) -> Chunk:
    """The samples where they belong when those missing in gaps of up to a window have a place, too."""
    missing = np.zeros(len(processed), int)
    for at in np.flatnonzero(gap):
        if at and 0 < (n := clock.n_missing(processed.stamps[at] - processed.stamps[at - 1], sfreq)) <= config.n_times:
            missing[at] = n
    place = np.arange(len(processed)) + missing.cumsum()
    n_times = len(processed) + int(missing.sum())
    source = np.repeat(np.arange(len(processed)), np.append(missing[1:], 0) + 1)
    there = np.zeros(n_times, bool)
    there[place] = True
    since = np.arange(n_times) - place[source]
    step = np.diff(processed.stamps, append=processed.stamps[-1:]) / (np.append(missing[1:], 0) + 1)
    left = np.zeros(n_times, bool)
    left[place] = gap & (missing == 0)
    data = processed.data[source]
    if config.gaps == "zero":
        data[~there] = 0
    return dataclasses.replace(
        processed,
        data=data,
        stamps=processed.stamps[source] + since * step[source],
        valid=there if processed.valid is None else there & processed.valid[source],
        gap=left,
    )


def _hops(processed: Chunk, config: WindowConfig) -> Iterator[tuple[int, None]]:
    hop = config.hop or config.n_times
    for start in range(-processed.first % hop, len(processed) - config.n_times + 1, hop):
        yield start, None


def _events(
    processed: Chunk, events: Sequence[Event], sfreq: float, config: WindowConfig, lost: Counter[str]
) -> list[tuple[int, Event]]:
    places = []
    for event in filter(lambda event: config.matches(event.label), events):
        at = event_sample(processed.stamps, event.stamp, sfreq, final=True)
        if at is not None and at != clock.NO_SAMPLE:
            places.append((at, event))
        else:
            lost["late" if len(processed) and event.stamp < processed.stamps[0] else "no_sample"] += 1
    return sorted(places, key=lambda place: (place[0], place[1].stamp))


def _window(processed: Chunk, at: int, event: Event | None, sfreq: float, config: WindowConfig) -> Window | str:
    """The window of the event at sample `at`, or why there is none."""
    start = at + round(config.tmin * sfreq)
    stop = start + config.n_times
    first, last = min(at, start), max(at, stop - 1)
    newest = stop - 1
    baseline = slice(0, 0)
    if config.baseline is not None:
        baseline = slice(at + round(config.baseline[0] * sfreq), at + round(config.baseline[1] * sfreq))
        first, last, newest = min(first, baseline.start), max(last, baseline.stop - 1), max(newest, baseline.stop - 1)
    if first < 0 or last >= len(processed):
        return "late" if first < 0 else "incomplete"
    crosses = processed.gap is not None and bool(processed.gap[first + 1 : last + 1].any())
    if crosses and config.gaps != "flag":
        return "gap"
    data = processed.data[start:stop]
    if config.baseline is not None:
        data = (data - processed.data[baseline].mean(axis=0, dtype=np.float64)).astype(np.float32)
    return Window(
        data,
        float(processed.stamps[newest]),
        processed.first + newest,
        _all_valid(processed, slice(start, stop)) and _all_valid(processed, baseline) and not crosses,
        event,
        processed.arrival,
        None if _all_valid(processed, slice(start, stop)) or processed.valid is None else processed.valid[start:stop],
        stamps=processed.stamps[start:stop],
    )


def _with_gaps(windows: list[Window], processed: Chunk) -> list[Window]:
    """Say of each window how many gaps came before its newest sample, or at it."""
    if processed.gap is None:
        return windows
    n_gaps = processed.gap.cumsum()
    return [dataclasses.replace(window, gaps=int(n_gaps[window.last - processed.first])) for window in windows]


def _all_valid(processed: Chunk, part: slice) -> bool:
    return processed.valid is None or bool(processed.valid[part].all())
