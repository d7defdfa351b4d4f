"""From recordings, and the recipe that says how they are read, to trials and streams.

A trial is a window behind an event whose stimulus is the sheet of a clip. A stream is every bin in order; what was on
the screen during a bin is the newest stimulus that had come up half a bin before the bin ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.material import Parts
from calibration.datasets.dots_clips import sheet_size, unsheet
from calibration.datasets.dots_recording import region_of
from calibration.recipe import Recipe
from calibration.spikes2video.material import Conditions, Rows, Stages, Trials
from calibration.spikes2video.streaming import Stream
from calibration.targets import has_image
from streamkit.errors import RecordingError
from streamkit.recording import Recording
from streamkit.recording.images import as_float, as_pixels, load_pixels

Pixels = NDArray[np.uint8]
Look = tuple[int, tuple[float, ...], float]
FIELDS = ("cue", "colour", "direction")


def trials_of(recipe: Recipe, parts: Parts, recordings: Sequence[Recording]) -> Trials:
    """All valid windows behind events that show a clip; conditions and clips are those of all parts.

    Raises
    ------
    RecordingError
        When there is none, or a stimulus is not the sheet of a clip of as many frames as a window has bins.
    """
    n_frames = recipe.window.n_times
    labels, videos = clips_in(parts.all, n_frames)
    looks = looks_of(parts.all, labels)
    conditions, number = conditions_of(looks)
    found = [
        (window, labels[label], recording.meta.group)
        for recording in recordings
        for window, label in parts.cutting(recording).shown()
    ]
    if not found:
        raise parts.cutting.nothing("no window behind an event with a clip", recordings)
    shown = np.array([row for _, row, _ in found], np.intp)
    return Trials(
        np.stack([np.asarray(window.data, np.float32) for window, _, _ in found]),
        number[shown],
        region_of(parts.spec.ch_names),
        videos,
        shown,
        conditions,
        stages_in(parts.all, n_frames),
        parts.cutting.out.sfreq,
        np.array([group for _, _, group in found], np.str_),
    )


def clips_in(recordings: Sequence[Recording], n_frames: int) -> tuple[dict[str, int], Pixels]:
    """Every clip shown, once: its row by label, and uint8 ``(n_clips, 3, n_frames, height, width)``."""
    clips: dict[str, Pixels] = {}
    for recording in recordings:
        for label in {event.label for event in recording.events()} - set(clips):
            if has_image(recording, label):
                clips[label] = clip_of(label, pixels_of(recording, label), n_frames)
    if len({clip.shape for clip in clips.values()}) > 1:
        raise RecordingError(f"the clips differ in size: {sorted({clip.shape for clip in clips.values()})}")
    names = sorted(clips)
    if not names:
        raise RecordingError("no event of the recordings has a stimulus: give recordings with clips as stimuli")
    return {label: k for k, label in enumerate(names)}, np.stack([clips[label] for label in names])


def clip_of(label: str, image: Pixels, n_frames: int) -> Pixels:
    """The clip on a sheet."""
    rows, columns = sheet_size(n_frames)
    if len(image) != 3 or image.shape[1] % rows or image.shape[2] % columns:
        raise RecordingError(
            f"the stimulus of {label!r} is an image of {image.shape}, expected a sheet of {rows} x {columns} colour "
            f"frames, one for each of the {n_frames} bins of a window"
        )
    return unsheet(image, n_frames)


def pixels_of(recording: Recording, label: str) -> Pixels:
    """The stimulus of a label at its own size."""
    if label in recording.stimulus_arrays:
        return as_pixels(np.asarray(recording.stimulus_arrays[label], np.float32))
    return load_pixels(recording.stimuli[label])


def looks_of(recordings: Sequence[Recording], labels: Mapping[str, int]) -> list[Look]:
    """Cue, colour and direction of each clip, by row; a clip of which nothing is said is a cue of its own."""
    said: dict[str, Look] = {}
    for stream in (stream for recording in recordings for stream in recording.markers):
        if set(FIELDS) <= set(stream.columns):
            columns = (stream.columns[name] for name in FIELDS)
            for label, cue, colour, direction in zip(stream.labels, *columns, strict=True):
                said[label] = (int(cue), tuple(float(each) for each in colour), float(direction))
    return [said.get(label, (row, (0.0, 0.0, 0.0), 0.0)) for label, row in labels.items()]


def conditions_of(looks: Sequence[Look]) -> tuple[Conditions, Rows]:
    """Distinct looks as conditions, and the condition of each clip."""
    known = {look: number for number, look in enumerate(sorted(set(looks)))}
    cue, colour, direction = zip(*known, strict=True)
    conditions = Conditions(np.array(cue, np.intp), np.array(colour, np.float64), np.array(direction, np.float64))
    return conditions, np.array([known[look] for look in looks], np.intp)


def stages_in(recordings: Sequence[Recording], n_frames: int) -> Stages:
    """Stages as the first recording says them; the published ones, or all of it stimulus, where none does."""
    said = recordings[0].meta.details.get("stages")
    stages = Stages(*said) if said else Stages()
    return stages if stages.n_frames == n_frames else Stages(0, 0, n_frames)


def stream_in(recipe: Recipe, parts: Parts, recordings: Sequence[Recording], eta: Sequence[float]) -> Stream:
    """Every valid window of some recordings with the frame on the screen during its newest bin.

    Raises
    ------
    RecordingError
        When no window has one.
    """
    frames, rows = frames_in(parts.all)
    weights = stage_weights(rows, eta)
    counts, last, frame, before = list[NDArray[np.float32]](), list[int](), list[int](), 0
    for recording in recordings:
        cut = parts.cutting(recording)
        windows = cut.valid()
        labels = on_screen(recording, np.array([window.stamp for window in windows]))
        for window, label in zip(windows, labels, strict=True):
            if label in rows:
                last.append(before + window.last - cut.processed.first)
                frame.append(rows[label])
            else:
                cut.leave_out("nothing on the screen")
        counts.append(np.asarray(cut.processed.data, np.float32))
        before += len(cut.processed)
    if not last:
        raise parts.cutting.nothing(
            "no bin has a frame on the screen (give recordings with an event and a stimulus for every frame, such as "
            "those of dataset dots_world with options = { frames = true })",
            recordings,
        )
    shown = np.array(frame, np.intp)
    return Stream(np.concatenate(counts), np.array(last, np.intp), shown, frames, weights[shown], recipe.window.n_times)


def frames_in(recordings: Sequence[Recording]) -> tuple[Pixels, dict[str, int]]:
    """Every frame shown, once: uint8 ``(n, 3, height, width)``, and its row by label."""
    found: dict[str, Pixels] = {}
    for recording in recordings:
        for stream in recording.markers:
            if set(FIELDS) <= set(stream.columns) and any(has_image(recording, label) for label in stream.labels):
                raise RecordingError(
                    f"{recording.meta.name}: the stimuli are whole clips, and a stream needs one for every frame: read "
                    "the data with options = { frames = true }"
                )
        for label in {event.label for event in recording.events()} - set(found):
            if has_image(recording, label):
                found[label] = pixels_of(recording, label)
    names = sorted(found)
    if not names or len({found[name].shape for name in names}) > 1:
        raise RecordingError("the frames of the recordings are missing, or differ in size: give one image per frame")
    return np.stack([found[name] for name in names]), {name: row for row, name in enumerate(names)}


def stage_weights(rows: Mapping[str, int], eta: Sequence[float]) -> NDArray[np.float32]:
    """What each frame counts for, by the name that says its stage."""
    weights = np.full(len(rows), eta[0], np.float32)
    for name, row in rows.items():
        weights[row] = eta[1] if name.startswith("cue") else eta[2] if name.startswith("colour") else eta[0]
    return weights


def on_screen(recording: Recording, stamps: NDArray[np.float64]) -> list[str]:
    """Label of the newest event with a stimulus that came half a bin or more before each stamp; empty for none.

    A bin is as long as it is from one stamp to the next.
    """
    events = [event for event in recording.events() if has_image(recording, event.label)]
    half = 0.5 * float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    at = np.searchsorted([event.stamp for event in events], stamps - half, side="right") - 1
    return [events[k].label if k >= 0 else "" for k in at]


def image_on_screen(recording: Recording, label: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The stimulus of a label as an answer of that shape shows it; None where there is none."""
    if not has_image(recording, label):
        return None
    image = as_float(pixels_of(recording, label))
    if image.shape != shape:
        raise RecordingError(
            f"{recording.meta.name}: the stimulus of {label!r} is an image of {image.shape}, but the bundle shows "
            f"{shape}: give the recordings it was calibrated with, or such as have stimuli of that kind and size"
        )
    return image
