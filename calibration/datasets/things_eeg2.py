"""THINGS-EEG2: ten people, 16,540 training and 200 test images, EEG (Gifford et al. 2022, NeuroImage 264:119754).

Published (osf.io/3jk45; fields as github.com/gifale95/eeg_encoding writes them: ``source_to_raw.py``,
``preprocessing_utils.py``) as

``preprocessed_data/sub-<NN>/preprocessed_eeg_{training,test}.npy``
    a dictionary: ``preprocessed_eeg_data`` ``(n_images, n_repeats, n_chans, n_times)``, ``ch_names``, ``times`` in
    seconds. 4 repeats of training, 80 of test images; 17 channels, 100 Hz, -0.2 to 0.8 s. Later papers make arrays
    of 63 channels and 250 Hz of the raw data under the same names and fields (without the baseline, but with its
    times: the last ``n_times`` of ``times`` hold).
``raw_data/sub-<NN>/ses-<NN>/raw_eeg_{training,test}.npy``
    a dictionary: ``raw_eeg_data`` ``(n_chans, n_times)`` in volts, ``ch_names``, ``ch_types`` (63 ``eeg`` and
    ``stim``), ``sfreq`` (1000), ``highpass``, ``lowpass``. The ``stim`` channel holds the number of an image, from 1,
    at its onset; 99999 is a target, which shows no THINGS image.
``image_set/image_metadata.npy``, ``image_set/{training,test}_images/<concept>/<file>.jpg``
    a dictionary of lists, of which ``{train,test}_img_files`` and ``{train,test}_img_concepts`` are read; number k
    stands for entry k - 1.

The dictionaries are pickles; they are read without running anything (`calibration.datasets.npy_dict`), and their arrays
are mapped: each Recording takes the memory of its own samples, however large the file.

What becomes a stream. ``layout="preprocessed"``: trials as `calibration.datasets.things` says, at the file's rate,
whitened by the publisher, so unit ``sd``; the repeats of an image follow each other, for they were shuffled over all
sessions. ``layout="raw"``: 63 channels in microvolts at 1 kHz, one Recording per session and split, without gaps
(the parts of a session were joined by the publisher); group ``train`` or ``test``, because the sessions of training
share images. Events are labelled with the image's file name, ``target`` for a target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.bids import same
from calibration.datasets.dataset import missing, wrong_layout
from calibration.datasets.eeg_mixture import CH_NAMES
from calibration.datasets.npy_dict import dimensions, fields_of, numbers, texts
from calibration.datasets.things import (
    Names,
    Rows,
    Split,
    ThingsOptions,
    Trials,
    images_below,
    pick,
    recordings_of,
    sampling,
)
from streamkit.errors import ConfigError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://osf.io/3jk45"
LICENCE = "as stated at osf.io/3jk45"
FOLDER = (
    "the folder that holds preprocessed_data/sub-<NN>/ or raw_data/sub-<NN>/ses-<NN>/, and image_set/image_metadata.npy"
)
VISUAL = tuple(name for name in CH_NAMES if set("TPO") & set(name))
"""Channels over temporal, parietal and occipital cortex: every label with a T, P or O in it."""
TARGET = 99999
PARTS: dict[Split, str] = {"train": "training", "test": "test"}
FIELDS = ("preprocessed_eeg_data", "ch_names", "times")
RAW_FIELDS = ("raw_eeg_data", "ch_names", "ch_types", "sfreq")


class Eeg2Options(ThingsOptions):
    """Which trials to read.

    Parameters
    ----------
    layout
        ``preprocessed`` or ``raw``.
    session
        Of the raw data, numbers; all by default.
    """

    layout: Literal["preprocessed", "raw"] = "preprocessed"
    session: Names = ()


def read(path: Path, options: Eeg2Options) -> Iterator[Recording]:
    """Recordings of every person and session that the options choose, in order."""
    if options.layout == "raw" and options.average:
        raise ConfigError("average: raw sessions are not cut into trials; leave it out, or read layout=preprocessed")
    if options.layout == "preprocessed" and options.session:
        raise ConfigError(
            "session: the trials of all sessions are published together; leave it out, or read layout=raw"
        )
    stem = "raw_eeg" if options.layout == "raw" else "preprocessed_eeg"
    folders = chosen_folders(path, stem, options)
    files, metadata = images_below(path, options.images), metadata_below(path, options.images)
    for folder in folders:
        for split in options.splits:
            file = folder / f"{stem}_{PARTS[split]}.npy"
            if not file.is_file():
                raise missing(folder, file.name, SOURCE, FOLDER)
            yield from (read_raw if options.layout == "raw" else read_trials)(metadata, file, split, options, files)


def chosen_folders(path: Path, stem: str, options: Eeg2Options) -> list[Path]:
    """Folders with the files of a layout, of the people and sessions that are asked for."""
    folders = sorted({file.parent for part in PARTS.values() for file in path.rglob(f"{stem}_{part}.npy")})
    if not folders:
        named = "sub-<NN>/ses-<NN>" if options.layout == "raw" else "sub-<NN>"
        raise missing(path, f"{named}/{stem}_training.npy or {stem}_test.npy", SOURCE, FOLDER)
    wanted = {"sub": options.subject, "ses": options.session}
    return [
        folder
        for folder in folders
        if all(not names or any(same(name, number(folder, key)) for name in names) for key, names in wanted.items())
    ]


def number(folder: Path, key: str) -> str:
    """The number in the folder name ``<key>-<number>`` on the way to `folder`; empty where there is none."""
    found = re.findall(rf"(?:^|/){key}-(\w+)(?=/|$)", folder.resolve().as_posix())
    return found[-1] if found else ""


def meta_of(file: Path, options: Eeg2Options) -> RecordingMeta:
    """What is known of every Recording of a file; the name still lacks its group."""
    subject, session = number(file.parent, "sub"), number(file.parent, "ses")
    return RecordingMeta(
        name=f"sub-{subject}" + (f"_ses-{session}" if session else ""),
        subject=subject,
        session=session,
        source=SOURCE,
        licence=LICENCE,
        details={"layout": options.layout, "average": options.average},
    )


def metadata_below(*folders: str | Path) -> Path:
    """The list of images, in the first folder that has one."""
    for folder in filter(None, folders):
        for file in sorted(Path(folder).rglob("image_metadata.npy")):
            return file
    raise missing(Path(folders[0]), "image_metadata.npy", SOURCE, FOLDER)


def images_of(metadata: Path, split: Split) -> tuple[list[str], list[str]]:
    """File names and concepts of the images of a split, in order of their numbers."""
    files, concepts = map(texts, fields_of(metadata, (f"{split}_img_files", f"{split}_img_concepts"), SOURCE))
    if not files or len(files) != len(concepts):
        found = f"{len(files)} files and {len(concepts)} concepts"
        raise wrong_layout(metadata, f"lists of as many {split} images as concepts", found, SOURCE)
    return files, [concept.partition("_")[2] for concept in concepts]


def read_trials(
    metadata: Path, file: Path, split: Split, options: Eeg2Options, files: dict[str, Path]
) -> Iterator[Recording]:
    """Recordings of one file of trials."""
    data, ch_names, times = fields_of(file, FIELDS, SOURCE)
    ch_names, times = texts(ch_names), numbers(times)
    if dimensions(data) != 4 or data.shape[2] != len(ch_names) or len(times) < data.shape[3]:
        given = f"{getattr(data, 'shape', type(data).__name__)} with {len(ch_names)} names and {len(times)} times"
        raise wrong_layout(file, "preprocessed_eeg_data (n_images, n_repeats, n_chans, n_times)", given, SOURCE)
    images, concepts = images_of(metadata, split)
    if len(images) != len(data):
        raise wrong_layout(file, f"{len(images)} images, as in image_metadata.npy", f"{len(data)}", SOURCE)
    sfreq = sampling(times, file, SOURCE)
    picks = pick(ch_names, options.channels, {"visual": VISUAL})
    spec = StreamSpec(name="EEG", type="EEG", ch_names=tuple(ch_names[k] for k in picks), sfreq=sfreq, unit="sd")
    image = np.repeat(np.arange(1, len(data) + 1), data.shape[1])
    trials = Trials(
        spec,
        times[len(times) - data.shape[3] :],
        [images[k - 1] for k in image],
        [concepts[k - 1] for k in image],
        partial(read_rows, data, picks),
        {"image": image.tolist(), "repeat": np.tile(np.arange(1, data.shape[1] + 1), len(data)).tolist()},
    )
    yield from recordings_of(trials, split, options, meta_of(file, options), files)


def read_rows(data: NDArray[Any], picks: Rows, rows: Rows) -> NDArray[np.float32]:
    """Trials by number from the mapped array: ``(n, n_times, n_picks)``."""
    out = np.empty((len(rows), data.shape[3], len(picks)), np.float32)
    for at, row in enumerate(rows):
        out[at] = data[divmod(row, data.shape[1])][picks].T
    return out


def read_raw(
    metadata: Path, file: Path, split: Split, options: Eeg2Options, files: dict[str, Path]
) -> Iterator[Recording]:
    """One session as it was recorded."""
    data, ch_names, ch_types, sfreq = fields_of(file, RAW_FIELDS, SOURCE)
    ch_names, ch_types, rate = texts(ch_names), texts(ch_types), numbers(sfreq)
    sizes = {len(ch_names), len(ch_types)}
    if dimensions(data) != 2 or sizes != {len(data)} or "stim" not in ch_types or len(rate) != 1 or rate[0] <= 0:
        given = f"{getattr(data, 'shape', type(data).__name__)}, {len(ch_names)} names, types {sorted(set(ch_types))}"
        given += f", sfreq {sfreq!r}"
        raise wrong_layout(file, "raw_eeg_data (n_chans, n_times), one channel of it stim, sfreq in Hz", given, SOURCE)
    eeg = [k for k, kind in enumerate(ch_types) if kind == "eeg"]
    chosen = [eeg[k] for k in pick([ch_names[k] for k in eeg], options.channels, {"visual": VISUAL})]
    names = tuple(ch_names[k] for k in chosen)
    spec = StreamSpec(name="EEG", type="EEG", ch_names=names, sfreq=float(rate[0]), unit="microvolts")
    microvolts = np.empty((data.shape[1], len(chosen)), np.float32)
    for at, channel in enumerate(chosen):
        microvolts[:, at] = data[channel] * 1e6
    signal = Signal(spec, microvolts, np.arange(len(microvolts)) / spec.sfreq)
    markers = shown(metadata, file, np.asarray(data[ch_types.index("stim")]), split, spec.sfreq)
    meta = meta_of(file, options)
    meta = meta.model_copy(update={"name": f"{split}_{meta.name}", "group": split})
    stimuli = {label: files[label] for label in dict.fromkeys(markers.labels) if label in files}
    yield Recording((signal,), (markers,), stimuli=stimuli, meta=meta)


def shown(metadata: Path, file: Path, stim: NDArray[Any], split: Split, sfreq: float) -> Markers:
    """Markers at the onsets on the ``stim`` channel."""
    images, concepts = images_of(metadata, split)
    onsets = np.flatnonzero((stim != 0) & (stim != np.concatenate(([0], stim[:-1]))))
    codes = stim[onsets].astype(np.int64)
    unknown = codes[(codes != TARGET) & ((codes < 1) | (codes > len(images)))]
    if len(unknown):
        expected = f"image numbers 1 to {len(images)}, or {TARGET}, on the stim channel"
        raise wrong_layout(file, expected, str(unknown[0]), SOURCE)
    labels = tuple("target" if k == TARGET else images[k - 1] for k in codes)
    columns: dict[str, list[Any]] = {
        "concept": ["" if k == TARGET else concepts[k - 1] for k in codes],
        "image": [0 if k == TARGET else int(k) for k in codes],
    }
    spec = StreamSpec(name="images", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    return Markers(spec, labels, onsets / sfreq, columns)
