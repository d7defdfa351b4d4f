"""Cut one recording into contiguous blocks, so that a split may go between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from streamkit.errors import ConfigError
from streamkit.recording import Markers, Recording, Signal


def contiguous_blocks(recording: Recording, n_blocks: int) -> Iterator[Recording]:
    """`n_blocks` Recordings of equal length in time, groups ``block-0`` …; stamps are kept.

    A block of a recording whose own group was set is called ``<group>-block-<k>``.

    Raises
    ------
    ConfigError
        When the first signal has fewer samples than blocks are asked for.
    """
    stamps = recording.signal().stamps
    if not 1 <= n_blocks <= len(stamps):
        raise ConfigError(f"{recording.meta.name}: cannot cut {len(stamps)} samples into {n_blocks} blocks")
    edges = np.linspace(stamps[0], stamps[-1], n_blocks + 1)
    edges[0], edges[-1] = -np.inf, np.inf
    for k, (start, stop) in enumerate(pairwise(edges)):
        prefix = f"{recording.meta.group}-" if recording.meta.group else ""
        meta = recording.meta.model_copy(
            update={"name": f"{recording.meta.name}-block-{k}", "group": f"{prefix}block-{k}"}
        )
        signals = tuple(cut_signal(signal, start, stop) for signal in recording.signals)
        markers = tuple(cut_markers(stream, start, stop) for stream in recording.markers)
        shown = {label for stream in markers for label in stream.labels}
        stimuli = {label: file for label, file in recording.stimuli.items() if label in shown}
        arrays = {label: recording.stimulus_arrays[label] for label in recording.stimulus_arrays if label in shown}
        yield Recording(signals, markers, stimuli, arrays, meta)


def cut_signal(signal: Signal, start: float, stop: float) -> Signal:
    """Samples stamped from `start` to before `stop`."""
    kept = (signal.stamps >= start) & (signal.stamps < stop)
    return replace(signal, data=signal.data[kept], stamps=signal.stamps[kept])


def cut_markers(stream: Markers, start: float, stop: float) -> Markers:
    """Markers stamped from `start` to before `stop`."""
    kept = np.flatnonzero((stream.stamps >= start) & (stream.stamps < stop))
    labels = tuple(stream.labels[k] for k in kept)
    columns = {name: [column[k] for k in kept] for name, column in stream.columns.items()}
    return replace(stream, labels=labels, stamps=stream.stamps[kept], columns=columns)
