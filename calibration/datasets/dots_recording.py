"""Trials of cues and moving dots as a Recording: counts, an event per trial, and the clip that each shows.

A count is stamped with the *end* of its bin, the first moment it can be known. The event of a trial sits at its
beginning and is labelled with its clip; the columns of the markers say what the clip shows. The stimulus of the label
is the clip's sheet, all its frames side by side (`dots_clips.sheet`). With ``frames`` there is an event for every frame
as well, and the stimuli are single frames: what is on the screen while the trial runs, and the dark behind it. Frames
that look the same have one label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dots_clips import Pixels, sheet
from calibration.spikes2video.material import PUBLISHED_STAGES, Conditions, Stages
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.recording.images import as_float
from streamkit.types import StreamSpec

TRIALS, FRAMES = "trials", "frames"
"""Names of the marker streams."""
DARK = "dark"
"""Label of the empty screen between two trials."""


@dataclass(frozen=True)
class Shown:
    """What was shown when.

    Attributes
    ----------
    onsets
        ``(n,)`` seconds, beginnings of the trials.
    condition, clip
        ``(n,)`` number of the condition, and which of its clips.
    conditions
        What they show.
    videos
        uint8 ``(n_conditions * n_clips, 3, n_frames, side, side)``, row ``condition * n_clips + clip``; None where the
        clips are not known.
    sfreq
        Frames per second.
    stages
        Frames of each stage.
    """

    onsets: NDArray[np.float64]
    condition: NDArray[np.intp]
    clip: NDArray[np.intp]
    conditions: Conditions
    videos: Pixels | None
    sfreq: float = 10.0
    stages: Stages = PUBLISHED_STAGES

    @property
    def row(self) -> NDArray[np.intp]:
        """``(n,)`` row of `videos` that each trial shows."""
        n_clips = 1 if self.videos is None else len(self.videos) // len(self.conditions)
        return self.condition * n_clips + self.clip

    @property
    def labels(self) -> list[str]:
        """``(n,)`` name of the clip of each trial."""
        return [clip_name(self.conditions, c, k) for c, k in zip(self.condition, self.clip, strict=True)]


def clip_name(conditions: Conditions, condition: int, clip: int) -> str:
    """Name of one clip: cue, colour and direction by number, and which of the condition's clips."""
    cue, colour, direction = (conditions.cell(what)[condition] for what in ("cue", "colour", "direction"))
    return f"cue{cue}-colour{colour}-direction{direction}-{clip}"


def frame_names(shown: Shown, condition: int, clip: int) -> list[str]:
    """Label of every frame of a clip."""
    cue, colour, direction = (shown.conditions.cell(what)[condition] for what in ("cue", "colour", "direction"))
    stages = shown.stages
    dots = [f"colour{colour}-direction{direction}-{clip}.{k:03d}" for k in range(stages.stimulus)]
    return ["fixation"] * stages.fixation + [f"cue{cue}"] * stages.cue + dots


def spec_of(name: str, ch_names: Sequence[str], bin_s: float) -> StreamSpec:
    """A stream of counts."""
    return StreamSpec(name=name, type="Spikes", ch_names=tuple(ch_names), sfreq=1 / bin_s, unit="counts")


def ch_names_of(region: Sequence[str]) -> tuple[str, ...]:
    """A name for every site: its region and its number in it, such as ``V4-003``."""
    seen: dict[str, int] = {}
    names = []
    for name in region:
        names.append(f"{name}-{seen.setdefault(name, 0):03d}")
        seen[name] += 1
    return tuple(names)


def region_of(ch_names: Sequence[str]) -> NDArray[np.str_]:
    """The region in the name of each site: what stands before the last hyphen."""
    return np.array([name.rpartition("-")[0] or name for name in ch_names], np.str_)


def markers_of(name: str, shown: Shown) -> Markers:
    """An event for every trial."""
    conditions = shown.conditions
    columns = {
        "condition": shown.condition.tolist(),
        "cue": conditions.cue[shown.condition].tolist(),
        "colour": conditions.colour[shown.condition].tolist(),
        "direction": conditions.direction[shown.condition].tolist(),
        "clip": shown.clip.tolist(),
    }
    return Markers(_marker_spec(f"{name}-{TRIALS}"), tuple(shown.labels), shown.onsets, columns)


def frame_markers_of(name: str, shown: Shown) -> Markers:
    """An event for every frame of every trial, and one for the dark where another trial does not follow at once."""
    length, frame = shown.stages.n_frames / shown.sfreq, 1 / shown.sfreq
    dark = np.append(np.diff(shown.onsets) > length + frame / 2, True)
    labels, stamps = [], []
    for onset, condition, clip, ends in zip(shown.onsets, shown.condition, shown.clip, dark, strict=True):
        names = [*frame_names(shown, condition, clip), *([DARK] if ends else [])]
        labels += names
        stamps.append(onset + np.arange(len(names)) * frame)
    return Markers(_marker_spec(f"{name}-{FRAMES}"), tuple(labels), np.concatenate(stamps))


def stimuli_of(shown: Shown, frames: bool) -> dict[str, NDArray[np.float32]]:
    """Image of each label: a sheet per clip, or every frame of it and the dark."""
    if shown.videos is None:
        return {}
    once = dict(zip(shown.labels, zip(shown.row, shown.condition, shown.clip, strict=True), strict=True))
    if not frames:
        return {label: as_float(sheet(shown.videos[row])) for label, (row, _, _) in once.items()}
    images = {DARK: np.zeros_like(as_float(shown.videos[0, :, 0]))}
    for row, condition, clip in once.values():
        for k, label in enumerate(frame_names(shown, condition, clip)):
            images.setdefault(label, as_float(np.ascontiguousarray(shown.videos[row, :, k])))
    return images


def recording_of(signal: Signal, shown: Shown, name: str, meta: RecordingMeta, frames: bool = False) -> Recording:
    """The Recording of one group of trials."""
    markers = (markers_of(name, shown), *((frame_markers_of(name, shown),) if frames else ()))
    return Recording((signal,), markers, stimulus_arrays=stimuli_of(shown, frames), meta=meta)


def _marker_spec(name: str) -> StreamSpec:
    return StreamSpec(name=name, type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
