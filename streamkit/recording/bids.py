"""Reading a run of a BIDS dataset: EEG, iEEG, MEG or EMG with its tables, through mne-bids.

Pernet and others (2019), EEG-BIDS, Scientific Data 6:103; https://bids-specification.readthedocs.io. The dataset is
recognised by its ``dataset_description.json``; the run by the name of its data file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import RecordingError, require
from streamkit.recording.bids_events import ABSENT, EventTable, event_markers, load_events, some, stimuli_of
from streamkit.recording.bids_layout import (
    DESCRIPTION,
    applicable,
    entities,
    nearest,
    read_json,
    read_table,
    root_of,
)
from streamkit.recording.mne_formats import annotated, one_line, pulses, signals
from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal
from streamkit.units import MIXED, PER_VOLT, canonical_unit, common_unit

RATE_TOLERANCE = 1e-3
"""Sidecars round the rate; a larger relative difference is another rate."""

IMPLAUSIBLE = 1e6
"""Microvolts that no amplifier of the brain reaches: one volt."""

ELSEWHERE = re.compile(r"participants|scans|events|electrodes|coordsystem|Unable to map|HED|[Ll]ine frequency|cHPI")
"""Warnings of mne-bids about tables that are read here, or not needed."""


def read_bids(path: Path, label: Sequence[str] | None = None) -> Recording:
    """Read one run of a BIDS dataset.

    Channels become signals as with other files MNE reads: their kind is that of ``channels.tsv``, potentials are
    microvolts, stamps are seconds since the first sample. Channels of no electric kind are in the unit of
    ``channels.tsv``. Bad channels stay, and are named in the signal's description (``bads``). ``events.tsv`` becomes
    the markers (see `event_markers`), ``stim_file`` the stimuli; without the table, the file's own annotations do.

    Parameters
    ----------
    path
        The data file of the run, e.g. ``sub-01/eeg/sub-01_task-x_run-1_eeg.vhdr``.
    label
        Columns of ``events.tsv`` that make the labels; see `event_markers`.

    Raises
    ------
    RecordingError
        When the file or one of its tables is damaged, missing or contradicts another.
    MissingPackage
        When mne-bids is not installed.
    """
    root = root_of(path.parent)
    if root is None:
        raise RecordingError(f"{path} is in no BIDS dataset: no folder above it has a {DESCRIPTION}.")
    table = nearest(root, path, "events")
    events = None if table is None else load_events(table)
    sidecars = applicable(root, path, kind_of_data(path), ".json")
    stated = stated_rate(sidecars)
    whole = nwb_run(path) if path.suffix == ".nwb" else mne_run(path, root)
    if stated is not None:
        check_rate(stated, sidecars[-1], path, whole.signals)
    whole = with_events(whole, path, root, label, events)
    return replace(whole, meta=meta_of(path, root, whole))


def nwb_run(path: Path) -> Recording:
    """A run whose data are an NWB file, which mne-bids does not read."""
    from streamkit.recording.nwb import read_nwb

    return read_nwb(path)


def mne_run(path: Path, root: Path) -> Recording:
    """Signals, and the markers of the file itself."""
    mne_bids = require("mne_bids", "bids", "reading a BIDS dataset")
    table = nearest(root, path, "channels")
    channels = by_name(table, read_table(table)) if table is not None else {}
    raw, notes = opened(mne_bids, path, root)
    if table is None:
        notes.append(f"no channels.tsv applies to {path.name}: kinds and units of channels are those of the file")
    found = tuple(described(signal, raw, channels, table) for signal in signals(raw, run_name(path)))
    mne = require("mne", "bids", "reading a BIDS dataset")
    details: dict[str, Any] = {"format": f"bids {path.suffix.removeprefix('.')}"}
    return Recording(
        found,
        annotated(raw) or pulses(mne, raw),
        meta=RecordingMeta(details=details | ({"notes": notes} if notes else {})),
    )


def run_name(path: Path) -> str:
    """Name of a run: that of its file without the kind of data."""
    return path.name.split(".", 1)[0].rpartition("_")[0]


def opened(mne_bids: Any, path: Path, root: Path) -> tuple[Any, list[str]]:
    """The Raw object with kinds of channels and bad channels, and what mne-bids warned about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            place = mne_bids.get_bids_path_from_fname(path, check=False, verbose="ERROR").update(root=root, check=False)
            raw = mne_bids.read_raw_bids(place, verbose="ERROR")
        except FileNotFoundError as error:
            raise RecordingError(
                f"{path} is incomplete: a file it refers to is missing ({error.filename or one_line(error)}). "
                "Copy all files of the run; in a DataLad dataset: datalad get."
            ) from error
        except Exception as error:
            raise RecordingError(
                f"{path} cannot be read with mne-bids ({one_line(error)}). Check the dataset with the BIDS validator."
            ) from error
    said = [one_line(w.message) for w in caught if not issubclass(w.category, DeprecationWarning)]
    return raw, [text for text in dict.fromkeys(said) if not ELSEWHERE.search(text)]


def by_name(path: Path, table: Mapping[str, list[str]]) -> dict[str, dict[str, str]]:
    """Channel name → its row of ``channels.tsv``."""
    if "name" not in table or "type" not in table:
        raise RecordingError(f"{path}: expected columns name and type, found {', '.join(table) or 'an empty file'}.")
    return {name: {column: values[row] for column, values in table.items()} for row, name in enumerate(table["name"])}


def described(signal: Signal, raw: Any, channels: Mapping[str, Mapping[str, str]], table: Path | None) -> Signal:
    """A signal with what ``channels.tsv`` says of its channels: unit, and which are bad."""
    said = [canonical_unit(channels.get(name, {}).get("units", "n/a")) for name in signal.spec.ch_names]
    if signal.spec.unit:
        check_units(signal, said, table)
        unit = {"unit": signal.spec.unit}
        data = signal.data
    else:
        data, unit = in_own_units(signal, said, raw)
    bads = [name for name in raw.info["bads"] if name in signal.spec.ch_names]
    facts = {"bads": ", ".join(bads)} if bads else {}
    if unit["unit"] == MIXED:
        facts["units"] = unit.pop("units")
    spec = signal.spec.model_copy(
        update={"name": signal.spec.type, "unit": unit["unit"], "description": {**signal.spec.description, **facts}}
    )
    return replace(signal, spec=spec, data=data)


def check_units(signal: Signal, said: Sequence[str], table: Path | None) -> None:
    """Refuse a channel whose unit in ``channels.tsv`` cannot be that of its kind.

    Another power of ten is let pass: many tables say V, the unit in which a program held the data, for files that say
    µV. The scale is always that of the data file.
    """
    potential = signal.spec.unit in PER_VOLT
    for name, unit in zip(signal.spec.ch_names, said, strict=True):
        if potential and unit not in PER_VOLT and unit not in ABSENT:
            raise RecordingError(
                f"{table}: channel {name!r} is {signal.spec.type}, which is measured in volts, but its unit is "
                f"{unit!r}. Correct its type or its units."
            )


def in_own_units(signal: Signal, said: Sequence[str], raw: Any) -> tuple[Any, dict[str, str]]:
    """Channels of no electric kind: potentials become microvolts, all else stays as the file has it.

    MNE turns what the file calls a potential into volts. Where the table then names another unit, the file's own
    number is what was meant.
    """
    headers = getattr(raw, "_orig_units", None) or {}
    data, units = signal.data.copy(), []
    for k, (name, unit) in enumerate(zip(signal.spec.ch_names, said, strict=True)):
        header = canonical_unit(headers.get(name, ""))
        known = unit not in ABSENT
        if header in PER_VOLT:
            potential = not known or unit in PER_VOLT
            data[:, k] *= np.float32(PER_VOLT["microvolts"] if potential else PER_VOLT[header])
            units.append("microvolts" if potential else unit)
        else:
            units.append(unit if known else "")
    return data, {"unit": common_unit(units), "units": ", ".join(units)}


def kind_of_data(path: Path) -> str:
    """``eeg`` of ``sub-01_task-x_eeg.vhdr``."""
    return path.name.split(".", 1)[0].rpartition("_")[2]


def stated_rate(sidecars: Sequence[Path]) -> float | None:
    """The SamplingFrequency of the sidecars, the nearest first."""
    merged: dict[str, Any] = {}
    for sidecar in sidecars:
        merged |= read_json(sidecar)
    stated = merged.get("SamplingFrequency")
    return float(stated) if isinstance(stated, int | float) else None


def check_rate(stated: float, sidecar: Path, path: Path, found: Sequence[Signal]) -> None:
    """Refuse a run whose sidecar states another rate than the file."""
    rates = [signal.spec.sfreq for signal in found]
    if rates and not any(abs(rate - stated) <= RATE_TOLERANCE * stated for rate in rates):
        raise RecordingError(
            f"{sidecar} states a SamplingFrequency of {stated:g} Hz, but {path.name} has {rates[0]:g} Hz. "
            "One of them is wrong: correct the sidecar, or export the file again."
        )


def with_events(
    whole: Recording, path: Path, root: Path, label: Sequence[str] | None, events: EventTable | None
) -> Recording:
    """The recording with the markers of ``events.tsv`` in place of its own."""
    if events is None:
        if entities(path.name).get("task", "rest").startswith("rest"):
            return whole
        own = f"the file's own {sum(len(m.labels) for m in whole.markers)} markers" if whole.markers else "no markers"
        return noted(whole, [f"no events.tsv applies to {path.name}: there are {own}"])
    times, sfreq = time_base(whole)
    markers, notes = event_markers(events, times, sfreq, label)
    stimuli, more = stimuli_of(root, markers)
    kept: tuple[Markers, ...] = (markers,) if markers.labels else ()
    return noted(replace(whole, markers=kept, stimuli=stimuli), notes + more)


def time_base(whole: Recording) -> tuple[Any, float]:
    """Stamps and rate of the first regular signal."""
    signal = next((s for s in whole.signals if s.spec.sfreq), whole.signal())
    return signal.stamps, signal.spec.sfreq or 1.0


def noted(whole: Recording, notes: Sequence[str]) -> Recording:
    """The recording with more notes."""
    if not notes:
        return whole
    details = {**whole.meta.details, "notes": [*whole.meta.details.get("notes", []), *notes]}
    return replace(whole, meta=whole.meta.model_copy(update={"details": details}))


def meta_of(path: Path, root: Path, whole: Recording) -> RecordingMeta:
    """Provenance: from the name of the run, ``dataset_description.json`` and ``participants.tsv``."""
    dataset = read_json(root / DESCRIPTION)
    parts = entities(path.name)
    bads = [name for s in whole.signals for name in s.spec.description.get("bads", "").split(", ") if name]
    notes = [*whole.meta.details.get("notes", []), *loud(whole.signals)]
    notes += [f"channels.tsv marks as bad: {some(bads)}"] if bads else []
    details = {**whole.meta.details, "entities": parts, "participant": participant(root, parts["sub"])}
    title = str(dataset.get("Name") or root.name)
    return RecordingMeta(
        name=run_name(path),
        group=run_name(path),
        subject=parts["sub"],
        session=parts.get("ses", ""),
        source=" ".join([title, *([str(dataset["DatasetDOI"])] if dataset.get("DatasetDOI") else [])]),
        licence=str(dataset.get("License") or ""),
        details={key: value for key, value in {**details, "notes": notes}.items() if value},
    )


def loud(found: Sequence[Signal]) -> list[str]:
    """A note for each kind of potentials that are too large to be true; they are kept as they are."""
    out = []
    for signal in found:
        some_values = np.abs(signal.data[:: max(1, len(signal.data) // 10_000)])
        finite = some_values[np.isfinite(some_values)]
        if signal.spec.unit == "microvolts" and finite.size and (middle := float(np.median(finite))) > IMPLAUSIBLE:
            half = f"{signal.spec.name}: half of the values are above {middle * 1e-6:.3g} V"
            out.append(f"{half}, so the scale in the data file is probably wrong")
    return out


def participant(root: Path, subject: str) -> dict[str, str]:
    """What ``participants.tsv`` says of a subject; nothing where there is no such row."""
    path = root / "participants.tsv"
    table = read_table(path) if path.is_file() else {}
    ids = table.get("participant_id", [])
    if f"sub-{subject}" not in ids:
        return {}
    row = ids.index(f"sub-{subject}")
    return {name: values[row] for name, values in table.items() if values[row] not in ABSENT}
