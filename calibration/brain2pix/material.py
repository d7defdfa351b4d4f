"""What Brain2Pix learns from: voxels volume by volume while a film ran, its frames, and where each voxel looks.

Axes: voxels are ``(n_volumes, n_voxels)``, frames ``(n, 3, height, width)``; a window of a frame are the volumes that
it is decoded from, ``(n_voxels, n_lags)``. Windows are cut when they are wanted: as a whole they would take the memory
of the voxels five times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calibration.targets import GREY
from streamkit.errors import BadInput

Array = NDArray[np.floating]
Rows = NDArray[np.intp]

N_LAGS, SHIFT = 5, 4
"""Frame t is decoded from volumes t + 4 to t + 8."""
BLOCK = 15
"""Frames of a block where nobody says where a shot ends: about ten seconds."""


@dataclass(frozen=True)
class Shots:
    """Which frames of films belong together.

    Attributes
    ----------
    number
        ``(n,)`` of the shot that each frame is of; frames of one are much alike.
    said
        Whether the recordings say where shots end; else `BLOCK` frames in a row are one.
    """

    number: Rows
    said: bool

    @property
    def note(self) -> str:
        """How a score says which of the two it was."""
        return "shots as the recording says" if self.said else f"a shot is {BLOCK} frames in a row: none is recorded"


@dataclass(frozen=True)
class Movie:
    """Runs of a film.

    Attributes
    ----------
    voxels
        ``(n_volumes, n_voxels)`` float32, runs one after the other.
    of_volume
        ``(n_volumes,)`` number of the run each volume is of.
    first
        ``(n,)`` place in `voxels` of the first volume of each frame's window.
    frame
        ``(n,)`` row of `frames` that each window is of.
    frames
        uint8 ``(n_frames, 3, height, width)``; one channel instead of three where they are grey.
    shot
        ``(n,)`` number of the shot or block that each frame is of; frames of one are much alike.
    region
        ``(n_voxels,)`` name of each voxel's region.
    centre
        ``(n_voxels, 2)`` x (to the right) and y (down) of where it looks, parts of the picture's side counted from its
        middle; NaN where unknown.
    label
        ``(n,)`` event of each window; empty where there is none.
    n_lags, shift
        Volumes of a window, and how many volumes after that of its frame it begins.
    """

    voxels: NDArray[np.float32]
    of_volume: Rows
    first: Rows
    frame: Rows
    frames: NDArray[np.uint8]
    shot: Rows
    region: NDArray[np.str_]
    centre: NDArray[np.float64]
    label: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    n_lags: int = N_LAGS
    shift: int = SHIFT

    def __post_init__(self) -> None:
        n_volumes, n_voxels = self.voxels.shape
        lengths = {len(self.first), len(self.frame), len(self.shot)}
        if len(lengths) != 1 or len(self.of_volume) != n_volumes or len(self.region) != n_voxels:
            raise BadInput(
                f"a film needs as many windows, frames and shots, a run for each volume and a region for each voxel; "
                f"given {sorted(lengths)}, {len(self.of_volume)} for {n_volumes} and {len(self.region)} for {n_voxels}"
            )
        if self.centre.shape != (n_voxels, 2) or self.frames.ndim != 4 or self.frames.dtype != np.uint8:
            raise BadInput(
                f"centres {self.centre.shape} and {self.frames.dtype} frames {self.frames.shape} were given, expected "
                f"({n_voxels}, 2) and uint8 (n_frames, 3, height, width)"
            )
        if len(self.first) and (self.first.min() < 0 or self.first.max() + self.n_lags > n_volumes):
            raise BadInput(
                f"windows of {self.n_lags} volumes that begin at {self.first.min()} to {self.first.max()} do not lie "
                f"within {n_volumes} volumes"
            )

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: Rows | NDArray[np.bool_]) -> Movie:
        label = self.label[rows] if len(self.label) else self.label
        return replace(self, first=self.first[rows], frame=self.frame[rows], shot=self.shot[rows], label=label)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """``3 (or 1), height, width`` of a frame."""
        return self.frames.shape[1:]  # type: ignore[return-value]

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions, in the order in which their voxels come."""
        return tuple(dict.fromkeys(self.region.tolist()))

    @property
    def counts(self) -> list[int]:
        """How many voxels each region has."""
        return [int((self.region == name).sum()) for name in self.regions]

    @property
    def run(self) -> Rows:
        """``(n,)`` number of the run of each frame."""
        return self.of_volume[self.first]

    def windows(self, rows: Rows | slice = slice(None)) -> NDArray[np.float32]:
        """Windows by row: ``(n, n_voxels, n_lags)``."""
        at = self.first[rows][:, None] + np.arange(self.n_lags)
        return np.ascontiguousarray(self.voxels[at].transpose(0, 2, 1))

    def shown(self, rows: Rows | slice = slice(None)) -> NDArray[np.float32]:
        """The frame of each window: ``(n, 3, height, width)`` in [0, 1]."""
        return self.frames[self.frame[rows]].astype(np.float32) / np.float32(255)

    def grey(self) -> NDArray[np.float32]:
        """Brightness of every row of `frames`: ``(n_frames, height, width)`` in [0, 1]."""
        weights = GREY if self.frames.shape[1] == 3 else np.ones(1, np.float32)
        return np.tensordot(self.frames.astype(np.float32), weights, (1, 0)) / np.float32(255)

    def mean_frame(self) -> NDArray[np.float32]:
        """``(3, height, width)`` the mean of all frames: what can be said without the voxels."""
        share = np.bincount(self.frame, minlength=len(self.frames)) / len(self)
        return np.tensordot(share, self.frames, 1).astype(np.float32) / np.float32(255)

    def columns(self, regions: Sequence[str]) -> Rows:
        """Voxels that lie in these regions, in the order of the voxels.

        Raises
        ------
        BadInput
            For a region without a voxel.
        """
        absent = [name for name in regions if name not in self.region]
        if absent:
            raise BadInput(f"no voxel lies in {absent[0]!r}; there are voxels in {', '.join(self.regions)}")
        return np.flatnonzero(np.isin(self.region, list(regions)))

    def only(self, voxels: Rows) -> Movie:
        """The same film, of these voxels alone."""
        return replace(
            self,
            voxels=np.ascontiguousarray(self.voxels[:, voxels]),
            region=self.region[voxels],
            centre=self.centre[voxels],
        )

    def first_runs(self, share: float) -> Movie:
        """The first so many of its runs, as a part of all; one at least. Volumes of the others are gone as well."""
        runs = np.unique(self.run)
        last = runs[max(1, round(share * len(runs))) - 1]
        kept, volumes = self[self.run <= last], int(np.searchsorted(self.of_volume, last, side="right"))
        return replace(kept, voxels=self.voxels[:volumes], of_volume=self.of_volume[:volumes])


@dataclass(frozen=True)
class Material:
    """Everything the experiments need of one person.

    Attributes
    ----------
    train, validation, test
        No run, and no photograph of a simulated film, is in two of them; `validation` picks the epoch.
    name
        Of the data.
    simulated
        Whether they are of a simulated world.
    """

    train: Movie
    validation: Movie
    test: Movie
    name: str
    simulated: bool


def of_pairs(
    responses: Array, images: NDArray[np.uint8], centre: Array, region: NDArray[np.str_], group: Rows
) -> Movie:
    """Single pictures and what each evoked as a film of windows of one sample, for cells as well as for voxels.

    Parameters
    ----------
    responses
        ``(n, n_units)``.
    images
        uint8 ``(n, 3 or 1, height, width)``.
    centre, region
        As in `Movie`.
    group
        ``(n,)`` pictures of one number are the same or nearly so: an item of the scores.
    """
    rows = np.arange(len(responses))
    return Movie(
        voxels=np.asarray(responses, np.float32),
        of_volume=np.zeros(len(rows), np.intp),
        first=rows,
        frame=rows,
        frames=images,
        shot=np.asarray(group, np.intp),
        region=region,
        centre=np.asarray(centre, np.float64),
        n_lags=1,
        shift=0,
    )


def joined(runs: Sequence[Movie]) -> Movie:
    """Runs of the same voxels as one film."""
    if not runs:
        raise BadInput("no run was given, expected one at least")
    volumes = np.cumsum([0, *(len(run.voxels) for run in runs)])
    frames = np.cumsum([0, *(len(run.frames) for run in runs)])
    shots = np.cumsum([0, *(int(run.shot.max(initial=-1)) + 1 for run in runs)])
    numbers = np.cumsum([0, *(int(run.of_volume.max(initial=-1)) + 1 for run in runs)])
    return replace(
        runs[0],
        voxels=np.concatenate([run.voxels for run in runs]),
        of_volume=np.concatenate([run.of_volume + at for run, at in zip(runs, numbers, strict=False)]),
        first=np.concatenate([run.first + at for run, at in zip(runs, volumes, strict=False)]),
        frame=np.concatenate([run.frame + at for run, at in zip(runs, frames, strict=False)]),
        frames=np.concatenate([run.frames for run in runs]),
        shot=np.concatenate([run.shot + at for run, at in zip(runs, shots, strict=False)]),
        label=np.concatenate([run.label for run in runs]),
    )
