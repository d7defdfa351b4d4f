"""``events.tsv`` of a BIDS run as markers, and the images that its column ``stim_file`` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import RecordingError
from streamkit.recording.bids_layout import read_table
from streamkit.recording.model import Markers
from streamkit.types import Stamps, StreamSpec

NAMED = ("trial_type", "stim_type", "value")
"""Columns that may say what an event was, best first."""

STIM_FILE = "stim_file"
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
ABSENT = ("n/a", "N/A", "nan", "NaN")


@dataclass(frozen=True)
class EventTable:
    """An ``events.tsv`` as text.

    Attributes
    ----------
    path
        Where it is.
    columns
        Name → one text per row.
    rows
        The rows that have an onset.
    onsets
        ``(n_rows,)`` of these, seconds.
    """

    path: Path
    columns: dict[str, list[str]]
    rows: list[int]
    onsets: Stamps


def load_events(path: Path) -> EventTable:
    """Read an ``events.tsv``.

    Raises
    ------
    RecordingError
        For a table without onsets, or an onset that is no number.
    """
    columns = read_table(path)
    if "onset" not in columns:
        raise RecordingError(f"{path}: expected a column onset, found {', '.join(columns) or 'an empty file'}.")
    rows = [row for row, onset in enumerate(columns["onset"]) if onset not in ABSENT]
    onsets = np.empty(len(rows))
    for place, row in enumerate(rows):
        text = columns["onset"][row]
        if not is_number(text, float):
            raise RecordingError(f"{path}: the onset of event {row + 1} is {text!r}, expected seconds or n/a.")
        onsets[place] = float(text)
    return EventTable(path, columns, rows, onsets)


def event_markers(
    events: EventTable, times: Stamps, sfreq: float, label: Sequence[str] | None = None
) -> tuple[Markers, list[str]]:
    """The events as markers in order of time, and what had to be left out, in words.

    An event is stamped with its onset, in seconds since the first sample; exactly with the time of its sample where
    a column ``sample`` names it, see `on_samples`. The label is ``trial_type`` (else ``stim_type``, else ``value``),
    followed by ``/`` and ``stim_file`` where the row names one, so that every label stands for one image. All columns
    but the onset are kept: numbers as numbers, ``n/a`` as None.

    Parameters
    ----------
    times
        ``(n_times,)`` seconds, stamps of the samples.
    sfreq
        Hz.
    label
        Columns to join with ``/`` to labels instead.

    Raises
    ------
    RecordingError
        When onsets cannot be seconds, or a column of `label` is not there.
    """
    begin = times[0] if len(times) else 0.0
    onsets = on_samples(events, times - begin, sfreq)
    check_seconds(events.path, onsets, times, sfreq)
    order = np.argsort(onsets, kind="stable")
    rows = [events.rows[k] for k in order]
    columns = {name: texts for name, texts in events.columns.items() if name != "onset"}
    markers = Markers(
        spec=StreamSpec(name="events", type="Markers", ch_names=("label",), sfreq=0, channel_format="string"),
        labels=labels(events.path, events.columns, rows, label),
        stamps=onsets[order] + begin,
        columns={name: column(name, [texts[row] for row in rows]) for name, texts in columns.items()},
    )
    dropped = len(events.columns["onset"]) - len(rows)
    return markers, remarks(events.path, dropped, onsets, times, sfreq)


def on_samples(events: EventTable, times: Stamps, sfreq: float) -> Stamps:
    """The onsets, exact where they are the rounded time of the sample that the column ``sample`` names.

    Samples count from 0. The column is passed over where its rows are not, by their median, within half a sample of
    the onsets: some programs count from 1.
    """
    stamps = events.onsets.copy()
    texts = [events.columns["sample"][row] for row in events.rows] if "sample" in events.columns else []
    samples = [float(text) if is_number(text, float) else np.nan for text in texts]
    named = [k for k, sample in enumerate(samples) if sample.is_integer() and 0 <= sample < len(times)]
    off = [samples[k] - stamps[k] * sfreq for k in named]
    if not named or abs(np.median(off)) >= 0.5:
        return stamps
    rounding = 0.5 * 10.0 ** -max(decimals(events.columns["onset"][row]) for row in events.rows)
    for k in named:
        if abs(samples[k] / sfreq - stamps[k]) <= rounding + 1e-9:
            stamps[k] = times[int(samples[k])]
    return stamps


def decimals(text: str) -> int:
    """How many decimals a number is written with."""
    return 15 if "e" in text.lower() else len(text.partition(".")[2])


def check_seconds(path: Path, stamps: Stamps, times: Stamps, sfreq: float) -> None:
    """Refuse onsets most of which lie behind the end: they are samples or milliseconds."""
    end = len(times) / sfreq
    beyond = int((stamps > end).sum())
    if beyond * 2 > len(stamps):
        raise RecordingError(
            f"{path}: {beyond} of {len(stamps)} onsets lie after the end of the recording ({end:g} s), up to "
            f"{stamps.max():g}. Onsets are seconds since the first sample: check that they are not samples or "
            "milliseconds, and that the table belongs to this run."
        )


def labels(
    path: Path, table: dict[str, list[str]], rows: Sequence[int], columns: Sequence[str] | None
) -> tuple[str, ...]:
    """What each event is called."""
    absent = [name for name in columns or () if name not in table]
    if absent:
        raise RecordingError(f"{path} has no column {absent[0]!r} for labels; its columns are {', '.join(table)}.")
    if columns:
        return tuple("/".join(table[name][row] for name in columns) for row in rows)
    return tuple(label_of(table, row) for row in rows)


def label_of(table: dict[str, list[str]], row: int) -> str:
    """The first thing that is said of an event, and its image."""
    said = (table[name][row] for name in NAMED if name in table)
    kind = next((text for text in said if text not in ABSENT), "")
    image = table.get(STIM_FILE, {row: "n/a"})[row]
    parts = [part for part in (kind, image) if part and part not in ABSENT]
    return "/".join(parts) or "event"


def column(name: str, texts: Sequence[str]) -> list[Any]:
    """A column as JSON has it: numbers where all that is there are numbers, None where nothing is."""
    there = [text for text in texts if text not in ABSENT]
    kind: type = str
    if name != STIM_FILE:
        kind = next((kind for kind in (int, float) if all(is_number(text, kind) for text in there)), str)
    return [None if text in ABSENT else kind(text) for text in texts]


def is_number(text: str, kind: type) -> bool:
    """Whether a field is a finite number, and would be written so."""
    try:
        return "_" not in text and bool(np.isfinite(kind(text)))
    except (ValueError, OverflowError):
        return False


def remarks(path: Path, dropped: int, stamps: Stamps, times: Stamps, sfreq: float) -> list[str]:
    """What there is to say about a table that could be read."""
    out = [f"{path.name}: {dropped} events without an onset were left out"] if dropped else []
    beyond = int((stamps > len(times) / sfreq).sum())
    return out + ([f"{path.name}: {beyond} events lie after the last sample"] if beyond else [])


def stimuli_of(root: Path, markers: Markers) -> tuple[dict[str, Path], list[str]]:
    """Label → image of ``<root>/stimuli``, and what is missing there, in words.

    A file that is not there is no error: many datasets may not pass their pictures on. Nor is a file outside
    ``stimuli/`` ever read.
    """
    shelf = root / "stimuli"
    files: dict[str, Path] = {}
    missing: dict[str, None] = {}
    other: dict[str, None] = {}
    shared: dict[str, None] = {}
    for label, name in zip(markers.labels, markers.columns.get(STIM_FILE, []), strict=False):
        if name is None:
            continue
        path = shelf / name
        if path.suffix.lower() not in IMAGES:
            other[path.suffix] = None
        elif not path.resolve().is_relative_to(shelf.resolve()) or not path.is_file():
            missing[str(name)] = None
        elif files.setdefault(label, path) != path:
            shared[label] = None
    notes = []
    if missing:
        notes.append(
            f"{len(missing)} of the files that stim_file names are not in {shelf} and not shown: {some(missing)}"
        )
    if other:
        notes.append(f"only images are shown; stim_file also names files of type {some(other)}")
    if shared:
        notes.append(f"labels with several images are shown with the first: {some(shared)}")
    return files, notes


def some(names: Sequence[str] | dict[str, None]) -> str:
    """The first few of many."""
    return ", ".join(list(names)[:5]) + (", …" if len(names) > 5 else "")
