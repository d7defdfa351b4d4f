"""fMRI derivatives of a BIDS dataset, such as fMRIPrep's, through nibabel: one Recording per run.

What becomes a stream: the voxels of the regions asked for, in order of region, a sample per volume (type ``fMRI``), at
the rate that the image says; each is stamped with the end of its volume. Regions are the numbers of a label image
(``regions``, any NIfTI on the voxels of the runs) with names from a table beside it (``index`` and ``name``, as in
``*_dseg.tsv``). Where voxels look comes from two maps on the same voxels (``x`` and ``y``: to the right and down, in
degrees, of which ``extent`` are the picture's side), or is left open. ``events.tsv`` of the run becomes the events,
with the images of ``stim_file``. The group is the run.

*Not run* on published derivatives here; tests write small files of that form where nibabel is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from calibration.datasets.dataset import Options, listed, missing
from calibration.datasets.dots_recording import ch_names_of
from calibration.datasets.movie_recording import FIELDS, UNIT
from calibration.datasets.movie_recording import listed as as_json
from streamkit.errors import ConfigError, RecordingError, require
from streamkit.recording import Recording, RecordingMeta, Signal
from streamkit.recording.bids_events import event_markers, load_events, stimuli_of
from streamkit.recording.bids_layout import entities, read_table, root_of
from streamkit.types import StreamSpec

SOURCE = "https://openneuro.org (and by many others)"
LICENCE = "as dataset_description.json says"
FOLDER = "the folder of the derivatives (with dataset_description.json), or a folder in it"
BOLD = ("*_desc-preproc_bold.nii.gz", "*_desc-preproc_bold.nii")
WHY = "reading NIfTI files"
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
Voxels = tuple[NDArray[np.intp], ...]


class BidsFmriOptions(Options):
    """Which voxels of which runs.

    Parameters
    ----------
    labels, names
        Label image (NIfTI) on the voxels of the runs, and its table; the table is looked for beside it when left out.
    regions
        Names in the table, in the order of the channels.
    x, y, extent
        Maps of where voxels look, degrees to the right and down of fixation, and degrees of the picture's side.
    subject, task
        Only these; all when empty.
    raw
        The dataset that the derivatives are of, where ``events.tsv`` and ``stimuli/`` lie; the derivatives' own folder
        when left out.
    """

    labels: str
    names: str = ""
    regions: Names = Field(min_length=1)
    x: str = ""
    y: str = ""
    extent: float = Field(default=0.0, ge=0)
    subject: Names = ()
    task: Names = ()
    raw: str = ""


def read(path: Path, options: BidsFmriOptions) -> Iterator[Recording]:
    """Every preprocessed run at or below `path` that the options choose, in order of name."""
    runs = sorted({run for pattern in BOLD for run in path.rglob(pattern)}) if path.is_dir() else []
    kept = [run for run in runs if chosen(run, options)]
    if not kept:
        raise missing(path, f"preprocessed runs ({BOLD[0]})", SOURCE, FOLDER)
    numbers = numbers_of(options)
    for run in kept:
        yield run_of(run, options, numbers)


def chosen(run: Path, options: BidsFmriOptions) -> bool:
    """Whether the options name a run."""
    own = entities(run.name)
    wanted = {"sub": options.subject, "task": options.task}
    return all(
        not names or own.get(key) in [name.removeprefix(f"{key}-") for name in names] for key, names in wanted.items()
    )


def numbers_of(options: BidsFmriOptions) -> list[int]:
    """Number of each region in the label image.

    Raises
    ------
    ConfigError
        For a region that the table does not have; says which it has.
    """
    labels = Path(options.labels)
    table = Path(options.names or labels.with_name(labels.name.split(".", 1)[0] + ".tsv"))
    if not labels.is_file() or not table.is_file():
        absent = labels if not labels.is_file() else table
        raise ConfigError(f"{absent} does not exist: give labels=IMAGE.nii.gz, and names=TABLE.tsv with index and name")
    columns = read_table(table)
    if not {"index", "name"} <= set(columns):
        raise RecordingError(f"{table}: expected the columns index and name, found {', '.join(columns) or 'none'}.")
    place = dict(zip(columns["name"], columns["index"], strict=True))
    absent_names = [name for name in options.regions if name not in place]
    if absent_names:
        raise ConfigError(f"regions: {absent_names[0]!r} is not in {table}, which has {', '.join(place)}")
    return [int(place[name]) for name in options.regions]


def volume_of(file: str | Path) -> Any:
    """A NIfTI image, not yet in memory."""
    nibabel = require("nibabel", "fmri", WHY)
    try:
        return nibabel.load(str(file))
    except Exception as error:  # nibabel has several of its own for a damaged file
        raise RecordingError(
            f"{file} cannot be read as NIfTI ({str(error).splitlines()[0]}). Copy it again."
        ) from error


def places_of(shape: Sequence[int], numbers: Sequence[int], options: BidsFmriOptions) -> tuple[Voxels, list[str]]:
    """Where the voxels of the regions lie in a volume, and the region of each."""
    labels = on_voxels(options.labels, shape)
    found = [np.nonzero(labels == number) for number in numbers]
    empty = [name for name, each in zip(options.regions, found, strict=True) if not len(each[0])]
    if empty:
        raise RecordingError(f"{options.labels}: no voxel is labelled {empty[0]!r}. Check the table of labels.")
    region = [name for name, each in zip(options.regions, found, strict=True) for _ in each[0]]
    return tuple(np.concatenate(axis) for axis in zip(*found, strict=True)), region


def on_voxels(file: str | Path, shape: Sequence[int]) -> NDArray[Any]:
    """A map that has a number for each voxel of a volume."""
    values = np.asarray(volume_of(file).dataobj)
    if values.shape[:3] != tuple(shape) or values.size != np.prod(shape):
        raise RecordingError(
            f"{file} has {values.shape} voxels, the runs have {tuple(shape)}: bring it into the space of the runs"
        )
    return values.reshape(tuple(shape))


def run_of(run: Path, options: BidsFmriOptions, numbers: Sequence[int]) -> Recording:
    """One run."""
    image = volume_of(run)
    if len(image.shape) != 4:
        raise RecordingError(f"{run}: expected an image of four dimensions (x, y, z, volumes), found {image.shape}.")
    voxels, region = places_of(image.shape[:3], numbers, options)
    tr = float(image.header.get_zooms()[3])
    if not tr > 0:
        raise RecordingError(f"{run}: its header says {tr:g} s per volume. Repair pixdim[4].")
    data = np.stack([np.asarray(image.dataobj[..., k], np.float32)[voxels] for k in range(image.shape[3])])
    own = entities(run.name)
    name = "_".join(f"{key}-{own[key]}" for key in ("sub", "ses", "task", "run") if key in own)
    spec = StreamSpec(name=f"{name}-fmri", type="fMRI", ch_names=ch_names_of(region), sfreq=1 / tr, unit=UNIT)
    stamps = np.arange(1, len(data) + 1) * tr
    markers, stimuli = events_of(run, options, stamps, 1 / tr)
    details = {"tr": tr, "entities": own, **fields_of(options, image.shape[:3], voxels)}
    meta = RecordingMeta(name=name, group=name, subject=own["sub"], source=SOURCE, licence=LICENCE, details=details)
    return Recording((Signal(spec, data, stamps),), markers, stimuli=stimuli, meta=meta)


def fields_of(options: BidsFmriOptions, shape: Sequence[int], voxels: Voxels) -> dict[str, Any]:
    """Where voxels look, as `movie_recording` has it; nothing where no map is given."""
    if not options.x and not options.y:
        return {}
    if not (options.x and options.y and options.extent):
        raise ConfigError("x, y and extent belong together: two maps in degrees, and the degrees of the picture's side")
    found = {}
    for axis, file in (("x", options.x), ("y", options.y)):
        found[axis] = as_json(on_voxels(file, shape)[voxels].astype(np.float64) / options.extent)
    return {FIELDS: found}


def events_of(
    run: Path, options: BidsFmriOptions, stamps: NDArray[np.float64], sfreq: float
) -> tuple[tuple[Any, ...], dict[str, Path]]:
    """Events of a run and their images; none where there is no table."""
    root = Path(options.raw) if options.raw else root_of(run)
    if root is None:
        return (), {}
    own = {key: value for key, value in entities(run.name).items() if key in ("sub", "ses", "task", "run")}
    table = next((file for file in sorted(root.rglob("*_events.tsv")) if entities(file.name) == own), None)
    if table is None:
        return (), {}
    # onsets count from the beginning of the first volume, which is stamped with its end
    markers, _ = event_markers(load_events(table), stamps - 1 / sfreq, sfreq)
    stimuli, _ = stimuli_of(root, markers)
    return (markers,), stimuli
