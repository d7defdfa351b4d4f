"""Time series of an NWB file as signals, read from disk only when asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import ConfigError, RecordingError
from streamkit.recording.model import Signal
from streamkit.recording.xdf_xml import distinct
from streamkit.types import FloatArray, Stamps, StreamSpec
from streamkit.units import PER_VOLT, canonical_unit

NO_SIGNAL = {
    "AnnotationSeries",
    "DecompositionSeries",
    "ImageMaskSeries",
    "ImageSeries",
    "IndexSeries",
    "IntervalSeries",
    "OnePhotonSeries",
    "OpticalSeries",
    "SpikeEventSeries",
    "TwoPhotonSeries",
}
"""Kinds of time series that are no signal: images, text, and what has no channels."""

BLOCK = 1 << 22
STEADY = 0.9
MEMORY_SHARE = 0.6
NAME_COLUMNS = ("label", "channel_name", "electrode_name", "name")


@dataclass(frozen=True)
class Part:
    """From `start` up to, not including, `stop`; seconds on the clock of the file, None without end."""

    start: float | None = None
    stop: float | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.stop is not None and not self.start < self.stop:
            raise ConfigError(f"start is {self.start:g} s and stop {self.stop:g} s: stop has to come later")

    @property
    def bounded(self) -> bool:
        """Whether anything is left out."""
        return self.start is not None or self.stop is not None

    def inside(self, stamps: Stamps) -> Any:
        """``(n,)`` which stamps are in it."""
        begin = -np.inf if self.start is None else self.start
        end = np.inf if self.stop is None else self.stop
        return (stamps >= begin) & (stamps < end)

    def rows(self, stamps: Stamps) -> slice:
        """The run of rows from the first to the last stamp inside."""
        if not self.bounded:
            return slice(0, len(stamps))
        kept = np.flatnonzero(self.inside(stamps))
        return slice(int(kept[0]), int(kept[-1]) + 1) if len(kept) else slice(0, 0)


@dataclass(frozen=True)
class Readable:
    """A signal that is still on disk.

    Attributes
    ----------
    name
        Its name in the recording.
    rank
        Signals of lower rank come first.
    size
        Bytes that it takes in memory.
    read
        Gives it.
    """

    name: str
    rank: int
    size: int
    read: Callable[[], Signal]


def found_series(file: Any, part: Part) -> tuple[list[Readable], list[str]]:
    """All signals among the time series of a file, neural ones first, and what is left out, in words."""
    series = [one for one in file.objects.values() if hasattr(one, "starting_time") and hasattr(one, "timestamps")]
    kept, notes = [], []
    for one in sorted(series, key=lambda s: (rank_of(s), place_of(s))):
        shape = np.shape(one.data)
        kinds = {kind.__name__ for kind in type(one).__mro__}
        if kinds & NO_SIGNAL:
            continue
        if len(shape) not in (1, 2) or data_type(one).kind not in "iufb":
            notes.append(f"{place_of(one)} is left out: {type(one).__name__} of shape {shape} is no signal")
        elif not shape[0]:
            notes.append(f"{place_of(one)} is empty and was dropped")
        else:
            kept.append(one)
    names = distinct([one.name for one in kept])
    return [readable(one, name, part) for one, name in zip(kept, names, strict=True)], notes


def rank_of(series: Any) -> int:
    """Recordings of the brain first: voltages, then fluorescence, then all else."""
    kinds = {kind.__name__ for kind in type(series).__mro__}
    if "ElectricalSeries" in kinds:
        return 2 if type(series.parent).__name__ in ("LFP", "FilteredEphys") else 0
    return 3 if "RoiResponseSeries" in kinds else 4


def place_of(series: Any) -> str:
    """Where a series is: ``ecephys/LFP/lfp``."""
    parts: list[str] = []
    while series is not None and series.name != "root":
        parts.insert(0, series.name)
        series = series.parent
    return "/".join(parts)


def data_type(series: Any) -> np.dtype[Any]:
    """Type of the samples."""
    return np.dtype(getattr(series.data, "dtype", None) or np.asarray(series.data).dtype)


def readable(series: Any, name: str, part: Part) -> Readable:
    """One series, its stamps read and checked, its samples not yet."""
    stamps, sfreq = time_of(series)
    rows = part.rows(stamps)
    scale = Scale.of(series)
    n_chans = 1 if len(series.data.shape) == 1 else series.data.shape[1]
    spec = StreamSpec(
        name=name,
        type=type_of(series),
        ch_names=channel_names(series, n_chans),
        sfreq=sfreq,
        unit=scale.unit,
        source_id=place_of(series),
    )
    size = (rows.stop - rows.start) * (n_chans * scale.dtype.itemsize + 8)
    return Readable(name, rank_of(series), size, lambda: Signal(spec, scale.read(series, rows), stamps[rows]))


def type_of(series: Any) -> str:
    """What kind of signal it is, as far as the file says."""
    if rank_of(series) in (0, 2):
        return "LFP" if type(series.parent).__name__ == "LFP" else "Ephys"
    kind = "Fluorescence" if rank_of(series) == 3 else type(series).__name__.removesuffix("Series")
    return "Misc" if kind == "Time" else kind


@dataclass(frozen=True)
class Scale:
    """How stored numbers become values: ``stored * factor + offset``, in `unit`, as `dtype`.

    Attributes
    ----------
    factor
        Scalar, or ``(n_chans,)``.
    """

    factor: Any
    offset: float
    unit: str
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, series: Any) -> Scale:
        """The scale of a series: potentials become microvolts, float32; whole numbers without a scale stay."""
        factor: Any = np.float64(1.0 if series.conversion is None else series.conversion)
        offset = float(series.offset or 0.0)
        per_channel = getattr(series, "channel_conversion", None)
        factor = factor if per_channel is None else factor * np.asarray(per_channel[:], np.float64)
        stored, unit = data_type(series), canonical_unit(stated_unit(series))
        electric = rank_of(series) in (0, 2)
        if electric and unit not in PER_VOLT:
            raise RecordingError(
                f"{place_of(series)} is an ElectricalSeries in {unit!r}, expected volts. Correct the file."
            )
        if not np.all(np.isfinite(factor)) or not np.isfinite(offset):
            raise RecordingError(f"{place_of(series)}: conversion and offset have to be finite numbers.")
        if unit in PER_VOLT:
            power = PER_VOLT["microvolts"] / PER_VOLT[unit]
            return cls(factor * power, offset * power, "microvolts", np.dtype(np.float32))
        if np.all(factor == 1) and offset == 0 and stored.kind in "iub" and stored != np.uint64:
            return cls(factor, offset, plain_unit(unit), stored.newbyteorder("="))
        wide = stored in (np.float64, np.int64, np.uint64)
        return cls(factor, offset, plain_unit(unit), np.dtype(np.float64 if wide else np.float32))

    def read(self, series: Any, rows: slice) -> FloatArray:
        """``(n_times, n_chans)`` values, read block by block."""
        n_chans = 1 if len(series.data.shape) == 1 else series.data.shape[1]
        out = np.empty((rows.stop - rows.start, n_chans), self.dtype)
        exact = np.all(self.factor == 1) and self.offset == 0
        step = max(1, BLOCK // n_chans)
        for first in range(rows.start, rows.stop, step):
            last = min(first + step, rows.stop)
            block = np.asarray(series.data[first:last]).reshape(last - first, n_chans)
            out[first - rows.start : last - rows.start] = block if exact else block * self.factor + self.offset
        return out


def stated_unit(series: Any) -> str:
    """The unit that the file states; pynwb gives the one that the standard prescribes for a kind of series."""
    stored = getattr(series.data, "attrs", {}).get("unit", series.unit)
    return stored.decode() if isinstance(stored, bytes) else str(stored or "")


def plain_unit(unit: str) -> str:
    """A unit as the house has it: empty where the file says that it does not know."""
    return "" if unit.lower() in ("", "n/a", "na", "unknown", "n.a.", "a.u.", "none", "no unit") else unit


def time_of(series: Any) -> tuple[Stamps, float]:
    """Stamps of all samples, seconds, and the nominal rate in Hz (0 where stamps are irregular).

    Raises
    ------
    RecordingError
        When there are no stamps, not as many as samples, or some that are not finite.
    """
    n_times = series.data.shape[0]
    if series.timestamps is None:
        if not series.rate or not np.isfinite(series.rate) or series.rate < 0:
            raise RecordingError(f"{place_of(series)} has neither timestamps nor a rate above 0: {series.rate!r}.")
        return float(series.starting_time or 0.0) + np.arange(n_times) / float(series.rate), float(series.rate)
    stamps = np.asarray(series.timestamps[:], dtype=np.float64)
    if len(stamps) != n_times:
        raise RecordingError(f"{place_of(series)} has {n_times} samples but {len(stamps)} timestamps.")
    check_finite(stamps, place_of(series), "timestamps")
    return stamps, steady_rate(stamps)


def check_finite(stamps: Stamps, place: str, what: str) -> None:
    """Refuse stamps that are not finite."""
    bad = np.flatnonzero(~np.isfinite(stamps))
    if len(bad):
        raise RecordingError(
            f"{place}: {len(bad)} of {len(stamps)} {what} are not finite, the first at {bad[0]}. "
            "Stamps are needed for every sample: repair the file."
        )


def steady_rate(stamps: Stamps) -> float:
    """Rate of stamps that were written one by one; 0 when they are irregular.

    Nine of ten steps have to lie within a tenth of the median step. The rate is then that of these steps, and a
    whole number when it is one within 0.1 %.
    """
    steps = np.diff(stamps)
    middle = float(np.median(steps)) if len(steps) >= 10 else 0.0
    if middle <= 0:
        return 0.0
    usual = steps[np.abs(steps - middle) <= 0.1 * middle]
    if len(usual) < STEADY * len(steps):
        return 0.0
    rate = 1 / float(usual.mean())
    whole = round(rate)
    return float(whole) if whole and abs(rate - whole) <= 1e-3 * whole else float(f"{rate:.6g}")


def channel_names(series: Any, n_chans: int) -> tuple[str, ...]:
    """Names of the channels: of electrodes by their table, of regions by their number, else ``name-1``."""
    electrodes = getattr(series, "electrodes", None)
    if electrodes is not None and len(electrodes.data) == n_chans:
        return electrode_names(electrodes)
    rois = getattr(series, "rois", None)
    if rois is not None and len(rois.data) == n_chans:
        return distinct([f"roi{number}" for number in np.asarray(rois.table.id[:])[np.asarray(rois.data[:], int)]])
    if type(series).__name__ == "SpatialSeries" and n_chans <= 3:
        return ("x", "y", "z")[:n_chans]
    return (series.name,) if n_chans == 1 else tuple(f"{series.name}-{k}" for k in range(1, n_chans + 1))


def electrode_names(region: Any) -> tuple[str, ...]:
    """Names of the electrodes in a region of the electrodes table; ``E`` and their number where they have none."""
    rows = np.asarray(region.data[:], dtype=int)
    column = next((name for name in NAME_COLUMNS if name in region.table.colnames), None)
    if column is None:
        return distinct([f"E{number}" for number in np.asarray(region.table.id[:])[rows]])
    return distinct([str(name) for name in np.asarray(region.table[column].data[:])[rows]])


def check_size(path: Path, chosen: Sequence[Readable]) -> None:
    """Refuse to read more than memory holds."""
    total = sum(one.size for one in chosen)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if total > MEMORY_SHARE * memory:
        sizes = ", ".join(f"{one.name} {one.size / 1e9:.3g} GB" for one in sorted(chosen, key=lambda o: -o.size)[:5])
        raise RecordingError(
            f"{path} would take {total / 1e9:.3g} GB of memory ({sizes}), and this computer has {memory / 1e9:.3g} GB. "
            "Make a recording of some streams or a part: streamkit convert nwb FILE OUT --option streams=NAME "
            "--option start=0 --option stop=600"
        )
