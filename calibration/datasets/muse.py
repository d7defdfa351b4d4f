"""Muse headband recordings of NeuroTechX: visual P300, N170 and SSVEP runs of two minutes.

Published (github.com/NeuroTechX/eeg-notebooks_v0.1, ``data/visual``) as
``<PARADIGM>/subject<N>/session<N>/data_<date>.csv`` (here also gzipped), one file per run, columns
``timestamps, TP9, AF7, AF8, TP10, Right AUX, Marker`` (``Marker0`` in later files). 256 Hz, microvolts.

What becomes a stream: the electrode columns as one EEG stream with the stamps of the file, which are the
LSL stamps the recorder wrote - rounded to milliseconds, with jitter and, where packets were lost, gaps;
rows whose marker is not 0 as one numeric marker stream at the row's stamp. Each run is a Recording of group
``run-<k>`` in order of time (prefixed with subject and session where several are read).
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dataset import Options, missing, wrong_layout
from streamkit.errors import RecordingError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec, label_of

SOURCE = "https://github.com/NeuroTechX/eeg-notebooks_v0.1 (folder data/visual)"
LICENCE = "BSD-3-Clause"
PARADIGMS = ("P300", "N170", "SSVEP")
ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
AUX = "Right AUX"
FILE = re.compile(r"data_(\d{4}-\d\d-\d\d-\d\d[._]\d\d[._]\d\d)\.csv(\.gz)?$")


class MuseOptions(Options):
    """Which runs to read.

    Parameters
    ----------
    subject, session
        Numbers as in the folder names; all by default.
    right_aux
        Keep the auxiliary electrode, which is often unconnected.
    """

    subject: int | None = None
    session: int | None = None
    right_aux: bool = True


def folder(paradigm: str) -> str:
    """Which folder to point at, in words."""
    return f"the folder that holds {paradigm}/subject<N>/session<N>/data_<date>.csv or .csv.gz"


def reader(paradigm: str) -> Callable[[Path, MuseOptions], Iterator[Recording]]:
    """Return the reader of one paradigm's files."""

    def read(path: Path, options: MuseOptions) -> Iterator[Recording]:
        runs = [run for run in find_runs(path, paradigm) if wanted(run, options)]
        if not runs:
            which = [f"{key} {n}" for key, n in (("subject", options.subject), ("session", options.session)) if n]
            looked_for = " of ".join((f"{paradigm} runs data_<date>.csv[.gz]", *([", ".join(which)] if which else [])))
            raise missing(path, looked_for, SOURCE, folder(paradigm))
        several = len({run[:2] for run in runs}) > 1
        counted: Counter[tuple[int, int]] = Counter()
        for subject, session, date, file in runs:
            group = f"run-{counted[subject, session]}"
            counted[subject, session] += 1
            prefix = f"subject{subject}-session{session}-" if several else ""
            meta = RecordingMeta(
                name=f"muse-{paradigm.lower()}-{date}",
                group=prefix + group,
                subject=str(subject),
                session=str(session),
                source=SOURCE,
                licence=LICENCE,
                details={"file": file.name},
            )
            yield read_run(file, meta, options.right_aux)

    return read


def find_runs(path: Path, paradigm: str) -> list[tuple[int, int, str, Path]]:
    """Subject, session, date and file of all runs of a paradigm at or below `path`, in order."""
    files = [path] if path.is_file() else path.rglob("data_*.csv*")
    runs = []
    for file in files:
        named = FILE.search(file.name)
        parts = file.resolve().parts
        if named and not set(parts) & (set(PARADIGMS) - {paradigm}):
            runs.append((number(parts, "subject"), number(parts, "session"), named[1].replace("_", "."), file))
    return sorted(runs)


def number(parts: tuple[str, ...], word: str) -> int:
    """The number in the folder name ``<word><number>``; 0 where no folder is called so."""
    numbers = [int(part[len(word) :]) for part in parts if re.fullmatch(rf"{word}\d+", part)]
    return numbers[-1] if numbers else 0


def wanted(run: tuple[int, int, str, Path], options: MuseOptions) -> bool:
    """Whether the options ask for this run."""
    return options.subject in (None, run[0]) and options.session in (None, run[1])


def read_run(file: Path, meta: RecordingMeta, right_aux: bool) -> Recording:
    """Read one run; raises RecordingError where a column is missing or a row is not numeric."""
    columns, table = read_table(file)
    marker = next((name for name in ("Marker", "Marker0") if name in columns), None)
    if marker is None or not {"timestamps", *ELECTRODES} <= set(columns):
        expected = f"columns timestamps, {', '.join(ELECTRODES)}, {AUX} and Marker or Marker0"
        raise wrong_layout(file, expected, ", ".join(columns), SOURCE)
    ch_names = (*ELECTRODES, AUX) if right_aux and AUX in columns else ELECTRODES
    stamps = table[:, columns.index("timestamps")]
    picks = [columns.index(name) for name in ch_names]
    spec = StreamSpec(name="Muse", type="EEG", ch_names=ch_names, sfreq=256, unit="microvolts")
    signal = Signal(spec, table[:, picks].astype(np.float32), stamps)
    return Recording((signal,), (markers_of(table[:, columns.index(marker)], stamps),), meta=meta)


def markers_of(codes: NDArray[np.float64], stamps: NDArray[np.float64]) -> Markers:
    """Every non-zero code as a numeric marker at its row's stamp."""
    rows = np.flatnonzero(codes)
    spec = StreamSpec(name="MuseMarkers", type="Markers", ch_names=("marker",), sfreq=0, channel_format="int32")
    return Markers(spec, tuple(map(label_of, codes[rows].tolist())), stamps[rows])


def read_table(file: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Column names and the numbers below them."""
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            columns = [name.strip() for name in lines.readline().split(",")]
            return columns, np.loadtxt(lines, delimiter=",", ndmin=2)
    except (ValueError, OSError, EOFError) as error:
        raise RecordingError(
            f"{file}: not a whole run of numbers in columns ({error}). Get it from {SOURCE}."
        ) from error
