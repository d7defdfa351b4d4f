"""Spike times of an NWB file as counts in bins: what a decoder of spikes takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streamkit.recording.model import Signal
from streamkit.recording.nwb_series import Part, Readable, check_finite
from streamkit.recording.xdf_xml import distinct
from streamkit.types import StreamSpec

SPIKE_BIN = 0.01
UNIT_NAMES = ("unit_name", "unit_id", "label")
ON_EDGE = 1e-6
"""A spike this close below the edge of a bin, in bins, is on it: edges are no binary fractions."""


def unit_counts(file: Any, width: float, part: Part, notes: list[str]) -> list[Readable]:
    """Spike counts of all units as one signal, at most; `notes` is told of tables without spikes.

    Spikes in ``[k * width, (k + 1) * width)`` are counted into the sample stamped ``(k + 1) * width``, the end of the
    bin: no count is known before. Bins lie on multiples of the width. They reach over the observation intervals of
    the units where the file has them, else from the first to the last spike.
    Counts are int16, one channel per unit. Where in its bin a spike was is not kept; a narrower width keeps more.

    Raises
    ------
    RecordingError
        When a spike time is not finite.
    """
    units = file.units
    if units is None or not len(units):
        return []
    span = spike_span(units, part)
    if span is None:
        notes.append("the table of units holds no spikes" + (" in this part" if part.bounded else ""))
        return []
    first, last = math.floor(span[0] / width + ON_EDGE), math.ceil(span[1] / width - ON_EDGE)
    last = max(last, first + 1)
    spec = StreamSpec(
        name="units",
        type="Spikes",
        ch_names=unit_names(units),
        sfreq=float(f"{1 / width:.12g}"),
        unit="counts",
        channel_format="int16",
        source_id="units",
        description={"bin": f"{width:g}"},
    )
    size = (last - first) * (2 * len(units) + 8)
    return [Readable("units", 1, size, lambda: counted(units, spec, width, first, last))]


def spikes_of(units: Any, row: int) -> Any:
    """Spike times of one unit, seconds; read from disk now."""
    ends = units["spike_times"].data
    begin = int(ends[row - 1]) if row else 0
    return np.asarray(units["spike_times"].target.data[begin : int(ends[row])], dtype=np.float64)


def spike_span(units: Any, part: Part) -> tuple[float, float] | None:
    """Begin and end of what there is to count; None when there are no spikes."""
    if "spike_times" not in units.colnames:
        return None
    low, high = np.inf, -np.inf
    for row in range(len(units)):
        times = spikes_of(units, row)
        check_finite(times, f"units, unit {row}", "spike times")
        times = times[part.inside(times)]
        if len(times):
            low, high = min(low, float(times.min())), max(high, float(np.nextafter(times.max(), np.inf)))
    if not np.isfinite(low):
        return None
    return observed(units, part, low, high)


def observed(units: Any, part: Part, low: float, high: float) -> tuple[float, float]:
    """The span of all observation intervals, cut to the part; `low` and `high` where there are none."""
    if "obs_intervals" in units.colnames:
        intervals = np.asarray(units["obs_intervals"].target.data[:], dtype=np.float64).reshape(-1, 2)
        if len(intervals):
            check_finite(intervals.ravel(), "units", "observation intervals")
            low, high = min(low, float(intervals[:, 0].min())), max(high, float(intervals[:, 1].max()))
    low = low if part.start is None else max(low, part.start)
    return low, high if part.stop is None else min(high, part.stop)


def unit_names(units: Any) -> tuple[str, ...]:
    """Names of the units: as the table has them, else ``u`` and their number."""
    column = next((name for name in UNIT_NAMES if name in units.colnames), None)
    if column is None:
        return distinct([f"u{number}" for number in units.id[:]])
    return distinct([str(name) for name in units[column].data[:]])


def counted(units: Any, spec: StreamSpec, width: float, first: int, last: int) -> Signal:
    """Count all spikes into bins `first` … `last` - 1."""
    data: Any = np.zeros((last - first, spec.n_chans), np.int16)
    for row in range(spec.n_chans):
        bins = np.floor(spikes_of(units, row) / width + ON_EDGE).astype(np.int64) - first
        bins = bins[(bins >= 0) & (bins < len(data))]
        data[:, row] = np.bincount(bins, minlength=len(data))
    return Signal(spec, data, np.arange(first + 1, last + 1, dtype=np.float64) * width)
