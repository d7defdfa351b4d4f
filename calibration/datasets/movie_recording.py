"""Runs of a film in a scanner as Recordings: voxels, an event and a picture for every frame, where each voxel looks.

A volume is stamped with its *end*, the first moment it can be there; a frame's event sits at its onset. Frame t is on
the screen while volume t is taken, so an event lies at the end of the volume before: the first frame of a run has
none. Volumes t + 4 to t + 8, which the paper decodes frame t from, are then samples 5 to 9 after the event: a window
with ``tmin`` of 5 volumes.

``meta.details["receptive_fields"]`` has for every voxel ``x`` (to the right) and ``y`` (down) of where it looks, parts
of the picture's side counted from its middle, so from -0.5 to 0.5; None where nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BadInput
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

FIELDS = "receptive_fields"
UNIT = "a.u."


def recording_of(
    name: str,
    voxels: NDArray[np.floating],
    ch_names: Sequence[str],
    tr: float,
    frames: NDArray[np.uint8],
    centres: NDArray[np.floating],
    meta: RecordingMeta,
    columns: Mapping[str, list[Any]] | None = None,
) -> Recording:
    """The Recording of one run.

    Parameters
    ----------
    name
        Of the streams: ``NAME-fmri`` and ``NAME-frames``.
    voxels
        ``(n_volumes, n_voxels)``.
    tr
        Seconds of a volume, and of a frame.
    frames
        uint8 ``(n_frames, 3, height, width)``, the first under the first volume.
    centres
        ``(n_voxels, 2)`` x and y, NaN where unknown.
    columns
        Further facts per frame.

    Raises
    ------
    BadInput
        When names or centres are not those of the voxels.
    """
    if voxels.shape[1:] != (len(ch_names),) or centres.shape != (len(ch_names), 2):
        raise BadInput(
            f"voxels {voxels.shape}, {len(ch_names)} names and centres {centres.shape} were given, expected "
            "(n_volumes, n_voxels), a name for each voxel, and (n_voxels, 2)"
        )
    spec = StreamSpec(name=f"{name}-fmri", type="fMRI", ch_names=tuple(ch_names), sfreq=1 / tr, unit=UNIT)
    stamps = np.arange(1, len(voxels) + 1) * tr
    labels = tuple(f"{meta.group}-{k:05d}.png" for k in range(1, len(frames)))
    marker_spec = StreamSpec(
        name=f"{name}-frames", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string"
    )
    further = {key: values[1:] for key, values in (columns or {}).items()}
    markers = Markers(marker_spec, labels, np.arange(1, len(frames)) * tr, further)
    known = {FIELDS: {axis: listed(centres[:, k]) for k, axis in enumerate("xy")}}
    meta = meta.model_copy(update={"details": {**meta.details, **known, "tr": tr}})
    return Recording(
        (Signal(spec, voxels, stamps),), (markers,), stimulus_arrays=Pictures(frames[1:], labels), meta=meta
    )


@dataclass(frozen=True)
class Pictures(Mapping[str, NDArray[np.float32]]):
    """Frames by label, ``(3, height, width)`` in [0, 1]; kept as bytes, or in their file, until one is asked for.

    Attributes
    ----------
    frames
        uint8 ``(n, 3, height, width)``.
    """

    frames: NDArray[np.uint8]
    labels: Sequence[str]
    _row: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_row", {label: row for row, label in enumerate(self.labels)})

    def __getitem__(self, label: str) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.frames[self._row[label]], np.float32) / np.float32(255)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)


def listed(values: NDArray[np.floating]) -> list[float | None]:
    """Numbers as JSON holds them."""
    return [round(float(value), 5) if np.isfinite(value) else None for value in values]


def centres_in(recording: Recording, ch_names: Sequence[str]) -> NDArray[np.float64] | None:
    """``(n, 2)`` x and y of these voxels of the first signal, NaN where unknown; None where nothing is said."""
    said = recording.meta.details.get(FIELDS)
    if said is None:
        return None
    table = np.array([[np.nan if value is None else value for value in said[axis]] for axis in "xy"], np.float64).T
    place = {name: k for k, name in enumerate(recording.signal().spec.ch_names)}
    return table[[place[name] for name in ch_names]]
