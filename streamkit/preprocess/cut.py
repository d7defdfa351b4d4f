"""windows_of: the windows of a whole recording by plain slicing; what a `Windower` must agree with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from streamkit import clock
from streamkit.preprocess.window import WindowConfig, check_rate, event_sample
from streamkit.types import Chunk, Event, Window


def windows_of(processed: Chunk, events: Sequence[Event], sfreq: float, config: WindowConfig) -> list[Window]:
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
    if processed.gap is None:
        gap = clock.gaps(processed.stamps, np.nan, clock.default_max_gap(sfreq))
        processed = dataclasses.replace(processed, gap=gap)
    places = _hops(processed, config) if config.mode == "hop" else _events(processed, events, sfreq, config)
    windows = [_window(processed, at, event, sfreq, config) for at, event in places]
    return [window for window in windows if window is not None]


def _hops(processed: Chunk, config: WindowConfig) -> Iterator[tuple[int, None]]:
    hop = config.hop or config.n_times
    for start in range(-processed.first % hop, len(processed) - config.n_times + 1, hop):
        yield start, None


def _events(processed: Chunk, events: Sequence[Event], sfreq: float, config: WindowConfig) -> list[tuple[int, Event]]:
    places = []
    for event in events:
        at = event_sample(processed.stamps, event.stamp, sfreq, final=True) if config.matches(event.label) else None
        if at is not None and at != clock.NO_SAMPLE:
            places.append((at, event))
    return sorted(places, key=lambda place: (place[0], place[1].stamp))


def _window(processed: Chunk, at: int, event: Event | None, sfreq: float, config: WindowConfig) -> Window | None:
    start = at + round(config.tmin * sfreq)
    stop = start + config.n_times
    first, last = min(at, start), max(at, stop - 1)
    newest = stop - 1
    baseline = slice(0, 0)
    if config.baseline is not None:
        baseline = slice(at + round(config.baseline[0] * sfreq), at + round(config.baseline[1] * sfreq))
        first, last, newest = min(first, baseline.start), max(last, baseline.stop - 1), max(newest, baseline.stop - 1)
    if first < 0 or last >= len(processed):
        return None
    crosses = processed.gap is not None and bool(processed.gap[first + 1 : last + 1].any())
    if crosses and config.gaps == "skip":
        return None
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
    )


def _all_valid(processed: Chunk, part: slice) -> bool:
    return processed.valid is None or bool(processed.valid[part].all())
