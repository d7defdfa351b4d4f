"""What a bundle of image to ECoG is scored by: pictures found by their predicted epochs, and epochs predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.scores import counted, encoding_tables, hits_of
from calibration.image2ecog.recordings import facts_of
from calibration.image2ecog.settings import OF_THE_TRAINING, Image2EcogSettings
from calibration.image2ecog.things import beside, name_of, orders, own_of
from calibration.metrics import Draws, Score, means_by
from calibration.recipe import Recipe
from calibration.system_settings import settings_from
from calibration.tables import items
from calibration.tables.items import Items
from streamkit.recording import Recording

Array = NDArray[np.floating]
Indices = NDArray[np.integer]


def retrieval(values: Array, right: Indices, thing: Indices, draws: Draws) -> list[Items]:
    """Whether the picture that was seen is the likeliest, and among the five likeliest; every trial counts once.

    Parameters
    ----------
    values
        ``(n, m)`` what was said of each picture.
    right
        ``(n,)`` which one it was.
    thing
        ``(m,)`` which thing each picture shows: views of one are found or confused together, so whole things are drawn
        for the interval and permuted.
    """
    rows, m, each, shown = np.arange(len(right)), values.shape[1], means_by(right), thing[np.unique(right)]
    moved, note, unit, made = orders(thing, draws)[:, right], counted(right, m), name_of(thing), []
    for k, hits in hits_of(values).items():
        null = np.array([each(hits[rows, other]).mean() for other in moved])
        own = each(hits[rows, right])
        made.append(Items(f"retrieval top-{k}", own, k / m, null, False, note, unit, group=shown))
    return made


def encoding(predicted: Array, recorded: Array, thing: Indices, draws: Draws) -> list[Items]:
    """How well mean epochs are predicted: correlation and squared error over channels and time of each picture.

    Parameters
    ----------
    predicted, recorded
        ``(n, n_chans, n_times)``: the latter averaged over the trials of each picture.
    thing
        ``(n,)`` which thing each shows.
    """
    r, error = encoding_tables(predicted, recorded)
    note = f"mean of each image's trials, every image once; {beside(thing)}"
    return [
        own_of("encoding r", r.T, thing, draws, note=note),
        own_of("encoding MSE", error.T, thing, draws, lower=True, note=note),
    ]


def encoding_of_things(
    labels: Sequence[str], predicted: Array, recorded: Array, things: Mapping[str, int], draws: Draws
) -> list[Score]:
    """Scores of `encoding`, of pictures in any order: views are in order of their labels, as in a material."""
    at = np.argsort(np.array(labels))
    thing = np.array([things[labels[k]] for k in at])
    return [items.score([each], draws) for each in encoding(predicted[at], recorded[at], thing, draws)]


def things_by_label(recipe: Recipe, recordings: Sequence[Recording], labels: Sequence[str]) -> dict[str, int]:
    """Which thing each of the pictures called `labels` shows, as the markers of recordings say.

    A picture that none of them shows is its own thing; so is each where the recipe splits trials.
    """
    known: dict[str, str] = {}
    if settings_from(recipe, Image2EcogSettings, "image2ecog", OF_THE_TRAINING)[0].split == "image":
        known = {label: fact.thing for each in recordings for label, fact in facts_of(recipe, each).items()}
    names = {label: ("thing", known[label]) if label in known else ("picture", label) for label in labels}
    number = {name: k for k, name in enumerate(dict.fromkeys(names.values()))}
    return {label: number[name] for label, name in names.items()}
