"""``events.tsv`` of a BIDS run as markers, and the images that its column ``stim_file`` names."""

from __future__ import annotations

from collections.abc import Sequence
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


def read_events(
    path: Path, times: Stamps, sfreq: float, label: Sequence[str] | None = None
) -> tuple[Markers, list[str]]:
    """Read an ``events.tsv``; also returns what had to be left out, in words.

    An event is stamped with its onset, in seconds since the first sample. Where a column ``sample`` holds the sample
    (counted from 0) whose time the onset is the rounding of, the stamp is exactly the time of that sample.
    The label is ``trial_type`` (else ``stim_type``, else ``value``), followed by ``/`` and ``stim_file`` where the row
    names one, so that every label stands for one image. All columns but the onset are kept: numbers as numbers, ``n/a``
    as None.

    Parameters
    ----------
    path
        The table.
    times
        ``(n_times,)`` seconds, stamps of the samples.
    sfreq
        Hz.
    label
        Columns to join with ``/`` to labels instead.

    Raises
    ------
    RecordingError
        For a table without onsets, an onset that is no number, or onsets that cannot be seconds.
    """
    table = read_table(path)
    if "onset" not in table:
        raise RecordingError(f"{path}: expected a column onset, found {', '.join(table) or 'an empty file'}.")
    kept = [row for row, onset in enumerate(table["onset"]) if onset not in ABSENT]
    stamps = on_samples(onsets(path, table, kept), table, kept, times, sfreq)
    check_seconds(path, stamps, times, sfreq)
    order = np.argsort(stamps, kind="stable")
    rows = [kept[k] for k in order]
    markers = Markers(
        spec=StreamSpec(name="events", type="Markers", ch_names=("label",), sfreq=0, channel_format="string"),
        labels=labels(path, table, rows, label),
        stamps=stamps[order],
        columns={name: column(name, [table[name][row] for row in rows]) for name in table if name != "onset"},
    )
    return markers, remarks(path, len(table["onset"]) - len(kept), markers.stamps, times, sfreq)


def onsets(path: Path, table: dict[str, list[str]], kept: Sequence[int]) -> Stamps:
    """The onsets of the rows kept, seconds."""
    out = np.empty(len(kept))
    for place, row in enumerate(kept):
        text = table["onset"][row]
        try:
            out[place] = float(text)
        except ValueError:
            out[place] = np.nan
        if not np.isfinite(out[place]):
            raise RecordingError(f"{path}: the onset of event {row + 1} is {text!r}, expected seconds or n/a.")
    return out


def on_samples(onsets: Stamps, table: dict[str, list[str]], kept: Sequence[int], times: Stamps, sfreq: float) -> Stamps:
    """The onsets, exact where they are a rounding of the time of the sample that the table names."""
    stamps = onsets.copy()
    samples = column("sample", [table["sample"][row] for row in kept]) if "sample" in table else []
    for place, sample in enumerate(samples):
        if isinstance(sample, int) and 0 <= sample < len(times):
            text = table["onset"][kept[place]].lower()
            decimals = 15 if "e" in text else len(text.partition(".")[2])
            if abs(sample / sfreq - onsets[place]) <= 0.5 * 10.0**-decimals + 1e-9:
                stamps[place] = times[sample]
    return stamps


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
