"""The files of the six-region recordings of Siegel, Buschman and Miller 2015, session by session.

The authors give the data on request. What is read here is what public analyses of them read:

``<folder>/<session>.mat``
    ``spikeTimes``, a cell array of trials x units: times of spikes in seconds, 0 at the onset of the moving dots.
    MATLAB 5 or 7.3.
``trialinfo/<session>.csv``, or ``<session>_trialInfo….csv`` beside the file
    The authors' table of trials, as ``writetable`` writes it: ``direction`` (degrees), ``color`` (degrees on a colour
    wheel), ``badTrials`` and, where there are several tasks, ``task`` (``mocol`` is the one with moving coloured dots).
    The column of the cue is not named in any public reading: ``cue``, unless the options say otherwise.
``unitinfo/<session>.csv``, or ``<session>_unitInfo.csv`` beside the file
    The table of units: ``area``.

A session of the tables is the first six digits of the file's name where there is no table of the whole name.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dataset import missing, wrong_layout
from streamkit.errors import RecordingError, require

SOURCE = "https://doi.org/10.1126/science.aab0551 (Siegel, Buschman and Miller 2015; ask its authors)"
FOLDER = (
    "the folder with the sessions' .mat files and their trialinfo and unitinfo tables; or the one with "
    "spike_data_0.1_new/ and stimuli_tensor_new/"
)
SESSION = "[0-9][0-9][0-9][0-9][0-9][0-9]*.mat"
AREAS = {"dlPFC": "PFC", "lPFC": "PFC"}
"""Other names of a region."""
TASK = "mocol"
HDF5 = b"\x89HDF\r\n\x1a\n"

Table = dict[str, list[str]]


@dataclass(frozen=True)
class Columns:
    """What the columns of the table of trials are called."""

    cue: str = "cue"
    colour: str = "color"
    direction: str = "direction"


@dataclass(frozen=True)
class SessionFiles:
    """One session: its name, and where its spikes and tables lie."""

    name: str
    spikes: Path
    trials: Path
    units: Path


def sessions_below(folder: Path) -> list[SessionFiles]:
    """Every session whose tables are there, in order of their names.

    Raises
    ------
    RecordingError
        When there is no session, or a table of one is missing.
    """
    files = sorted(folder.rglob(SESSION)) if folder.is_dir() else []
    if not files:
        raise missing(folder, "the .mat files of sessions, such as 100706.mat", SOURCE, FOLDER)
    return [
        SessionFiles(file.stem, file, *(table_of(folder, file, what) for what in ("trial", "unit"))) for file in files
    ]


def table_of(folder: Path, file: Path, what: str) -> Path:
    """The table of a session's trials or units."""
    names = dict.fromkeys((file.stem, file.stem[:6]))
    for name in names:
        found = sorted(folder.rglob(f"{what}info/{name}.csv")) + sorted(folder.rglob(f"{name}_{what}Info*.csv"))
        if found:
            return found[0]
    raise missing(folder, f"{what}info/{file.stem}.csv, the table of {what}s of {file.name}", SOURCE, FOLDER)


def read_table(file: Path, needed: Sequence[str]) -> Table:
    """Columns of a table, as text.

    Raises
    ------
    RecordingError
        When one that is needed is not there; lists those that are.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        rows, names = list(reader), list(reader.fieldnames or ())
    absent = [name for name in needed if name not in names]
    if absent:
        raise wrong_layout(file, f"a column {absent[0]!r}", f"the columns {', '.join(names) or 'none'}", SOURCE)
    return {name: [row[name] or "" for row in rows] for name in names}


def spike_times(file: Path) -> NDArray[Any]:
    """``(n_trials, n_units)`` of arrays of seconds."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if _is_hdf5(file):
        return _from_hdf5(file)
    try:
        found = loadmat(file, variable_names=["spikeTimes"])
    except (MatReadError, ValueError, OSError) as error:
        raise RecordingError(f"{file}: not a whole MATLAB file ({error}). Get it from {SOURCE}.") from error
    if "spikeTimes" not in found or found["spikeTimes"].dtype != object or found["spikeTimes"].ndim != 2:
        raise wrong_layout(file, "spikeTimes, a cell array of trials x units", ", ".join(found) or "none", SOURCE)
    return found["spikeTimes"]


def _is_hdf5(file: Path) -> bool:
    """Whether it is of MATLAB 7.3, whose own header of 512 bytes stands before what HDF5 begins with."""
    with file.open("rb") as opened:
        begin = opened.read(512 + len(HDF5))
    return begin.startswith(HDF5) or begin.endswith(HDF5)


def _from_hdf5(file: Path) -> NDArray[Any]:
    h5py = require("h5py", "nwb", "reading MATLAB 7.3 files")
    try:
        with h5py.File(file, "r") as data:
            if "spikeTimes" not in data:
                raise wrong_layout(file, "spikeTimes", ", ".join(data) or "none", SOURCE)
            refs = np.asarray(data["spikeTimes"]).T  # MATLAB's order of axes is the other way round
            cells = np.empty(refs.shape, object)
            for place, ref in np.ndenumerate(refs):
                held = data[ref]
                cells[place] = np.empty(0) if "MATLAB_empty" in held.attrs else np.asarray(held)
            return cells
    except OSError as error:
        raise RecordingError(f"{file}: not a whole MATLAB 7.3 file ({error}). Get it from {SOURCE}.") from error


def counts_of(times: NDArray[Any], begin: float, n_bins: int, bin_s: float) -> NDArray[np.float32]:
    """Spikes in each bin: ``(n_trials, n_bins, n_units)``; a bin holds its beginning and not its end."""
    n_trials, n_units = times.shape
    counts = np.zeros((n_trials, n_bins, n_units), np.float32)
    for (trial, unit), cell in np.ndenumerate(times):
        place = np.floor((np.ravel(cell).astype(np.float64) - begin) / bin_s + 1e-9).astype(np.int64)
        inside = place[(place >= 0) & (place < n_bins)]
        counts[trial, :, unit] = np.bincount(inside, minlength=n_bins)
    return counts


def usable(table: Mapping[str, list[str]]) -> NDArray[np.bool_]:
    """Trials of the task with moving coloured dots that the authors do not call bad."""
    n = len(next(iter(table.values()), []))
    good = np.ones(n, bool)
    if "task" in table:
        good &= np.array([task.strip() == TASK for task in table["task"]])
    if "badTrials" in table:
        good &= np.array([flag.strip().lower() in ("0", "0.0", "false", "") for flag in table["badTrials"]])
    return good


def numbers(values: Sequence[str]) -> NDArray[np.float64]:
    """Text as numbers; NaN where it is none."""
    return np.array([_number(value) for value in values], np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def region_names(areas: Sequence[str]) -> NDArray[np.str_]:
    """Regions as they are called here."""
    return np.array([AREAS.get(area.strip(), area.strip()) for area in areas], np.str_)
