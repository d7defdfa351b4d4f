"""Tables of an NWB file as markers: trials, epochs, stimulus presentations, events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkit.recording.model import Markers
from streamkit.recording.nwb_series import Part, place_of, time_of
from streamkit.recording.nwb_stimuli import Library, text
from streamkit.types import StreamSpec, label_of

LABELS = (
    *("image_name", "stimulus_name", "stimulus", "stim_name", "condition", "trial_type", "label"),
    *("event_type", "type", "annotation", "name", "tags"),
)
"""Columns that may say what a row was, best first; after them, the first column of text."""

FRAMES = ("frame", "image_index", "stimulus_index", "image_id", "frame_index")
STARTS = ("start_time", "timestamp")
LEFT = ("timeseries",)


def tables(file: Any, library: Library, part: Part, notes: list[str]) -> tuple[Markers, ...]:
    """One marker stream per table of intervals or events, at the start of each row.

    The label is the picture that a row shows, where it names one of the file; else the first of the columns `LABELS`
    that is there, else the first column of text, else the name of the table. All plain columns are kept, with
    ``duration`` (seconds). Rows without a start are left out, and `notes` is told.
    """
    found = []
    for one in file.objects.values():
        if hasattr(one, "colnames") and any(name in one.colnames for name in STARTS) and len(one):
            found.append(table_markers(one, library, part, notes))
        elif type(one).__name__ == "AnnotationSeries":
            found.append(words_of(one, part))
    kept = [markers for markers in found if markers.labels]
    return tuple(sorted(kept, key=lambda markers: (markers.spec.name != "trials", markers.spec.name)))


def table_markers(table: Any, library: Library, part: Part, notes: list[str]) -> Markers:
    """The rows of one table."""
    columns = {name: values for name in table.colnames if (values := plain_column(table, name)) is not None}
    start = next(name for name in STARTS if name in columns)
    stamps = np.array([np.nan if stamp is None else stamp for stamp in columns.pop(start)], dtype=np.float64)
    absent = int((~np.isfinite(stamps)).sum())
    if absent:
        notes.append(f"{place_of(table)}: {absent} rows without a {start} were left out")
    kept = np.flatnonzero(np.isfinite(stamps) & part.inside(stamps))
    rows = kept[np.argsort(stamps[kept], kind="stable")]
    said = labels(table.name, columns, len(stamps), library)
    if "stop_time" in columns and "duration" not in columns:
        ends = columns["stop_time"]
        columns["duration"] = [None if e is None else float(e - s) for e, s in zip(ends, stamps, strict=True)]
    return Markers(
        spec_of(table.name, place_of(table)),
        tuple(said[row] for row in rows),
        stamps[rows],
        {name: [values[row] for row in rows] for name, values in columns.items()},
    )


def spec_of(name: str, place: str) -> StreamSpec:
    """A stream of text markers."""
    return StreamSpec(name=name, type="Markers", ch_names=("label",), sfreq=0, channel_format="string", source_id=place)


def words_of(series: Any, part: Part) -> Markers:
    """A series of notes in words."""
    stamps, _ = time_of(series)
    kept = np.flatnonzero(part.inside(stamps))
    said = [text(note) for note in series.data[:]]
    return Markers(spec_of(series.name, place_of(series)), tuple(said[k] for k in kept), stamps[kept])


def plain_column(table: Any, name: str) -> list[Any] | None:
    """A column as JSON values; None for references and for what is no list of numbers or words."""
    column = table[name]
    kind = type(column).__name__
    if kind == "DynamicTableRegion" or name in LEFT:
        return None
    if kind == "VectorIndex":
        return ragged(column)
    values = np.asarray(column.data[:])
    if kind == "EnumData":
        values = np.asarray(column.elements.data[:])[values]
    return [plain(value) for value in values.tolist()] if values.ndim == 1 and values.dtype.kind in "biufSUO" else None


def ragged(column: Any) -> list[Any] | None:
    """A column of several values per row."""
    target = column.target
    if type(target).__name__ not in ("VectorData", "TimestampVectorData"):
        return None
    values = [plain(value) for value in np.asarray(target.data[:]).tolist()]
    ends = [int(end) for end in column.data[:]]
    return [values[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def plain(value: Any) -> Any:
    """A value as JSON has it: None for NaN."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, int | bool | list) else text(value)


def labels(name: str, columns: dict[str, list[Any]], count: int, library: Library) -> list[str]:
    """What each row is called."""
    said = said_of(name, columns, count)
    pictures = library.stored.keys() | library.files.keys()
    for values in columns.values():
        if values and all(isinstance(value, str) for value in values) and any(value in pictures for value in values):
            return [value if value in pictures else other for value, other in zip(values, said, strict=True)]
    frames = next((columns[column] for column in FRAMES if column in columns), None)
    if frames is None or not library.stacks:
        return said
    stacks = [stack_of(label, name, library) for label in said]
    shown = [
        f"{stack}/{int(frame)}" if stack and isinstance(frame, int | float) else ""
        for stack, frame in zip(stacks, frames, strict=True)
    ]
    return [image if image in pictures else label for image, label in zip(shown, said, strict=True)]


def said_of(name: str, columns: dict[str, list[Any]], count: int) -> list[str]:
    """The label that a column gives, else the name of the table."""
    words = [column for column, values in columns.items() if any(isinstance(value, str) for value in values)]
    chosen = next((column for column in LABELS if column in columns), words[0] if words else None)
    if chosen is None:
        return [name] * count
    return [joined(value) or name for value in columns[chosen]]


def joined(value: Any) -> str:
    """A value as a label; several joined by commas, nothing for none."""
    if isinstance(value, list):
        return ",".join(joined(one) for one in value)
    return "" if value is None else label_of(value) if isinstance(value, float) else str(value)


def stack_of(label: str, table: str, library: Library) -> str | None:
    """The image series that a row's frame counts in: named by its label, or by the table."""
    names: Sequence[str] = [label, table.removesuffix("_presentations")]
    return next((stack for name in names for stack in library.stacks if stack in (name, f"{name}_template")), None)
