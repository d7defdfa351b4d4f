"""The pictures of a recipe's recordings: their names, pixels, features and concepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.pairs import Gallery, Pairs
from calibration.datasets.things import concept_of
from calibration.features.extract import extract
from calibration.progress import Progress
from calibration.recipe import Recipe
from calibration.targets import image_of
from calibration.windows import image_shape
from streamkit.errors import ConfigError
from streamkit.recording import Recording

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Stimuli:
    """Every picture of the recordings, in the order of its number.

    Attributes
    ----------
    labels
        What markers call them.
    images
        ``(n, channels, height, width)`` in [0, 1].
    features
        ``(n, n_features)``.
    concept
        ``(n,)`` number of what each shows.
    """

    labels: tuple[str, ...]
    images: Array
    features: Array
    concept: NDArray[np.intp]

    def numbers(self, labels: Sequence[str] | NDArray[np.str_]) -> NDArray[np.intp]:
        """The number of each label."""
        place = {label: number for number, label in enumerate(self.labels)}
        return np.array([place[str(label)] for label in labels], np.intp)

    def pairs(self, X: Array, labels: NDArray[np.str_]) -> Pairs:
        """Responses ``(n, n_chans, n_times)`` beside the features of what was shown in each."""
        image = self.numbers(labels)
        return Pairs(X, self.features[image], image, self.concept[image])

    def gallery(self, labels: Sequence[str]) -> Gallery:
        """Pictures of which only the features are known."""
        image = self.numbers(labels)
        return Gallery(self.features[image], image, self.concept[image])


def labels_of(recordings: Iterable[Recording]) -> list[str]:
    """What every picture of the recordings is called, shown or not, each once."""
    return list(dict.fromkeys(label for each in recordings for label in (*each.stimulus_arrays, *each.stimuli)))


def stimuli_of(
    recipe: Recipe, recordings: Sequence[Recording], cache: Path | None = None, progress: Progress | None = None
) -> Stimuli:
    """Every picture of the recordings, at the recipe's size and with the features that it names.

    Parameters
    ----------
    cache
        Folder in which features are kept.

    Raises
    ------
    ConfigError
        When there are not two pictures.
    """
    shape, images = image_shape(recipe.target), dict[str, Array]()
    for recording in recordings:
        for label in labels_of([recording]):
            if label not in images:
                images[label] = image_of(recording, label, shape)
    if len(images) < 2:
        raise ConfigError(
            f"target kind 'embedding' needs recordings whose markers name pictures; these have {len(images)}"
        )
    labels = tuple(sorted(images))
    pixels = np.stack([images[label] for label in labels])
    target = recipe.target
    features = extract(pixels, target.features, target.weights or None, cache, progress)
    names = {name: number for number, name in enumerate(sorted({concept_of(label) for label in labels}))}
    return Stimuli(labels, pixels, features, np.array([names[concept_of(label)] for label in labels], np.intp))
