"""From recordings, and the recipe that says how they are read, to films.

Every window behind an event that shows a picture is a frame with its volumes, cut by the same rule as live. What a
recording says of shots (the column ``shot`` of its markers) keeps frames of one shot together when scores are drawn
again; without it so many frames in a row do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.material import BLOCK, Material, Movie, Rows, Shots, joined
from calibration.brainae.material import Parts, parts_of
from calibration.datasets.dots_recording import region_of
from calibration.datasets.movie_recording import centres_in
from calibration.recipe import Recipe
from calibration.targets import image_of
from calibration.windows import image_shape
from streamkit.errors import ConfigError
from streamkit.recording import Recording

SHOT = "shot"


def material_of(recipe: Recipe, recordings: Sequence[Recording]) -> Material:
    """Films of a recipe by their part in it.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    parts = parts_of(recipe, recordings)
    if not parts.validation:
        raise ConfigError(
            "split.validation: the epoch of Brain2Pix is picked on runs that it was not trained on; name some, such as "
            'validation = ["validation-*"]'
        )
    simulated = any(recording.meta.simulated for recording in recordings)
    films = {name: movie_of(recipe, parts, getattr(parts, name)) for name in ("train", "validation", "test")}
    return Material(**films, name=recipe.name, simulated=simulated)


def movie_of(recipe: Recipe, parts: Parts, recordings: Sequence[Recording]) -> Movie:
    """All valid windows behind events that show a picture, run by run.

    Raises
    ------
    RecordingError
        When there is none.
    """
    found = [run_of(recipe, parts, recording) for recording in recordings]
    if not any(len(run) for run in found):
        raise parts.cutting.nothing("no window behind an event with a picture", recordings)
    return joined(found)


def run_of(recipe: Recipe, parts: Parts, recording: Recording) -> Movie:
    """One run."""
    if recipe.window.gaps in ("hold", "zero"):
        raise ConfigError(f"window.gaps = {recipe.window.gaps!r}: films are read with gaps left out, set 'skip'")
    cut = parts.cutting(recording)
    found, processed = cut.shown(), cut.processed
    windows, labels = [window for window, _ in found], [label for _, label in found]
    shape, n_lags = image_shape(recipe.target), recipe.window.n_times
    pictures = [np.round(255 * image_of(recording, label, shape)).astype(np.uint8) for label in labels]
    names = parts.spec.ch_names
    centre = centres_in(recording, names)
    return Movie(
        voxels=np.asarray(processed.data, np.float32),
        of_volume=np.zeros(len(processed.data), np.intp),
        first=np.array([window.last - processed.first - n_lags + 1 for window in windows], np.intp),
        frame=np.arange(len(windows)),
        frames=np.stack(pictures) if pictures else np.empty((0, *shape), np.uint8),
        shot=shots_of(recording, labels),
        region=region_of(names),
        centre=np.full((len(names), 2), np.nan) if centre is None else centre,
        label=np.array(labels, np.str_),
        n_lags=n_lags,
        shift=round(recipe.window.tmin * cut.sfreq) - 1,  # an event lies at the end of the volume before its frame's
    )


def shots_of(recording: Recording, labels: Sequence[str]) -> Rows:
    """``(n,)`` number of the shot that the frame of each label is of."""
    said = said_shots(recording)
    if not all(label in said for label in labels):
        return np.arange(len(labels), dtype=np.intp) // BLOCK
    return numbered(np.array([said[label] for label in labels]))


def said_shots(recording: Recording) -> dict[str, int]:
    """Shot of the frame of each label, where the recording says it."""
    said: dict[str, int] = {}
    for stream in recording.markers:
        if SHOT in stream.columns:
            said |= dict(zip(stream.labels, stream.columns[SHOT], strict=True))
    return said


def shots_across(recordings: Sequence[Recording], labels: NDArray[np.str_], recording: Rows) -> Shots:
    """Shots of the frames of several recordings; none goes on from one into the next.

    Parameters
    ----------
    labels, recording
        ``(n,)`` event of each frame, in order of time, and number of the recording it is of.
    """
    number, at, said = np.empty(len(labels), np.intp), 0, True
    for k, each in enumerate(recordings):
        own = np.flatnonzero(recording == k)
        number[own] = at + shots_of(each, labels[own].tolist())
        at += len(own)
        said = said and set(labels[own].tolist()) <= said_shots(each).keys()
    return Shots(number, said)


def numbered(names: NDArray[np.generic]) -> Rows:
    """``(n,)`` names as numbers from 0."""
    return np.unique(names, return_inverse=True)[1].astype(np.intp)
