"""THINGS-MEG: four people, 22,248 images once and 200 images twelve times, MEG (Hebart et al. 2023, eLife 12:e82580).

Published (doi.org/10.25452/figshare.plus.21215246, and below ``derivatives/preprocessed`` of OpenNeuro ds004212; as
github.com/ViCCo-Group/THINGS-data writes it, ``MEG/step1_preprocessing.py``) as ``preprocessed_P<N>-epo.fif`` and its
continuations ``-epo-1.fif`` …: epochs of 271 channels, 200 Hz, -0.1 to 1.3 s, 0.1 to 40 Hz, each channel of each epoch
in standard deviations of its baseline; and their metadata (``sample_attributes_P<N>.csv``), of which ``trial_type``
(``exp`` training, ``test``, ``catch``), ``image_path`` (``images_meg/<concept>/<file>.jpg``,
``images_test_meg/<file>.jpg``) and ``session_nr`` are read.

What becomes a stream: trials as `calibration.datasets.things` says, unit ``sd``; catch trials, which show no THINGS
image, are left out. The epochs are read a Recording at a time.

The 200 test images are of 200 of the 1,854 training concepts. ``exclude_test_concepts`` (default) leaves those concepts
out of training, 19,848 images, so that what is tested was never seen; ``False`` is the protocol of the released BrainAE
code, 22,248 images, which is not zero-shot.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.bids import same
from calibration.datasets.dataset import missing, wrong_layout
from calibration.datasets.things import (
    Rows,
    Split,
    ThingsOptions,
    Trials,
    concept_of,
    images_below,
    pick,
    recordings_of,
)
from streamkit.errors import RecordingError, require
from streamkit.recording import Recording, RecordingMeta
from streamkit.types import StreamSpec

SOURCE = "https://doi.org/10.25452/figshare.plus.21215246"
LICENCE = "as stated at openneuro.org/datasets/ds004212"
FOLDER = "the folder that holds preprocessed_P<N>-epo.fif and its continuations (-epo-1.fif …)"
FILE = re.compile(r"preprocessed_P(\d+)-epo\.fif")
FIELDS = ("trial_type", "image_path", "session_nr")
KINDS: dict[Split, str] = {"train": "exp", "test": "test"}
VISUAL = re.compile(r"M[LRZ][OPT]\d\d")
"""Sensors of a CTF helmet over occipital, parietal and temporal cortex."""
_HELMET = {
    "C": (17, 25, 32, 42, 55, 63),
    "F": (14, 25, 35, 46, 56, 67),
    "O": (14, 24, 34, 44, 53),
    "P": (12, 23, 35, 45, 57),
    "T": (16, 27, 37, 47, 57),
}
_MIDLINE = {"C": 4, "F": 3, "O": 3, "P": 1}
ABSENT = ("MLF25", "MRF43", "MRO11", "MRO13")
"""Sensors of the helmet that the data lack: three were broken, MRO11 was left out by the publisher."""


class MegOptions(ThingsOptions):
    """Which trials to read.

    Parameters
    ----------
    exclude_test_concepts
        Leave the concepts of the test images out of training.
    """

    exclude_test_concepts: bool = True


def helmet() -> tuple[str, ...]:
    """Names of the 275 sensors of a CTF helmet, in the order of its files: left, right, middle."""
    sides = [
        f"M{side}{area}{number}"
        for side in "LR"
        for area, rows in _HELMET.items()
        for last in rows
        for number in range(last // 10 * 10 + 1, last + 1)
    ]
    return (*sides, *(f"MZ{area}{k:02d}" for area, last in _MIDLINE.items() for k in range(1, last + 1)))


CH_NAMES = tuple(name for name in helmet() if name not in ABSENT)
"""The 271 sensors of the data, without the serial number that the file adds (``MLC11-1609``)."""


def read(path: Path, options: MegOptions) -> Iterator[Recording]:
    """Recordings of every person that the options choose."""
    files = {m[1]: file for file in sorted(path.rglob("*-epo.fif")) if (m := FILE.fullmatch(file.name))}
    if not files:
        raise missing(path, "preprocessed_P<N>-epo.fif", SOURCE, FOLDER)
    images = images_below(path, options.images)
    for subject, file in files.items():
        if not options.subject or any(same(name.lstrip("P"), subject) for name in options.subject):
            yield from read_person(subject, file, options, images)


def read_person(subject: str, file: Path, options: MegOptions, images: dict[str, Path]) -> Iterator[Recording]:
    """Recordings of one person."""
    epochs = open_epochs(file)
    table = columns_of(epochs.metadata, file)
    meta = RecordingMeta(
        name=f"P{subject}",
        subject=subject,
        source=SOURCE,
        licence=LICENCE,
        details={"exclude_test_concepts": options.exclude_test_concepts, "average": options.average},
    )
    for split in options.splits:
        rows = rows_of(table, split, options.exclude_test_concepts)
        if len(rows):
            yield from recordings_of(trials_of(epochs, table, rows, options, file), split, options, meta, images)


def open_epochs(file: Path) -> Any:
    """The epochs of a file, still on the disk."""
    mne = require("mne", "io", "reading epochs in FIF")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return mne.read_epochs(file, preload=False, verbose="ERROR")
        except Exception as error:
            raise broken(file, error) from error


def broken(file: Path, error: Exception) -> RecordingError:
    """Return the error for a file that MNE cannot read."""
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return RecordingError(
        f"{file}: MNE cannot read it as epochs ({why}). It needs its continuations ({file.stem}-1.fif …) beside it; "
        f"get all of them from {SOURCE}."
    )


def columns_of(metadata: Any, file: Path) -> dict[str, list[Any]]:
    """The columns of the metadata that are read (a list of rows where pandas is not installed)."""
    rows = [] if metadata is None else metadata if isinstance(metadata, list) else metadata.to_dict("records")
    found = tuple(rows[0]) if rows else ()
    if not set(FIELDS) <= set(found):
        raise wrong_layout(file, f"metadata with the columns {', '.join(FIELDS)}", ", ".join(found) or "none", SOURCE)
    return {name: [row[name] for row in rows] for name in FIELDS}


def rows_of(table: dict[str, list[Any]], split: Split, exclude_test_concepts: bool) -> Rows:
    """Epochs of a split."""
    kinds, concepts = np.array(table["trial_type"]), np.array([concept_of(str(p)) for p in table["image_path"]])
    chosen = kinds == KINDS[split]
    if split == "train" and exclude_test_concepts:
        chosen &= ~np.isin(concepts, concepts[kinds == KINDS["test"]])
    return np.flatnonzero(chosen)


def trials_of(epochs: Any, table: dict[str, list[Any]], rows: Rows, options: MegOptions, file: Path) -> Trials:
    """Some of the epochs as trials, in the order in which they were recorded."""
    ch_names = [name.partition("-")[0] for name in epochs.ch_names]
    visual = [name for name in ch_names if VISUAL.fullmatch(name)]
    picks = pick(ch_names, options.channels, {"visual": visual} if visual else {})
    names = tuple(ch_names[k] for k in picks)
    images = [str(table["image_path"][row]).rpartition("/")[2] for row in rows]
    return Trials(
        StreamSpec(name="MEG", type="MEG", ch_names=names, sfreq=float(epochs.info["sfreq"]), unit="sd"),
        np.asarray(epochs.times, np.float64),
        images,
        [concept_of(image) for image in images],
        partial(read_rows, epochs, picks, rows, file),
        {"session": [int(table["session_nr"][row]) for row in rows]},
    )


def read_rows(epochs: Any, picks: Rows, rows: Rows, file: Path, chosen: Rows) -> NDArray[np.float32]:
    """Epochs by number among `rows`: ``(n, n_times, n_picks)``."""
    try:
        data = epochs.get_data(picks=picks, item=rows[chosen], copy=False, verbose="ERROR")
    except Exception as error:
        raise broken(file, error) from error
    return np.ascontiguousarray(data.transpose(0, 2, 1), np.float32)
