r"""TVSD, the THINGS Ventral Stream Spiking Dataset: two macaques, 1,024 electrodes (Papale et al. 2025, Neuron 113).

Published (gin.g-node.org/paolo_papale/TVSD; fields as its README and ``_code/norm_MUA.m`` have them, MATLAB 7.3, which
is HDF5 with the dimensions reversed) as ``monkey{F,N}/``

``THINGS_normMUA.mat``
    ``train_MUA`` (22248 images, 1024), ``test_MUA`` (100, 1024), ``test_MUA_reps`` (30, 100, 1024), electrodes in the
    order of the arrays; ``SNR_max`` and ``oracle`` for each; also ``SNR``, ``lats``, ``reliab``, ``tb``. One number
    per image: the mean over 25-125 ms (V1), 50-150 ms (V4) or 75-175 ms (IT), in standard deviations of the *test*
    trials of the day.
``THINGS_MUA_trials.mat``
    ``ALLMUA`` (300 times, 25248 trials, 1024), electrodes in the order of the amplifier; ``ALLMAT``, of whose columns
    ``trial_idx, train_idx, test_idx, rep, count, …, day`` the second, third and last are read; ``tb``, milliseconds.
``_logs/1024chns_mapping_20220105.mat``
    ``mapping``: electrode j of the arrays is channel ``mapping[j]`` of the amplifier, from 1 (as ``norm_MUA.m`` ends).
``_logs/things_imgs.mat``
    ``train_imgs`` and ``test_imgs``, each with ``class`` and ``things_path`` (``<concept>\<file>.jpg``).

What becomes a stream (type ``MUA``). ``layout="normalized"``: *not a continuous recording*, one sample per image and
repeat, nominally 2.5 Hz (200 ms of image, 200 ms of grey), without gaps, unit ``sd``. ``layout="trials"``: trials as
`calibration.datasets.things` says, 1 kHz, -100 to 199 ms, in the publisher's unit, which is not stated. The file is
mapped: a Recording takes the memory of its own samples, but reading one runs through the file once.

The 100 test images are of 100 of the 1,854 training concepts; ``exclude_test_concepts`` (default) leaves those out of
training: 21,048 images of 22,248.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dataset import missing, wrong_layout
from calibration.datasets.things import Rows, Split, ThingsOptions, Trials, images_below, pick, recordings_of, sampling
from streamkit.errors import RecordingError, require
from streamkit.recording import Recording, RecordingMeta
from streamkit.types import StreamSpec

SOURCE = "https://gin.g-node.org/paolo_papale/TVSD"
LICENCE = "CC BY 4.0"
FOLDER = "the folder that holds monkeyF/ or monkeyN/ (or one of the two), each with its _logs/"
AREAS = {
    "F": {"V1": (0, 512), "IT": (512, 832), "V4": (832, 1024)},
    "N": {"V1": (0, 512), "V4": (512, 768), "IT": (768, 1024)},
}
"""First electrode of each area and the one after its last, from 0, in the order of the arrays."""
FILES = {"normalized": "THINGS_normMUA.mat", "trials": "THINGS_MUA_trials.mat"}
FIELDS = {
    "normalized": ("train_MUA", "test_MUA", "test_MUA_reps", "SNR_max", "oracle"),
    "trials": ("ALLMUA", "ALLMAT", "tb"),
}
SFREQ = 2.5
AT_ONCE = 64
"""Trials read together."""


class TvsdOptions(ThingsOptions):
    """Which trials to read; a group of channels is an area: ``V1``, ``V4`` or ``IT``.

    Parameters
    ----------
    layout
        ``normalized``: one number per image; ``trials``: the time course.
    exclude_test_concepts
        Leave the concepts of the test images out of training.
    """

    layout: Literal["normalized", "trials"] = "normalized"
    exclude_test_concepts: bool = True


def ch_names_of(monkey: str) -> tuple[str, ...]:
    """Names of the 1,024 electrodes in the order of the arrays: area and number, such as ``V1-0001``."""
    return tuple(f"{area}-{k + 1:04d}" for area, (first, stop) in AREAS[monkey].items() for k in range(first, stop))


def groups_of_channels(monkey: str) -> dict[str, list[str]]:
    """Area → names of its electrodes."""
    return {area: [name for name in ch_names_of(monkey) if name.startswith(f"{area}-")] for area in AREAS[monkey]}


def read(path: Path, options: TvsdOptions) -> Iterator[Recording]:
    """Recordings of every monkey that the options choose."""
    name = FILES[options.layout]
    files = {file.resolve().parent.name.removeprefix("monkey"): file for file in sorted(path.rglob(name))}
    files = {monkey: file for monkey, file in files.items() if monkey in AREAS}
    if not files:
        raise missing(path, f"monkeyF/{name} or monkeyN/{name}", SOURCE, FOLDER)
    images = images_below(path, options.images)
    for monkey, file in files.items():
        if not options.subject or monkey in [wanted.removeprefix("monkey").upper() for wanted in options.subject]:
            yield from read_monkey(monkey, file, options, images)


@dataclass(frozen=True)
class Source:
    """The open file of one monkey."""

    monkey: str
    file: Path
    data: Any
    options: TvsdOptions

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Names of all electrodes."""
        return ch_names_of(self.monkey)

    @property
    def picks(self) -> Rows:
        """Electrodes that are asked for."""
        return pick(self.ch_names, self.options.channels, groups_of_channels(self.monkey))

    def spec(self, sfreq: float, unit: str) -> StreamSpec:
        """Describe the stream of the electrodes that are asked for."""
        names = tuple(self.ch_names[k] for k in self.picks)
        return StreamSpec(name="MUA", type="MUA", ch_names=names, sfreq=sfreq, unit=unit)


def read_monkey(monkey: str, file: Path, options: TvsdOptions, images: dict[str, Path]) -> Iterator[Recording]:
    """Recordings of one monkey."""
    shown = {split: images_of(file.parent / "_logs" / "things_imgs.mat", split) for split in ("train", "test")}
    tested = {image.concept for image in shown["test"]} if options.exclude_test_concepts else set()
    with matlab(file, FIELDS[options.layout]) as data:
        source = Source(monkey, file, data, options)
        for split in options.splits:
            kept = np.array([split == "test" or image.concept not in tested for image in shown[split]])
            make = normalized if options.layout == "normalized" else time_course
            yield from recordings_of(make(source, split, shown[split], kept), split, options, meta_of(source), images)


def meta_of(source: Source) -> RecordingMeta:
    """What is known of every Recording of a monkey; signal to noise and oracle are of its channels, in order."""
    options = source.options
    details: dict[str, Any] = options.model_dump(include={"layout", "exclude_test_concepts", "average"})
    if options.layout == "normalized":
        details |= {key: quality(source, key) for key in ("SNR_max", "oracle")}
    return RecordingMeta(
        name=f"monkey{source.monkey}", subject=source.monkey, source=SOURCE, licence=LICENCE, details=details
    )


def quality(source: Source, key: str) -> list[float | None]:
    """A number for each electrode that is asked for, as JSON holds it."""
    values = np.ravel(source.data[key])
    if len(values) != len(source.ch_names):
        raise wrong_layout(source.file, f"{key} of {len(source.ch_names)} electrodes", f"{len(values)}", SOURCE)
    return [round(float(value), 4) if np.isfinite(value) else None for value in values[source.picks]]


@contextmanager
def matlab(file: Path, fields: tuple[str, ...]) -> Iterator[Any]:
    """A MATLAB 7.3 file, open, with these fields in it."""
    h5py = require("h5py", "nwb", "reading MATLAB 7.3 files")
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise RecordingError(f"{file}: not a whole MATLAB 7.3 file ({error}). Get it from {SOURCE}.") from error
    with opened:
        if not set(fields) <= set(opened):
            found = ", ".join(sorted(set(opened) - {"#refs#"})) or "none"
            raise wrong_layout(file, f"the fields {', '.join(fields)}", found, SOURCE)
        try:
            yield opened
        except OSError as error:
            raise RecordingError(f"{file} cannot be read to its end ({error}). Get it from {SOURCE}.") from error


class Image(NamedTuple):
    """An image that was shown: what it shows, and its file name."""

    concept: str
    file: str


def images_of(file: Path, split: str) -> list[Image]:
    """Every image of a split, in order of their numbers."""
    if not file.is_file():
        raise missing(file.parent.parent, f"_logs/{file.name}", SOURCE, FOLDER)
    with matlab(file, (f"{split}_imgs",)) as data:
        group = data[f"{split}_imgs"]
        if not {"class", "things_path"} <= set(group):
            raise wrong_layout(file, f"class and things_path in {split}_imgs", ", ".join(group) or "none", SOURCE)
        concepts, paths = (
            ["".join(map(chr, np.ravel(data[ref]))) for ref in np.ravel(group[key])] for key in ("class", "things_path")
        )
    names = [path.replace("\\", "/").rpartition("/")[2] for path in paths]
    return [Image(concept, name) for concept, name in zip(concepts, names, strict=True)]


def normalized(source: Source, split: Split, shown: list[Image], kept: NDArray[np.bool_]) -> Trials:
    """One number per image, repeat and electrode, as trials of one sample."""
    field = "train_MUA" if split == "train" else "test_MUA" if source.options.averages(split) else "test_MUA_reps"
    values, picks = np.asarray(source.data[field]), source.picks
    values = values if values.ndim == 3 else values[None]
    if values.shape[1:] != (len(shown), len(source.ch_names)):
        expected = f"{field} of {len(shown)} images, as in things_imgs.mat, and {len(source.ch_names)} electrodes"
        raise wrong_layout(source.file, expected, f"{source.data[field].shape}", SOURCE)
    there = np.isfinite(values).any(axis=2) & kept
    image, repeat = np.nonzero(there.T)
    return Trials(
        source.spec(SFREQ, "sd"),
        np.zeros(1),
        [shown[k].file for k in image],
        [shown[k].concept for k in image],
        lambda rows: values[repeat[rows], image[rows]][:, None, picks].astype(np.float32),
        {"repeat": (repeat + 1).tolist()},
        spacing=1 / SFREQ,
    )


def time_course(source: Source, split: Split, shown: list[Image], kept: NDArray[np.bool_]) -> Trials:
    """Trials in the order in which they were recorded; ``day`` is the recording day."""
    allmua, allmat, times = source.data["ALLMUA"], np.asarray(source.data["ALLMAT"]), np.ravel(source.data["tb"])
    if allmat.ndim != 2 or len(allmat) < 4 or allmua.shape != (len(times), allmat.shape[1], len(source.ch_names)):
        expected = f"ALLMUA of tb x trials of ALLMAT x {len(source.ch_names)} electrodes"
        given = f"ALLMUA {allmua.shape}, ALLMAT {allmat.shape}, tb {times.shape}"
        raise wrong_layout(source.file, expected, given, SOURCE)
    number = allmat[1 if split == "train" else 2].astype(np.int64)
    if number.max() > len(shown):
        expected = f"image numbers up to {len(shown)}, as in things_imgs.mat"
        raise wrong_layout(source.file, expected, f"{number.max()}", SOURCE)
    rows = np.flatnonzero((number > 0) & np.concatenate(([False], kept))[number])
    return Trials(
        source.spec(sampling(times / 1000, source.file, SOURCE), ""),
        times / 1000,
        [shown[k - 1].file for k in number[rows]],
        [shown[k - 1].concept for k in number[rows]],
        partial(read_rows, allmua, mapping_of(source.file.parent)[source.picks], rows),
        {"day": allmat[-1, rows].astype(int).tolist()},
    )


def mapping_of(folder: Path) -> Rows:
    """Channel of the amplifier, from 0, of every electrode in the order of the arrays."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    found = sorted(folder.glob("_logs/1024chns_mapping_*.mat"))
    if not found:
        raise missing(folder, "_logs/1024chns_mapping_20220105.mat", SOURCE, FOLDER)
    try:
        mapping = np.ravel(loadmat(found[0]).get("mapping", [])).astype(np.intp) - 1
    except (MatReadError, ValueError, NotImplementedError, TypeError, OSError) as error:
        raise RecordingError(f"{found[0]}: not a whole MATLAB file ({error}). Get it from {SOURCE}.") from error
    if not np.array_equal(np.sort(mapping), np.arange(1024)):
        raise wrong_layout(found[0], "mapping, each of 1 to 1024 once", f"{len(mapping)} numbers", SOURCE)
    return mapping


def read_rows(allmua: Any, channels: Rows, rows: Rows, chosen: Rows) -> NDArray[np.float32]:
    """Trials by number among `rows`, a few at a time: ``(n, n_times, n_channels)``."""
    out = np.empty((len(chosen), allmua.shape[0], len(channels)), np.float32)
    for at in range(0, len(chosen), AT_ONCE):
        wanted = rows[chosen[at : at + AT_ONCE]]
        block = allmua[:, np.sort(wanted), :][:, :, channels]
        out[at : at + AT_ONCE] = block[:, np.argsort(np.argsort(wanted))].transpose(1, 0, 2)
    return out
