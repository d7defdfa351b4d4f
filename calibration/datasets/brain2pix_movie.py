"""The fMRI of Brain2Pix: one person, 30 episodes of Doctor Who, volume by volume (Seeliger et al. 2019).

Layout, as the authors' preprocessing code (github.com/neuralcodinglab/brain2pix, ``data_preprocessing``) reads and
writes it; the recordings themselves were *not at hand* when this reader was written, and it has *not been run* on
them::

    train_brain_signals/train_brain_signals_run{1..}.npy  (n_volumes, n_voxels) of the whole visual brain
    test_brain_signals/test_brain_signals_run{1..}.npy    the same, repeats averaged by the publisher
    roimask.mat                                           V1d, V1v, V2d, …: which of these voxels, (1, n_voxels)
    col_centers_112px.mat, row_centers_112px.mat          V1d, V1v, …: where they look, (1, n), -0.5 to 0.5 or NaN
    training_npy/train_video_run{001..}.npy               (n_frames, 96, 96, 3) uint8, a frame per volume
    testing_npy/test_video_run{1..}.npy                   the same

What becomes a stream: the voxels of the regions asked for, dorsal then ventral of each, a sample per volume (type
``fMRI``), as `movie_recording` says. Frame t is taken to be on the screen during volume t, as the released code has it.
Each run is a Recording and a group of its own: ``train-001``, ``test-1``. Columns are x and rows are y; whether the
table means that, the experiment ``orientation`` asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator
from scipy.io import loadmat

from calibration.datasets.dataset import Options, listed, missing, wrong_layout
from calibration.datasets.dots_recording import ch_names_of
from calibration.datasets.movie_recording import recording_of
from streamkit.errors import ConfigError, RecordingError
from streamkit.recording import Recording, RecordingMeta

SOURCE = "https://doi.org/10.34973/ht18-3b46 (Donders Repository), prepared with github.com/neuralcodinglab/brain2pix"
LICENCE = "as the Donders Repository says (on request)"
FOLDER = "the folder that holds roimask.mat, *_brain_signals/ and *ing_npy/"
TR = 0.7
HALVES = ("d", "v")
SPLITS = {"train": ("training_npy", "train_video_run{:03d}.npy"), "test": ("testing_npy", "test_video_run{:d}.npy")}
CENTRES = {"x": "col_centers_112px.mat", "y": "row_centers_112px.mat"}
MASKS = "roimask.mat"
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
Numbers = Annotated[tuple[int, ...], BeforeValidator(listed)]


class Brain2PixOptions(Options):
    """What to read.

    Parameters
    ----------
    regions
        Names in ``roimask.mat`` without ``d`` and ``v``.
    splits
        ``train``, ``test``.
    runs
        Only these numbers; all when empty.
    """

    regions: Names = ("V1", "V2", "V3")
    splits: Names = ("train", "test")
    runs: Numbers = ()


def read(path: Path, options: Brain2PixOptions) -> Iterator[Recording]:
    """Every run that the options choose, training first."""
    unknown = [name for name in options.splits if name not in SPLITS]
    if unknown:
        raise ConfigError(f"splits: {unknown[0]!r} was given, expected train, test or both")
    columns, names, centres = voxels_of(path, options.regions)
    for split in options.splits:
        for number in numbers_of(path, split, options.runs):
            yield run_of(path, split, number, columns, names, centres)


def voxels_of(path: Path, regions: tuple[str, ...]) -> tuple[NDArray[np.intp], tuple[str, ...], NDArray[np.float64]]:
    """Columns of the signals, a name for each, and where it looks, ``(n, 2)`` x and y."""
    masks, tables = matlab(path, MASKS), {axis: matlab(path, file) for axis, file in CENTRES.items()}
    columns, region, places = [], [], []
    for name in regions:
        for half in HALVES:
            key = f"{name}{half}"
            mask = np.ravel(field_of(masks, key, path / MASKS)).astype(bool)
            each = [np.ravel(field_of(tables[axis], key, path / CENTRES[axis])).astype(np.float64) for axis in "xy"]
            if {len(values) for values in each} != {int(mask.sum())}:
                raise wrong_layout(
                    path / MASKS,
                    f"as many voxels in {key} as its centres",
                    f"{int(mask.sum())} voxels, {len(each[0])} columns and {len(each[1])} rows",
                    SOURCE,
                )
            columns.append(np.flatnonzero(mask))
            region += [name] * len(columns[-1])
            places.append(np.stack(each, 1))
    return np.concatenate(columns), ch_names_of(region), np.concatenate(places)


def matlab(path: Path, name: str) -> dict[str, Any]:
    """The variables of a MATLAB file."""
    file = path / name
    if not file.is_file():
        raise missing(path, name, SOURCE, FOLDER)
    try:
        found: dict[str, Any] = loadmat(file)
    except Exception as error:  # scipy has several of its own for a damaged file
        raise RecordingError(f"{file}: not a MATLAB file of version 5 ({error}). Get it from {SOURCE}.") from error
    return found


def field_of(table: dict[str, Any], key: str, file: Path) -> NDArray[Any]:
    """A variable that must be there."""
    if key not in table:
        there = ", ".join(name for name in table if not name.startswith("__")) or "none"
        raise wrong_layout(file, f"the variable {key}", there, SOURCE)
    return np.asarray(table[key])


def numbers_of(path: Path, split: str, wanted: tuple[int, ...]) -> list[int]:
    """Numbers of the runs that there are, in order."""
    files = (path / f"{split}_brain_signals").glob(f"{split}_brain_signals_run*.npy")
    ends = [file.stem.rpartition("run")[2] for file in files]
    there = sorted(int(end) for end in ends if end.isdigit())
    if not there:
        raise missing(path, f"{split}_brain_signals/{split}_brain_signals_run*.npy", SOURCE, FOLDER)
    return [number for number in there if not wanted or number in wanted]


def run_of(
    path: Path,
    split: str,
    number: int,
    columns: NDArray[np.intp],
    names: tuple[str, ...],
    centres: NDArray[np.float64],
) -> Recording:
    """One run."""
    folder, pattern = SPLITS[split]
    file = path / f"{split}_brain_signals" / f"{split}_brain_signals_run{number}.npy"
    signals, pictures = array_of(file), array_of(path / folder / pattern.format(number))
    if signals.ndim != 2 or signals.shape[1] <= columns.max():
        raise wrong_layout(file, f"(n_volumes, more than {columns.max()} voxels)", f"{signals.shape}", SOURCE)
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        expected = "(n_frames, height, width, 3) of uint8"
        raise wrong_layout(
            path / folder / pattern.format(number), expected, f"{pictures.dtype} {pictures.shape}", SOURCE
        )
    voxels = np.nan_to_num(np.asarray(signals[:, columns], np.float32))
    group = f"{split}-{number:03d}" if split == "train" else f"{split}-{number}"
    meta = RecordingMeta(name=f"brain2pix-{group}", group=group, subject="1", source=SOURCE, licence=LICENCE)
    frames = pictures[: len(voxels)].transpose(0, 3, 1, 2)  # mapped still: all runs together would fill a memory
    return recording_of("brain2pix", voxels, names, TR, frames, centres, meta)


def array_of(file: Path) -> NDArray[Any]:
    """A ``.npy`` file, mapped; nothing in it is run."""
    if not file.is_file():
        raise missing(file.parent, file.name, SOURCE, FOLDER)
    try:
        found: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise RecordingError(f"{file}: not a plain array ({error}). Copy or make the file again.") from error
    return found
