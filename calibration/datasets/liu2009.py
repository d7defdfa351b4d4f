"""People with electrodes on their cortex who look at animals, chairs, faces, fruits and vehicles (Liu et al. 2009).

Published with "Timing, timing, timing: fast decoding of object information from intracranial field potentials in human
visual cortex" (Neuron 62:281) at klab.tch.harvard.edu/resources/liuetal_timing3.html, as MATLAB files, one for each
subject. **No such file and no list of its variables was at hand when this reader was written, and it has not been run
on one**: it looks for what a file of trials must hold, names what it found where that is not enough, and takes any name
by option. What it needs:

signals
    trials, channels and times, in the order that the option ``axes`` says; by default the one numeric array of three
    dimensions. Microvolts.
labels
    for each trial the number of its image, or category, thing and view as columns; by default the one array with as
    many rows as there are trials.
times
    seconds or milliseconds from the onset; by default an array with as many values as times, else the options ``sfreq``
    and ``tmin``.

Beside the files may lie ``stimuli.csv`` (``image,file,category,thing``: what an image's number stands for),
``electrodes.csv`` (``subject,channel,region,x,y,z``: labels of the Destrieux atlas, millimetres; the order of rows is
that of channels) and the image files. Without images nothing can be predicted from them.

What becomes a stream: type ``ECoG``, microvolts, each subject at its own rate (256 or 500 Hz as published); the trials
lie on a time line with gaps between them, each event at its image's onset and labelled with the image's file name.
The things of every category are dealt into `blocks` Recordings, groups ``block-0`` …, so that a split between groups
is one between things. The paper leaves out subjects 1, 3, 9 and 12, and so does the default; a subject's name is what
digits its file name has.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from calibration.datasets.dataset import Options, listed, missing, wrong_layout
from calibration.datasets.things import SPACING_S, sampling
from streamkit.errors import ConfigError, RecordingError, require
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://klab.tch.harvard.edu/resources/liuetal_timing3.html"
LICENCE = "as stated there"
FOLDER = "the folder that holds a .mat file for each subject, with stimuli.csv, electrodes.csv and the images"
AXES = ("trials", "channels", "times")
OF_STIMULI, OF_ELECTRODES = ("image", "file", "category", "thing"), ("subject", "channel", "region")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
Array = NDArray[Any]
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


class LiuOptions(Options):
    """Which subjects, and what their files call things.

    Parameters
    ----------
    subject
        Names; all but `exclude` by default.
    exclude
        Names of subjects that the paper leaves out: 3 and 9 for want of occipital electrodes, 1 and 12 for noise.
    fields
        Variable by what it holds (``signals``, ``labels``, ``times``, ``channels``) where it cannot be told.
    axes
        Order of the axes of the signals.
    sfreq, tmin
        Hz, and seconds of the first sample, where no variable has the times.
    blocks
        Recordings that the things of every category are dealt into.
    images
        Folder of the images; by default those below the data.
    """

    subject: Names = ()
    exclude: Names = ("1", "3", "9", "12")
    fields: dict[str, str] = Field(default_factory=dict)
    axes: Names = AXES
    sfreq: float | None = Field(None, gt=0)
    tmin: float = -0.2
    blocks: int = Field(5, ge=1)
    images: str = ""


@dataclass(frozen=True)
class Stimulus:
    """What an image's number stands for."""

    file: str
    category: str
    thing: str


@dataclass(frozen=True)
class Trials:
    """One subject's trials: ``(n, n_chans, n_times)``, seconds, what each shows, names of channels."""

    signals: NDArray[np.float32]
    times: NDArray[np.float64]
    shown: list[Stimulus]
    ch_names: tuple[str, ...]


def read(path: Path, options: LiuOptions) -> Iterator[Recording]:
    """Blocks of every subject that the options choose."""
    if sorted(options.axes) != sorted(AXES):
        raise ConfigError(f"axes = {', '.join(options.axes)}: give trials, channels and times in their order")
    files = {subject_of(file): file for file in sorted(path.rglob("*.mat"))}
    if not files:
        raise missing(path, "files <subject>.mat", SOURCE, FOLDER)
    stimuli = stimuli_of(path / "stimuli.csv")
    images = {
        file.name: file for file in sorted(Path(options.images or path).rglob("*")) if file.suffix.lower() in IMAGES
    }
    for subject, file in files.items():
        if subject in options.subject or (not options.subject and subject not in options.exclude):
            trials = trials_of(file, options, stimuli)
            yield from blocks_of(
                subject, trials, electrodes_of(path / "electrodes.csv", subject, trials), images, options
            )


def subject_of(file: Path) -> str:
    """Digits of a file's name without leading zeros, or the name where it has none."""
    found = re.search(r"\d+", file.stem)
    return str(int(found[0])) if found else file.stem


def variables_of(file: Path) -> dict[str, Array]:
    """Every numeric or text variable of a MATLAB file, whatever its version.

    Raises
    ------
    RecordingError
        When it is none.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(file, squeeze_me=True)
        return {name: np.asarray(value) for name, value in content.items() if not name.startswith("__")}
    except NotImplementedError:
        return variables_of_hdf(file)
    except (MatReadError, ValueError, TypeError, OSError) as error:
        raise RecordingError(f"{file}: not a whole MATLAB file ({error}). Get it from {SOURCE}.") from error


def variables_of_hdf(file: Path) -> dict[str, Array]:
    """Numeric variables of a MATLAB 7.3 file, which is HDF5 with the dimensions reversed."""
    h5py = require("h5py", "nwb", "reading MATLAB 7.3 files")
    try:
        with h5py.File(file, "r") as opened:
            arrays = {name: each for name, each in opened.items() if isinstance(each, h5py.Dataset)}
            return {name: np.squeeze(each[()].T) for name, each in arrays.items() if each.dtype.kind in "fiu"}
    except OSError as error:
        raise RecordingError(f"{file}: not a whole MATLAB 7.3 file ({error}). Get it from {SOURCE}.") from error


def trials_of(file: Path, options: LiuOptions, stimuli: Mapping[int, Stimulus]) -> Trials:
    """The trials of one file."""
    found = variables_of(file)
    signals = pick(file, found, options, "signals", lambda each: each.ndim == 3 and each.dtype.kind in "fiu")
    if signals.ndim != 3:
        raise wrong_layout(file, "signals of three dimensions (see option axes)", f"shape {signals.shape}", SOURCE)
    signals = np.transpose(signals, [options.axes.index(name) for name in AXES]).astype(np.float32)
    n, n_chans, n_times = signals.shape
    labels = pick(file, found, options, "labels", lambda each: each.ndim in (1, 2) and len(each) == n != n_times)
    if len(labels) != n:
        raise wrong_layout(
            file, f"a label for each of {n} trials (see options fields and axes)", f"{len(labels)}", SOURCE
        )
    named = options.fields.get("channels")
    ch_names = tuple(str(name) for name in np.ravel(found[named])) if named in found else ()
    shown = [stimulus_of(row, stimuli, file) for row in labels.reshape(n, -1)]
    names = ch_names or tuple(f"E{k + 1:03d}" for k in range(n_chans))
    if len(names) != n_chans:
        raise wrong_layout(file, f"names of {n_chans} channels", f"{len(names)}", SOURCE)
    return Trials(signals, times_of(file, found, options, n_times), shown, names)


def pick(file: Path, found: Mapping[str, Array], options: LiuOptions, what: str, fits: Any) -> Array:
    """The variable that the options name, or the only one that fits."""
    if named := options.fields.get(what):
        if named not in found:
            raise wrong_layout(file, f"the variable {named!r} (option fields.{what})", listing(found), SOURCE)
        return found[named]
    taken = set(options.fields.values())
    fitting = [name for name, each in found.items() if name not in taken and each.ndim and fits(each)]
    if len(fitting) != 1:
        what_fits = f"{', '.join(fitting)} may be it" if fitting else "none is like it"
        raise wrong_layout(
            file,
            f"one variable with the {what}; say which with the option fields.{what}",
            f"{listing(found)}; {what_fits}",
            SOURCE,
        )
    return found[fitting[0]]


def listing(found: Mapping[str, Array]) -> str:
    """Variables and their shapes."""
    return ", ".join(f"{name} {each.shape}" for name, each in found.items()) or "no variables"


def times_of(file: Path, found: Mapping[str, Array], options: LiuOptions, n_times: int) -> NDArray[np.float64]:
    """Seconds from the onset of each sample."""
    named = options.fields.get("times")
    if named is None and options.sfreq is not None:
        return options.tmin + np.arange(n_times) / options.sfreq
    rising = [
        name
        for name, each in found.items()
        if each.shape == (n_times,) and each.dtype.kind in "fiu" and (np.diff(each.astype(float)) > 0).all()
    ]
    name = named or (rising[0] if len(rising) == 1 else "")
    if name not in found:
        raise wrong_layout(
            file,
            f"times of {n_times} samples; name them with fields.times, or give sfreq and tmin",
            listing(found),
            SOURCE,
        )
    times = found[name].astype(np.float64)
    return times / 1000 if np.ptp(times) > 20 else times  # no epoch lasts 20 s: these are milliseconds


def stimulus_of(row: Array, stimuli: Mapping[int, Stimulus], file: Path) -> Stimulus:
    """What a row of labels stands for: the number of an image, or category, thing and what else there is."""
    numbers = [int(value) for value in row]
    if len(numbers) == 1:
        if numbers[0] not in stimuli:
            raise wrong_layout(
                file.parent / "stimuli.csv", f"a line for image {numbers[0]}", f"{len(stimuli)} others", SOURCE
            )
        return stimuli[numbers[0]]
    name = "_".join(map(str, numbers))
    return Stimulus(f"{name}.png", str(numbers[0]), str(numbers[1]))


def stimuli_of(file: Path) -> dict[int, Stimulus]:
    """Images by number from ``stimuli.csv``; none where there is no such file."""
    return {
        int(row["image"]): Stimulus(row["file"], row["category"], row["thing"]) for row in table_of(file, OF_STIMULI)
    }


def electrodes_of(file: Path, subject: str, trials: Trials) -> dict[str, list[Any]]:
    """Regions and positions from ``electrodes.csv`` in the order of the channels; none where it has no such subject."""
    rows = [row for row in table_of(file, OF_ELECTRODES) if row["subject"].lstrip("0") == subject.lstrip("0")]
    if not rows:
        return {}
    by_name = {row["channel"]: row for row in rows}
    own = [by_name.get(name) for name in trials.ch_names]
    if not any(own):  # names that nobody gave: the order says which is which
        own = list(rows) if len(rows) == len(trials.ch_names) else []
    if len(own) != len(trials.ch_names):
        raise wrong_layout(file, f"{len(trials.ch_names)} electrodes of subject {subject}", f"{len(rows)}", SOURCE)
    position = [[float(row[key]) for key in "xyz"] if row and row.get("z") else None for row in own]
    return {"region": [row["region"] if row else "" for row in own], "position": position}


def table_of(file: Path, wanted: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a table with these columns; none where there is no such file."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if rows and not set(wanted) <= set(rows[0]):
        raise wrong_layout(file, f"columns {', '.join(wanted)}", ", ".join(rows[0]), SOURCE)
    return rows


def blocks_of(
    subject: str, trials: Trials, electrodes: dict[str, list[Any]], images: Mapping[str, Path], options: LiuOptions
) -> Iterator[Recording]:
    """The Recordings of one subject; thing k of every category goes to block ``k % blocks``."""
    things: dict[str, list[str]] = {}
    for each in trials.shown:
        known = things.setdefault(each.category, [])
        if each.thing not in known:
            known.append(each.thing)
    place = {(category, thing): k for category, known in things.items() for k, thing in enumerate(sorted(known))}
    block = np.array([place[each.category, each.thing] % options.blocks for each in trials.shown])
    for number in np.unique(block):
        yield lay_out(subject, trials, np.flatnonzero(block == number), f"block-{number}", electrodes, images)


def lay_out(
    subject: str,
    trials: Trials,
    rows: NDArray[np.intp],
    group: str,
    electrodes: dict[str, list[Any]],
    images: Mapping[str, Path],
) -> Recording:
    """Trials of one block on a time line that begins at 0."""
    sfreq = sampling(trials.times, Path(f"subject {subject}"), SOURCE)
    step = math.ceil(len(trials.times) / sfreq + SPACING_S)
    onsets = max(0.0, -float(trials.times[0])) + step * np.arange(len(rows))
    data = trials.signals[rows].transpose(0, 2, 1).reshape(-1, len(trials.ch_names))
    spec = StreamSpec(name="ECoG", type="ECoG", ch_names=trials.ch_names, sfreq=sfreq, unit="microvolts")
    shown: Sequence[Stimulus] = [trials.shown[row] for row in rows]
    labels = tuple(each.file for each in shown)
    columns = {"category": [each.category for each in shown], "exemplar": [each.thing for each in shown]}
    marker_spec = StreamSpec(name="images", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    meta = RecordingMeta(
        name=f"liu2009-{subject}-{group}",
        group=group,
        subject=subject,
        source=SOURCE,
        licence=LICENCE,
        details={"electrodes": electrodes, "note": "trials with gaps between them"},
    )
    return Recording(
        (Signal(spec, np.ascontiguousarray(data), (onsets[:, None] + trials.times).ravel()),),
        (Markers(marker_spec, labels, onsets, columns),),
        stimuli={label: images[label] for label in dict.fromkeys(labels) if label in images},
        meta=meta,
    )
