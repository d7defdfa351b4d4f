"""What spikes to video learns from: counts of many sites while clips were shown, and the clips.

Axes: counts are ``(n, n_bins, n_sites)``, clips ``(n, 3, n_frames, height, width)``; bin k of a trial lies under
frame k of its clip. Counts are counts: what is fitted (mean and deviation of each site) is kept with the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BadInput

Array = NDArray[np.floating]
Rows = NDArray[np.intp]

REGIONS = ("PFC", "FEF", "LIP", "MT", "IT", "V4")
"""In the order of the channels of the authors' code."""
PUBLISHED_SITES = {"PFC": 30, "FEF": 30, "LIP": 30, "MT": 20, "IT": 10, "V4": 20}
"""Sites of each region in the paper's population of 140."""
CELLS = ("cue", "colour", "direction")
"""What a condition is made of."""


class Stages(NamedTuple):
    """Frames of each stage of a trial, in the order in which they follow; the defaults are the paper's at 10 Hz."""

    fixation: int = 5
    cue: int = 10
    stimulus: int = 30

    @property
    def n_frames(self) -> int:
        """Frames of a trial."""
        return sum(self)

    def frames(self, stage: str) -> slice:
        """Frames of one stage, ``"fixation"``, ``"cue"`` or ``"stimulus"``."""
        at = self._fields.index(stage)
        first = sum(self[:at])
        return slice(first, first + self[at])

    def of_frames(self) -> NDArray[np.str_]:
        """``(n_frames,)`` the name of the stage of each."""
        return np.repeat(np.array(self._fields, np.str_), self)

    def at(self, factor: int) -> Stages:
        """The same with `factor` times as many frames."""
        return Stages(*(count * factor for count in self))


PUBLISHED_STAGES = Stages()
"""Of the paper."""


@dataclass(frozen=True)
class Conditions:
    """What each condition shows; every array has one entry per condition.

    Attributes
    ----------
    cue
        ``(m,)`` number of the cue.
    colour
        ``(m, 3)`` red, green and blue of the dots, in [0, 1].
    direction
        ``(m,)`` of the dots, degrees anticlockwise from rightwards.
    """

    cue: NDArray[np.intp]
    colour: Array
    direction: Array

    def __len__(self) -> int:
        return len(self.cue)

    def cell(self, what: str) -> NDArray[np.intp]:
        """``(m,)`` number of the cue, colour or direction of each condition, in order of their values."""
        values = {"cue": self.cue[:, None], "colour": self.colour, "direction": self.direction[:, None]}[what]
        return np.unique(values, axis=0, return_inverse=True)[1].ravel().astype(np.intp)


@dataclass(frozen=True)
class Trials:
    """Trials, single ones or pseudo-trials put together from several.

    Attributes
    ----------
    X
        ``(n, n_bins, n_sites)`` float32 spike counts, as counted.
    condition
        ``(n,)`` row of `conditions`.
    region
        ``(n_sites,)`` name of the region of each site.
    videos
        ``(n_videos, 3, n_frames, height, width)`` uint8, every clip once.
    shown
        ``(n,)`` row of `videos` that is the target of each trial. Of a pseudo-trial, whose sites saw different clips,
        it is one clip of the condition.
    conditions, stages
        What the conditions show, and how many frames each stage of a trial lasts.
    sfreq
        Bins per second.
    session
        ``(n,)`` name of the session or group each trial is from; empty names where there is none.
    """

    X: NDArray[np.float32]
    condition: Rows
    region: NDArray[np.str_]
    videos: NDArray[np.uint8]
    shown: Rows
    conditions: Conditions
    stages: Stages = PUBLISHED_STAGES
    sfreq: float = 10.0
    session: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))

    def __post_init__(self) -> None:
        lengths = {"X": len(self.X), "condition": len(self.condition), "shown": len(self.shown)}
        if len(set(lengths.values())) != 1 or self.X.ndim != 3 or self.X.shape[2] != len(self.region):
            raise BadInput(
                f"trials need X (n, n_bins, n_sites), n conditions and clips and the region of each site; given X "
                f"{self.X.shape}, {lengths['condition']} conditions, {lengths['shown']} clips, {len(self.region)} "
                "regions"
            )
        if self.videos.ndim != 5 or self.videos.dtype != np.uint8 or self.videos.shape[2] != self.stages.n_frames:
            raise BadInput(
                f"clips must be uint8 (n_videos, 3, {self.stages.n_frames}, height, width), as the stages say; given "
                f"{self.videos.dtype} {self.videos.shape}"
            )

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Rows | NDArray[np.bool_]) -> Trials:
        session = self.session[rows] if len(self.session) else self.session
        return replace(self, X=self.X[rows], condition=self.condition[rows], shown=self.shown[rows], session=session)

    @property
    def size(self) -> tuple[int, int]:
        """``n_bins, n_sites``."""
        return self.X.shape[1], self.X.shape[2]

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """``3, n_frames, height, width`` of a clip."""
        return self.videos.shape[1:]  # type: ignore[return-value]

    @property
    def video(self) -> NDArray[np.float32]:
        """``(n, 3, n_frames, height, width)`` the clip of each trial, in [0, 1]; four times the memory of `videos`."""
        return self.clips(self.shown)

    def clips(self, rows: Rows) -> NDArray[np.float32]:
        """Clips by row of `videos`, in [0, 1]."""
        return self.videos[rows].astype(np.float32) / np.float32(255)

    def mean_clip(self) -> NDArray[np.float32]:
        """``(3, n_frames, height, width)`` mean of what the trials showed: what can be said without the spikes."""
        mean = np.zeros(self.out_shape, np.float64)
        for row, often in enumerate(np.bincount(self.shown, minlength=len(self.videos))):
            if often:
                mean += self.clips(np.array(row)) * (often / len(self))
        return mean.astype(np.float32)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions, in the order in which their sites come."""
        return tuple(dict.fromkeys(self.region.tolist()))

    def sites(self, *regions: str) -> Rows:
        """Columns of `X` that lie in these regions.

        Raises
        ------
        BadInput
            For a region without a site.
        """
        absent = [name for name in regions if name not in self.region]
        if absent:
            raise BadInput(f"no site lies in {absent[0]!r}; there are sites in {', '.join(self.regions)}")
        return np.flatnonzero(np.isin(self.region, regions))

    def only(self, sites: Rows) -> Trials:
        """The same trials, of these sites alone."""
        return replace(self, X=np.ascontiguousarray(self.X[:, :, sites]), region=self.region[sites])

    def rows_of_conditions(self) -> Iterator[tuple[int, Rows]]:
        """Each condition that there is, with its rows."""
        for number in np.unique(self.condition):
            yield int(number), np.flatnonzero(self.condition == number)

    def mean_of_conditions(self, values: Array) -> tuple[Rows, Array]:
        """Mean over the trials of each condition, of ``(n, …)`` values: conditions and ``(n_conditions, …)``."""
        found = {number: values[rows].mean(0) for number, rows in self.rows_of_conditions()}
        return np.array(list(found), np.intp), np.stack(list(found.values()))


@dataclass(frozen=True)
class Material:
    """Everything the experiments need of one population.

    Attributes
    ----------
    train, validation, test
        No trial of a site is in two of them; `validation` picks the epoch.
    name
        Of the population.
    simulated
        Whether it is of a simulated world.
    """

    train: Trials
    validation: Trials
    test: Trials
    name: str
    simulated: bool

    def only(self, sites: Rows) -> Material:
        """The same of these sites alone."""
        parts = {name: getattr(self, name).only(sites) for name in ("train", "validation", "test")}
        return replace(self, **parts)
