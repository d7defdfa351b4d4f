"""Reading what MNE-Python reads: FIF, EDF, BDF, GDF, BrainVision and EEGLAB."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import RecordingError, require
from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal
from streamkit.recording.xdf_xml import distinct
from streamkit.types import StreamSpec, label_of

READERS = {
    ".fif": "read_raw_fif",
    ".fif.gz": "read_raw_fif",
    ".edf": "read_raw_edf",
    ".bdf": "read_raw_bdf",
    ".gdf": "read_raw_gdf",
    ".vhdr": "read_raw_brainvision",
    ".set": "read_raw_eeglab",
}
"""File suffix → reader in ``mne.io``."""

GROUPS: dict[str, tuple[str, str, float]] = {
    "eeg": ("EEG", "microvolts", 1e6),
    "ecog": ("ECoG", "microvolts", 1e6),
    "seeg": ("SEEG", "microvolts", 1e6),
    "dbs": ("LFP", "microvolts", 1e6),
    "eog": ("EOG", "microvolts", 1e6),
    "ecg": ("ECG", "microvolts", 1e6),
    "emg": ("EMG", "microvolts", 1e6),
    "bio": ("ExG", "microvolts", 1e6),
    "mag": ("MEG", "T", 1.0),
    "grad": ("MEG-gradiometers", "T/m", 1.0),
    "ref_meg": ("MEG-reference", "T", 1.0),
}
"""MNE channel type → stream type, unit, factor from MNE's SI unit; all others become one stream of type Misc."""

MISC = ("Misc", "", 1.0)


def read_mne(path: Path, reader: str) -> Recording:
    """Read a continuous recording with MNE.

    Channels become one `Signal` per kind: volts become microvolts, float32; channels of no electric kind go into a
    stream of type ``Misc`` in the units of the file. Stamps are seconds since the first sample. Annotations become
    `Markers` with a column ``duration`` (seconds); so do the pulses of a stimulus channel where there are no
    annotations.

    Raises
    ------
    RecordingError
        When MNE cannot read the file, a part of it is missing, or it is cut into epochs.
    MissingPackage
        When MNE is not installed.
    """
    mne = require("mne", "io", f"reading {path.suffix} files")
    raw, notes = opened(mne, path, reader)
    markers = annotated(raw) or pulses(mne, raw)
    details: dict[str, Any] = {"format": reader.removeprefix("read_raw_")}
    if notes:
        details["notes"] = notes
    return Recording(
        signals=tuple(signals(raw, plain_name(path))),
        markers=markers,
        meta=RecordingMeta(name=plain_name(path), source=path.name, details=details),
    )


def plain_name(path: Path) -> str:
    """The file's name without its suffixes."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def opened(mne: Any, path: Path, reader: str) -> tuple[Any, list[str]]:
    """MNE's Raw object, and its warnings in words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            raw = getattr(mne.io, reader)(path, preload=False, verbose="ERROR")
        except FileNotFoundError as error:
            raise RecordingError(
                f"{path} is incomplete: a file it refers to is missing ({error.filename or error}). "
                "Copy all files of the recording to one folder."
            ) from error
        except ImportError as error:
            raise RecordingError(f"{path} needs a package that MNE could not import ({error})") from error
        except Exception as error:
            raise RecordingError(
                f"{path} cannot be read as {path.suffix} ({one_line(error)}): it is damaged, or of another kind. "
                "Give a whole, continuous recording; epochs will not do."
            ) from error
    return raw, list(
        dict.fromkeys(one_line(w.message) for w in caught if not issubclass(w.category, DeprecationWarning))
    )


def one_line(error: object) -> str:
    """The first line of a message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def signals(raw: Any, name: str) -> list[Signal]:
    """One signal per kind of channel, in the order of the file; neural kinds first."""
    types = raw.get_channel_types()
    groups: dict[tuple[str, str, float], list[int]] = {}
    for index, kind in enumerate(types):
        if kind != "stim":
            groups.setdefault(GROUPS.get(kind, MISC), []).append(index)
    order = sorted(groups, key=lambda group: [*GROUPS.values(), MISC].index(group))
    stamps = raw.times.astype(np.float64)
    return [signal(raw, name, group, groups[group], stamps) for group in order]


def signal(raw: Any, name: str, group: tuple[str, str, float], picks: list[int], stamps: Any) -> Signal:
    """One kind of channels as a stream."""
    kind, unit, factor = group
    spec = StreamSpec(
        name=f"{name}-{kind}",
        type=kind,
        ch_names=distinct([raw.ch_names[index] for index in picks]),
        sfreq=float(raw.info["sfreq"]),
        unit=unit,
        source_id=f"{name}-{kind}",
    )
    try:
        data = raw.get_data(picks=picks) * factor
    except Exception as error:
        raise RecordingError(
            f"the samples of {name} cannot be read ({one_line(error)}). Copy the file again."
        ) from error
    return Signal(spec, np.ascontiguousarray(data.T, dtype=np.float32), stamps)


def annotated(raw: Any) -> tuple[Markers, ...]:
    """The annotations as one marker stream; none where there are none."""
    notes = raw.annotations
    if len(notes) == 0:
        return ()
    # Onsets count from the measurement date where there is one, and then include the samples cut off before.
    start = raw.first_time if notes.orig_time is not None else 0.0
    return (
        Markers(
            spec=StreamSpec(name="annotations", type="Markers", ch_names=("label",), sfreq=0, channel_format="string"),
            labels=tuple(str(text) for text in notes.description),
            stamps=np.asarray(notes.onset, dtype=np.float64) - start,
            columns={"duration": [float(duration) for duration in notes.duration]},
        ),
    )


def pulses(mne: Any, raw: Any) -> tuple[Markers, ...]:
    """The onsets on each stimulus channel as a numeric marker stream."""
    found = []
    for index, kind in enumerate(raw.get_channel_types()):
        if kind != "stim":
            continue
        events = mne.find_events(raw, stim_channel=raw.ch_names[index], shortest_event=1, verbose="ERROR")
        if len(events):
            spec = StreamSpec(
                name=raw.ch_names[index], type="Markers", ch_names=("value",), sfreq=0, channel_format="int32"
            )
            stamps = raw.times[events[:, 0] - raw.first_samp].astype(np.float64)
            found.append(Markers(spec, tuple(map(label_of, events[:, 2].tolist())), stamps))
    return tuple(found)
