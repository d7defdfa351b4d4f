"""What image to ECoG learns from: the trials of one subject, the images shown, and where the electrodes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BadInput

Array = NDArray[np.floating]
Indices = NDArray[np.integer]
UNKNOWN = ""
"""Region of an electrode of which nobody said where it is."""


@dataclass(frozen=True)
class Electrodes:
    """Channels and where they are.

    Attributes
    ----------
    ch_names
        As the recording calls them.
    region
        Label of the Destrieux atlas of each; empty where unknown.
    position
        ``(n_chans, 3)`` millimetres (MNI), NaN where unknown.
    """

    ch_names: tuple[str, ...]
    region: tuple[str, ...]
    position: Array

    def __post_init__(self) -> None:
        n = len(self.ch_names)
        if len(self.region) != n or self.position.shape != (n, 3):
            raise BadInput(
                f"{n} channels need as many regions and positions (n_chans, 3); given {len(self.region)} regions and "
                f"positions {self.position.shape}"
            )

    def __len__(self) -> int:
        return len(self.ch_names)


@dataclass(frozen=True)
class Material:
    """One subject's trials.

    Attributes
    ----------
    Y
        ``(n, n_chans, n_times)`` float32: one trial per row, in the unit of the processed signal.
    image
        ``(n,)`` number of the image shown.
    images
        ``(m, 3, size, size)`` float32 in [0, 1].
    labels
        What markers call the images.
    category, thing
        ``(m,)`` which kind of thing each image shows, and which thing; views of one thing are not cut apart by a split
        between images.
    categories
        Names of the kinds.
    sfreq, tmin
        Hz; seconds from the onset to the first sample.
    group
        ``(n,)`` group of the recording that each trial is from; empty where nobody asks.
    left_out
        Counts of windows that are no trials, by reason.
    """

    Y: Array
    image: Indices
    images: Array
    labels: tuple[str, ...]
    category: Indices
    thing: Indices
    categories: tuple[str, ...]
    electrodes: Electrodes
    sfreq: float
    tmin: float = 0.0
    unit: str = ""
    subject: str = ""
    name: str = ""
    simulated: bool = False
    group: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.Y.ndim != 3 or self.Y.shape[:2] != (len(self.image), len(self.electrodes)):
            raise BadInput(
                f"trials Y (n, n_chans, n_times) are needed for {len(self.image)} images shown and "
                f"{len(self.electrodes)} channels; given {self.Y.shape}"
            )
        m = len(self.images)
        if {len(self.labels), len(self.category), len(self.thing)} != {m} or self.images.shape[1:2] != (3,):
            raise BadInput(
                f"images (m, 3, size, size) need a label, a category and a thing each; given {self.images.shape}, "
                f"{len(self.labels)}, {len(self.category)} and {len(self.thing)}"
            )
        if not np.isfinite(self.Y).all():
            raise BadInput(f"subject {self.subject!r}: the trials hold values that are no numbers; leave them out")

    def repeats(self) -> int:
        """Fewest trials that an image has, of those shown."""
        return int(np.unique(self.image, return_counts=True)[1].min())

    def of(self, span: tuple[float, float] | None) -> Material:
        """The same with each trial's mean over `span` in seconds from the event, all of it by default: one sample.

        Raises
        ------
        BadInput
            When no sample lies in it.
        """
        times = self.tmin + np.arange(self.Y.shape[2]) / self.sfreq
        low, high = (times[0], times[-1]) if span is None else span
        within = (times >= low - 1e-9) & (times <= high + 1e-9)
        if not within.any():
            raise BadInput(
                f"no sample lies between {low:g} and {high:g} s; the epoch goes from {times[0]:g} to {times[-1]:g} s"
            )
        mean = self.Y[:, :, within].mean(2, keepdims=True, dtype=np.float64).astype(np.float32)
        return replace(self, Y=mean, tmin=float(low))
