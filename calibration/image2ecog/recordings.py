"""From recordings, and the recipe that says how they are read, to the trials of each subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.material import UNKNOWN, Electrodes, Material
from calibration.recipe import Recipe
from calibration.streams import contract_stream
from calibration.targets import class_of, image_of
from calibration.windows import Cutting
from streamkit.errors import ConfigError
from streamkit.recording import Markers, Recording


@dataclass(frozen=True)
class Facts:
    """What is known of an image: its category, and the thing it shows."""

    category: str
    thing: str


@dataclass(frozen=True)
class Shown:
    """One trial: its window ``(n_chans, n_times)``, the label of the image, and the recording's group."""

    window: NDArray[np.float32]
    label: str
    group: str


def by_subject(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    """Recordings of each subject; those that name none are one subject's."""
    found: dict[str, list[Recording]] = {}
    for recording in recordings:
        found.setdefault(recording.meta.subject, []).append(recording)
    return found


def subjects_of(recipe: Recipe, recordings: Sequence[Recording], size: int) -> list[Material]:
    """The material of every subject; see `material_of`."""
    return [material_of(recipe, each, size) for each in by_subject(recordings).values()]


def material_of(recipe: Recipe, recordings: Sequence[Recording], size: int) -> Material:
    """All valid trials of one subject after events that show a known image.

    Parameters
    ----------
    size
        Pixels of a side that images are brought to, in colour.

    Raises
    ------
    ConfigError
        When a stage of the preprocessing is to be fitted: it would see tested trials. Channels are standardised by the
        system itself, on its training trials.
    RecordingError
        When there is no such trial.
    """
    spec = contract_stream(recordings, recipe)
    cutting = Cutting(recipe, spec, recipe.preprocess)
    out = cutting.out
    trials, images, facts = list[Shown](), dict[str, NDArray[np.float32]](), dict[str, Facts]()
    for recording in recordings:
        shown = [
            Shown(np.asarray(window.data, np.float32).T, label, recording.meta.group)
            for window, label in cutting(recording).shown()
        ]
        trials += shown
        known = facts_of(recipe, recording)
        for label in dict.fromkeys(each.label for each in shown):
            images.setdefault(label, image_of(recording, label, (3, size, size)))
            facts.setdefault(label, known[label])
    if not trials:
        raise cutting.nothing("no valid window after an event with an image", recordings)
    labels = sorted(images)
    categories = tuple(sorted({facts[label].category for label in labels}))
    things = sorted({facts[label].thing for label in labels})
    place = {label: number for number, label in enumerate(labels)}
    first = recordings[0]
    return Material(
        Y=np.stack([each.window for each in trials]),
        image=np.array([place[each.label] for each in trials]),
        images=np.stack([images[label] for label in labels]),
        labels=tuple(labels),
        category=np.array([categories.index(facts[label].category) for label in labels]),
        thing=np.array([things.index(facts[label].thing) for label in labels]),
        categories=categories,
        electrodes=electrodes_of(first, out.ch_names),
        sfreq=out.sfreq,
        tmin=recipe.window.tmin,
        unit=out.unit,
        subject=first.meta.subject or first.meta.name,
        name=recipe.name,
        simulated=first.meta.simulated,
        group=tuple(each.group for each in trials),
        left_out=cutting.left_out,
    )


def facts_of(recipe: Recipe, recording: Recording) -> dict[str, Facts]:
    """Category and thing of every marker's label.

    The category is the marker's column ``category``, else what ``target.classes`` says, else one for all. The thing is
    of that category in the recording's group, the unit that a split may not cut; a column ``exemplar`` tells things of
    one group apart.
    """
    found = {}
    for markers in recording.markers:
        for k, label in enumerate(markers.labels):
            category = str(_column(markers, "category", k) or class_of(label, recipe.target.classes) or "image")
            own = _column(markers, "exemplar", k)
            found[label] = Facts(category, f"{category}/{recording.meta.group if own is None else own}")
    return found


def _column(markers: Markers, name: str, k: int) -> object:
    return markers.columns[name][k] if name in markers.columns else None


def electrodes_of(recording: Recording, ch_names: Sequence[str]) -> Electrodes:
    """Regions and positions from ``meta.details["electrodes"]``: lists in the order of the recording's channels.

    Raises
    ------
    ConfigError
        When there are not as many as channels.
    """
    said = recording.meta.details.get("electrodes", {})
    every = recording.signals[0].spec.ch_names
    n = len(every)
    region = list(said.get("region", [UNKNOWN] * n))
    position = [each or [np.nan] * 3 for each in said.get("position", [None] * n)]
    if len(region) != n or len(position) != n:
        raise ConfigError(
            f"{recording.meta.name}: electrodes names {len(region)} regions and {len(position)} positions for {n} "
            "channels"
        )
    at = [every.index(name) for name in ch_names]
    return Electrodes(tuple(ch_names), tuple(region[k] for k in at), np.array([position[k] for k in at], np.float64))
