"""UCI picture event-related potentials: first, matching and non-matching pictures (Begleiter, SUNY).

Published (archive.ics.uci.edu, "EEG Database", SMNI_CMI_TRAIN) as ``<subject>/<subject>.rd.<NNN>.gz``, one text
file per trial: four ``#`` lines (subject, sizes, sampling, condition and trial number), then for each of 64 channels a
line ``# <name> chan <k>`` and lines ``<trial> <name> <sample> <microvolts>``. 256 Hz, 256 samples from picture onset.

What becomes a stream: the 64 published channels, ``X``, ``Y`` and ``nd`` (eye channels and an unnamed one) among
them, in microvolts. Each trial is one second; trials of a subject are laid in order of trial number, `SPACING` seconds
apart, so one second between them has no samples: a gap, and filters that must not see across it reset there. The event
sits at the trial's first sample, labelled with the published condition. One Recording per subject; its group is the
subject's folder name. That name carries a clinical group, which is never read here and must never be decoded.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from calibration.datasets.dataset import Options, listed, missing, wrong_layout
from streamkit.errors import RecordingError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://archive.ics.uci.edu/dataset/121/eeg+database (SMNI_CMI_TRAIN.tar.gz)"
LICENCE = "CC BY 4.0"
FOLDER = "the folder SMNI_CMI_TRAIN, which holds <subject>/<subject>.rd.<NNN>.gz"
SFREQ = 256.0
N_TIMES = 256
SPACING = 2.0
CONDITIONS = ("S1", "S2 match", "S2 nomatch")
CONDITION = re.compile(r"^# (S1 obj|S2 match|S2 nomatch)( err)?\s*,\s*trial\s+(\d+)", re.MULTILINE)
CHANNEL = re.compile(r"^# (\S+) chan \d+", re.MULTILINE)


class UciOptions(Options):
    """Which trials to read.

    Parameters
    ----------
    subjects
        Folder names; all by default.
    conditions
        Of ``S1``, ``S2 match``, ``S2 nomatch``; trials the subject got wrong are labelled ``<condition> err``.
    """

    subjects: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    conditions: Annotated[tuple[str, ...], BeforeValidator(listed)] = CONDITIONS


@dataclass(frozen=True)
class Trial:
    """One trial as published: ``values`` is ``(N_TIMES, n_chans)`` in microvolts."""

    number: int
    label: str
    ch_names: tuple[str, ...]
    values: NDArray[np.float32]


def read(path: Path, options: UciOptions) -> Iterator[Recording]:
    """One Recording per subject folder at or below `path`."""
    folders = sorted({file.parent for file in path.rglob("*.rd.*")}, key=lambda folder: folder.name)
    if options.subjects:
        folders = [folder for folder in folders if folder.name in options.subjects]
    if not folders:
        raise missing(path, "trial files <subject>/<subject>.rd.<NNN>[.gz]", SOURCE, FOLDER)
    for folder in folders:
        trials = (read_trial(file) for file in sorted(folder.glob("*.rd.*")))
        kept = sorted((t for t in trials if t is not None and t.label in options.conditions), key=lambda t: t.number)
        if kept:
            yield lay_out(folder.name, kept)


def read_trial(file: Path) -> Trial | None:
    """One trial; None for the empty files the full archive holds."""
    try:
        text = (gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RecordingError(f"{file}: not a whole gzipped text file ({error}). Get it from {SOURCE}.") from error
    if not text.strip():
        return None
    head, ch_names = CONDITION.search(text), tuple(CHANNEL.findall(text))
    if head is None or not ch_names:
        expected = "a line '# S1 obj, trial <n>' (or S2 match, S2 nomatch) and lines '# <name> chan <k>'"
        raise wrong_layout(file, expected, repr(text[:120]), SOURCE)
    label = ("S1" if head[1] == "S1 obj" else head[1]) + (head[2] or "")
    return Trial(int(head[3]), label, ch_names, values_of(file, text, len(ch_names)))


def values_of(file: Path, text: str, n_chans: int) -> NDArray[np.float32]:
    """The numbers of a trial file as ``(N_TIMES, n_chans)``."""
    words = [word for line in text.splitlines() if line and line[0] != "#" for word in line.split()]
    if len(words) != 4 * n_chans * N_TIMES:
        expected = f"{n_chans} channels of {N_TIMES} lines '<trial> <name> <sample> <microvolts>'"
        raise wrong_layout(file, expected, f"{len(words) / 4:g} lines", SOURCE)
    try:
        return np.array(words[3::4], np.float32).reshape(n_chans, N_TIMES).T
    except ValueError as error:
        raise wrong_layout(file, "microvolts in the fourth column", str(error), SOURCE) from error


def lay_out(subject: str, trials: list[Trial]) -> Recording:
    """Lay the trials of one subject on a time line, `SPACING` seconds from onset to onset."""
    ch_names = trials[0].ch_names
    if any(trial.ch_names != ch_names for trial in trials):
        raise RecordingError(f"{subject}: the trials do not all have the channels {', '.join(ch_names)}")
    onsets = SPACING * np.arange(len(trials))
    stamps = (onsets[:, None] + np.arange(N_TIMES) / SFREQ).ravel()
    spec = StreamSpec(name="UCI", type="EEG", ch_names=ch_names, sfreq=SFREQ, unit="microvolts")
    signal = Signal(spec, np.concatenate([trial.values for trial in trials]), stamps)
    marker_spec = StreamSpec(name="pictures", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    labels = tuple(trial.label for trial in trials)
    markers = Markers(marker_spec, labels, onsets, {"trial": [trial.number for trial in trials]})
    meta = RecordingMeta(
        name=f"uci-{subject}",
        group=subject,
        subject=subject,
        source=SOURCE,
        licence=LICENCE,
        details={"spacing_s": SPACING, "note": "trials of one second, gaps of one second between them"},
    )
    return Recording((signal,), (markers,), meta=meta)
