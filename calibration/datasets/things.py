"""What the data sets made with THINGS images share: names of images, channel groups, trials as Recordings.

Images of the THINGS database (Hebart et al. 2019, PLoS ONE 14:e0223792) are called ``<concept>_<number><letter>.jpg``,
``coat_rack_13s.jpg`` of ``coat_rack``. An event is labelled with that file name, so `concept_of` its label is what it
shows; the column ``concept`` of the markers says the same.

Responses are published as trials, cut from the recording. What becomes a stream: the trials laid on a time line,
`SPACING_S` or more without samples between two (a gap), each event at its image's onset. The test images make one
Recording, group ``test``; the training images make `blocks` Recordings, groups ``block-0`` …, each with all images of
its concepts: neither an image nor a concept is on both sides of a split between groups, whichever people are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from calibration.datasets.dataset import Options, listed, wrong_layout
from streamkit.errors import ConfigError, RecordingError, did_you_mean
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SPACING_S = 1.0
AT_ONCE = 128
"""About so many trials are read together to be averaged."""
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
Rows = NDArray[np.intp]
Split = Literal["train", "test"]


class ThingsOptions(Options):
    """Which trials to read, and how they become Recordings.

    Parameters
    ----------
    subject
        Numbers or names as in the file names; all by default.
    split
        ``train``, ``test`` or ``both``.
    average
        One trial per image, the mean over its repeats; ``train`` averages the training trials only.
    channels
        ``all``, a group of channels, or names.
    blocks
        Number of Recordings the concepts of the training images are dealt into.
    images
        Folder of the THINGS images; by default those below the data are taken, where there are any.
    """

    subject: Names = ()
    split: Literal["both", "train", "test"] = "both"
    average: bool | Literal["train"] = False
    channels: Names = ("all",)
    blocks: int = Field(default=10, ge=1)
    images: str = ""

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that are asked for."""
        return ("train", "test") if self.split == "both" else (self.split,)

    def averages(self, split: Split) -> bool:
        """Whether the trials of a split are averaged."""
        return self.average is True or self.average == split


@dataclass(frozen=True)
class Trials:
    """Trials of one person and split, still on the disk.

    Attributes
    ----------
    spec
        The stream they become.
    times
        ``(n_times,)`` seconds from the image's onset.
    images, concepts
        File name of the image of each trial, and what it shows.
    read
        Returns trials by number, ``(n, n_times, n_chans)`` float32.
    columns
        Further facts about each trial.
    spacing
        Seconds from one trial's onset to the next; by default so that `SPACING_S` or more have no samples.
    """

    spec: StreamSpec
    times: NDArray[np.float64]
    images: Sequence[str]
    concepts: Sequence[str]
    read: Callable[[Rows], NDArray[np.float32]]
    columns: Mapping[str, list[Any]] = field(default_factory=dict)
    spacing: float = 0.0

    @property
    def step(self) -> float:
        """Seconds from one trial's onset to the next."""
        return self.spacing or math.ceil(len(self.times) / self.spec.sfreq + SPACING_S)


def concept_of(image: str) -> str:
    """Return what an image shows: ``"coat_rack_13s.jpg"`` is a ``"coat_rack"``."""
    stem = image.rpartition("/")[2].rpartition(".")[0] or image
    return stem.rpartition("_")[0] or stem


def images_below(folder: Path, chosen: str) -> dict[str, Path]:
    """Images by file name in the folder `chosen`, else below `folder`.

    Raises
    ------
    RecordingError
        When the folder chosen holds none.
    """
    found = {path.name: path for path in sorted(Path(chosen or folder).rglob("*.jpg"))}
    if chosen and not found:
        raise RecordingError(f"images={chosen}: looked for THINGS images (<concept>_<number><letter>.jpg), found none")
    return found


def pick(ch_names: Sequence[str], wanted: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Rows:
    """Columns of the channels that the option `channels` asks for: groups in file order, names as named.

    Raises
    ------
    ConfigError
        When there is no such channel or group, or none of a group is in the file.
    """
    known = {"all": ch_names, **groups}
    columns: dict[int, None] = {}
    for name in wanted:
        members = known.get(name, (name,))
        found = [at for at, channel in enumerate(ch_names) if channel in members]
        if not found:
            hint = did_you_mean(name, [*known, *ch_names])
            raise ConfigError(
                f"channels: {name!r} names no channel of this file.{hint} Groups: {', '.join(known)}; "
                f"channels: {', '.join(ch_names[:8])}{' …' * (len(ch_names) > 8)}"
            )
        columns |= dict.fromkeys(found)
    return np.array(list(columns), np.intp)


def sampling(times: NDArray[np.float64], file: Path, source: str) -> float:
    """Rate in Hz of times in seconds; RecordingError where they are not evenly spaced."""
    steps = np.diff(times)
    if len(steps) == 0 or steps.min() <= 0 or not np.allclose(steps, steps.mean(), rtol=1e-3, atol=0):
        raise wrong_layout(
            file, "times that are evenly spaced", f"{len(times)} times, steps {np.unique(steps)[:3]}", source
        )
    return round(float(1 / steps.mean()), 3)


def averaged(trials: Trials) -> Trials:
    """One trial per image, in order of first appearance; the column ``repeats`` says of how many it is the mean."""
    rows: dict[str, list[int]] = {}
    for row, image in enumerate(trials.images):
        rows.setdefault(image, []).append(row)
    groups = [np.array(group, np.intp) for group in rows.values()]

    def read(chosen: Rows) -> NDArray[np.float32]:
        sizes = np.array([len(groups[k]) for k in chosen])
        parts = np.split(chosen, np.flatnonzero(np.diff(np.cumsum(sizes) // AT_ONCE)) + 1)
        return np.concatenate([means(trials, [groups[k] for k in part]) for part in parts])

    concepts = [trials.concepts[group[0]] for group in groups]
    columns = {"repeats": [len(group) for group in groups]}
    return replace(trials, images=list(rows), concepts=concepts, read=read, columns=columns)


def means(trials: Trials, groups: Sequence[Rows]) -> NDArray[np.float32]:
    """Mean over each group of trials, all read together."""
    data = trials.read(np.concatenate(groups))
    stops = np.cumsum([len(group) for group in groups])
    return np.stack(
        [
            data[stop - len(group) : stop].mean(axis=0, dtype=np.float64).astype(np.float32)
            for stop, group in zip(stops, groups, strict=True)
        ]
    )


def recordings_of(
    trials: Trials, split: Split, options: ThingsOptions, meta: RecordingMeta, files: Mapping[str, Path]
) -> Iterator[Recording]:
    """Trials of one split as Recordings, read one by one; `meta` lacks the group, which also begins the name."""
    if options.averages(split):
        trials = averaged(trials)
    for group, rows in groups_of(trials.concepts, split, options.blocks):
        named = meta.model_copy(update={"name": f"{group}_{meta.name}", "group": group})
        yield lay_out(trials, rows, named, files)


def groups_of(concepts: Sequence[str], split: Split, blocks: int) -> Iterator[tuple[str, Rows]]:
    """Name and trials of each group; concept k in alphabetical order goes to block ``k % blocks``.

    Raises
    ------
    ConfigError
        When there are more blocks than concepts.
    """
    if split == "test" or blocks == 1:
        yield split, np.arange(len(concepts))
        return
    known, number = np.unique(np.array(concepts), return_inverse=True)
    if blocks > len(known):
        raise ConfigError(f"blocks: {len(known)} training concepts cannot be dealt into {blocks} blocks")
    for block in range(blocks):
        yield f"block-{block}", np.flatnonzero(number % blocks == block)


def lay_out(trials: Trials, rows: Rows, meta: RecordingMeta, files: Mapping[str, Path]) -> Recording:
    """Lay trials on a time line that begins at 0."""
    data = trials.read(rows)
    onsets = max(0.0, -float(trials.times[0])) + trials.step * np.arange(len(rows))
    signal = Signal(trials.spec, data.reshape(-1, data.shape[-1]), (onsets[:, None] + trials.times).ravel())
    labels = tuple(trials.images[row] for row in rows)
    columns = {name: [values[row] for row in rows] for name, values in trials.columns.items()}
    spec = StreamSpec(name="images", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    markers = Markers(spec, labels, onsets, {"concept": [trials.concepts[row] for row in rows], **columns})
    stimuli = {label: files[label] for label in dict.fromkeys(labels) if label in files}
    return Recording((signal,), (markers,), stimuli=stimuli, meta=meta)
