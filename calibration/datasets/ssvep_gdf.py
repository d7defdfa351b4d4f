"""SSVEP for an exoskeleton (Kalunga, Chevallier, Barthelemy): flicker at 13, 17 and 21 Hz, and rest.

Published (github.com/sylvchev/dataset-ssvep-exoskeleton, zenodo.org/record/2392979) as
``subject<NN>/record-[<date>].gdf``: 8 occipital channels at 256 Hz, events as OpenViBE stimulation codes.
A trial announces its class (33024 + k, "label k"), starts flickering 0.5 s later (32779) and stops 5 s after that
(32780). The labels are 0 rest, 1 13 Hz, 2 21 Hz, 3 17 Hz; canonical correlation with the three frequencies
agrees with that order (139 of the 144 flicker trials of subjects 1, 3, 4 and 5).

What becomes a stream: the 8 channels without gaps; each trial as one event at the *start of its flicker*, labelled
``13Hz``, ``17Hz``, ``21Hz`` or ``rest``, with the times of announcement and end as columns. The file says microvolts,
but its numbers are about a thousand times too small for that; they are kept as published. Each file is a Recording of
group ``subject<NN>-run-<k>``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from calibration.datasets.dataset import Options, missing, wrong_layout
from streamkit.errors import RecordingError, require
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://github.com/sylvchev/dataset-ssvep-exoskeleton and https://zenodo.org/record/2392979"
LICENCE = "CC0"
FOLDER = "the folder that holds subject<NN>/record-[<date>].gdf"
CLASSES = {"33024": "rest", "33025": "13Hz", "33026": "21Hz", "33027": "17Hz"}
START, STOP = "32779", "32780"


class SsvepOptions(Options):
    """Which recordings to read.

    Parameters
    ----------
    subject
        Number as in the folder name; all by default.
    rest
        Keep the trials without flicker.
    """

    subject: int | None = None
    rest: bool = True


def read(path: Path, options: SsvepOptions) -> Iterator[Recording]:
    """One Recording per GDF file at or below `path`."""
    files = [path] if path.is_file() else sorted(path.rglob("*.gdf"))
    if options.subject is not None:
        files = [file for file in files if file.parent.name == f"subject{options.subject:02d}"]
    if not files:
        raise missing(path, f"files subject<NN>/record-[<date>].gdf (subject {options.subject})", SOURCE, FOLDER)
    counted: Counter[str] = Counter()
    for file in files:
        subject = file.resolve().parent.name
        group = f"{subject}-run-{counted[subject]}"
        counted[subject] += 1
        yield read_file(file, subject, group, options.rest)


def read_file(file: Path, subject: str, group: str, rest: bool) -> Recording:
    """Read one GDF file."""
    mne = require("mne", "io", "reading GDF")
    try:
        raw = mne.io.read_raw_gdf(file, preload=True, verbose="error")
    except Exception as error:
        raise RecordingError(f"{file}: MNE cannot read it as GDF ({error}). Get it again from {SOURCE}.") from error
    stamps = np.arange(raw.n_times) / raw.info["sfreq"]
    spec = StreamSpec(
        name="SSVEP", type="EEG", ch_names=tuple(raw.ch_names), sfreq=raw.info["sfreq"], unit="microvolts"
    )
    signal = Signal(spec, np.ascontiguousarray(raw.get_data().T * 1e6, np.float32), stamps)
    meta = RecordingMeta(
        name=f"ssvep-{group}",
        group=group,
        subject=subject,
        source=SOURCE,
        licence=LICENCE,
        details={"file": file.name, "scale": "as published; about a thousand times smaller than scalp EEG"},
    )
    return Recording((signal,), (markers_of(file, raw.annotations, rest),), meta=meta)


def markers_of(file: Path, annotations: Any, rest: bool) -> Markers:
    """One marker per trial at the start of its flicker."""
    trials = trials_of([(float(a["onset"]), str(a["description"])) for a in annotations])
    if not trials:
        found = ", ".join(sorted(set(map(str, annotations.description)))) or "no events"
        raise wrong_layout(file, f"events {', '.join(CLASSES)} each followed by {START}", found, SOURCE)
    kept = [trial for trial in trials if rest or trial[0] != "rest"]
    spec = StreamSpec(name="stimulation", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    labels = tuple(label for label, *_ in kept)
    columns = {"announced": [t[2] for t in kept], "until": [t[3] for t in kept]}
    return Markers(spec, labels, np.array([t[1] for t in kept], np.float64), columns)


def trials_of(events: list[tuple[float, str]]) -> list[tuple[str, float, float, float | None]]:
    """Label, start of flicker, announcement and end of each trial; a trial cut off before its start is left out."""
    trials = []
    for place, (announced, code) in enumerate(events):
        later = events[place + 1 :]
        following = next((k for k, (_, c) in enumerate(later) if c in CLASSES), len(later))
        starts = [stamp for stamp, c in later[:following] if c == START]
        stops = [stamp for stamp, c in later[:following] if c == STOP]
        if code in CLASSES and starts:
            trials.append((CLASSES[code], starts[0], announced, stops[0] if stops else None))
    return trials
