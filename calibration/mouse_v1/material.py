"""What the decoders of mouse V1 learn from: one response of every neuron to every picture shown, and the pictures.

Axes: responses are ``(n, n_neurons)``, pictures ``(m, 1, height, width)`` in [0, 1], each once. Responses are as they
were measured: what is fitted (deviation of each neuron, mean and deviation of pixels) is kept with the model
(`scaling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.material import Parts, parts_of, trials_of
from calibration.recipe import Recipe
from calibration.targets import has_image, image_of
from calibration.windows import image_shape
from streamkit.errors import BadInput, ConfigError, did_you_mean
from streamkit.recording import Recording

Array = NDArray[np.floating]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Responses:
    """Presentations of pictures to one animal.

    Attributes
    ----------
    X
        ``(n, n_neurons)`` float32.
    images
        ``(m, 1, height, width)`` float32 in [0, 1].
    shown
        ``(n,)`` row of `images` of each presentation.
    repeats
        ``(n,)`` presentations that each row is the mean of.
    names
        ``(m,)`` of the pictures; none where nobody says.
    """

    X: NDArray[np.float32]
    images: NDArray[np.float32]
    shown: Rows
    repeats: Rows = field(default_factory=lambda: np.empty(0, np.intp))
    names: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))

    def __post_init__(self) -> None:
        inside = len(self.shown) and self.shown.min() >= 0 and self.shown.max() < len(self.images)
        if self.X.ndim != 2 or len(self.X) != len(self.shown) or not inside or self.images.ndim != 4:
            raise BadInput(
                f"responses {self.X.shape}, pictures {self.images.shape} and {len(self.shown)} rows of pictures were "
                "given, expected (n, n_neurons), (m, 1, height, width) and a row below m for each of n responses"
            )
        if not len(self.repeats):
            object.__setattr__(self, "repeats", np.ones(len(self.X), np.intp))

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Rows | NDArray[np.bool_]) -> Responses:
        return replace(self, X=self.X[rows], shown=self.shown[rows], repeats=self.repeats[rows])

    @property
    def n_neurons(self) -> int:
        """Of the animal."""
        return self.X.shape[1]

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """``1, height, width`` of a picture."""
        return self.images.shape[1:]  # type: ignore[return-value]

    @property
    def y(self) -> NDArray[np.float32]:
        """``(n, 1, height, width)`` the picture of each presentation."""
        return self.images[self.shown]

    def by_image(self) -> Responses:
        """One row per picture: the mean over its presentations, as the report scores."""
        rows, own = np.unique(self.shown, return_inverse=True)
        count = np.bincount(own, self.repeats)
        total = np.zeros((len(rows), self.n_neurons))
        np.add.at(total, own, self.X * self.repeats[:, None])
        X = (total / count[:, None]).astype(np.float32)
        return replace(self, X=X, shown=rows.astype(np.intp), repeats=count.astype(np.intp))

    def only(self, neurons: Rows) -> Responses:
        """The same presentations, of these neurons alone."""
        return replace(self, X=np.ascontiguousarray(self.X[:, neurons]))


@dataclass(frozen=True)
class Animal:
    """One animal: presentations to train on, to choose by and to test; no picture is in two of them.

    Attributes
    ----------
    coordinates
        ``(n_neurons, 2)`` where the neurons lie in the tissue; none where nobody says.
    """

    name: str
    train: Responses
    validation: Responses
    test: Responses
    coordinates: Array = field(default_factory=lambda: np.empty((0, 2)))

    def only(self, neurons: Rows) -> Animal:
        """The same with some of its neurons."""
        parts = {part: getattr(self, part).only(neurons) for part in ("train", "validation", "test")}
        places = self.coordinates[neurons] if len(self.coordinates) else self.coordinates
        return replace(self, **parts, coordinates=places)

    def with_share(self, share: float, seed: int = 0) -> Animal:
        """The same with a share of its training presentations, drawn by lot."""
        n = max(2, round(share * len(self.train)))
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.train))[:n])
        return replace(self, train=self.train[rows])


@dataclass(frozen=True)
class Material:
    """Everything the experiments need.

    Attributes
    ----------
    animals
        The first is the one that is scored unless something else is said.
    name, simulated
        Of the data, and whether they are of a simulated world.
    """

    animals: tuple[Animal, ...]
    name: str
    simulated: bool

    @property
    def first(self) -> Animal:
        """The animal that is scored."""
        return self.animals[0]

    def called(self, names: Sequence[str]) -> tuple[Animal, ...]:
        """Animals by name; the first one where none is named.

        Raises
        ------
        ConfigError
            For a name that there is not.
        """
        known = {animal.name: animal for animal in self.animals}
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"there is no animal {name!r}.{did_you_mean(name, known)} Animals: {', '.join(known)}"
                )
        return tuple(known[name] for name in names) or (self.first,)


def material_of(recipe: Recipe, recordings: Sequence[Recording]) -> Material:
    """Presentations of every animal of a recipe whose target is the picture that was shown.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    by_animal: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_animal.setdefault(recording.meta.subject, []).append(recording)
    animals = tuple(animal_in(recipe, name, parts_of(recipe, own)) for name, own in by_animal.items())
    return Material(animals, recipe.name, any(recording.meta.simulated for recording in recordings))


def animal_in(recipe: Recipe, name: str, parts: Parts) -> Animal:
    """Presentations of one animal, whose recordings are all of these."""
    if not parts.validation:
        raise ConfigError(
            "split.validation names no group: the decoders of mouse V1 choose their epoch on whole groups of pictures "
            "that are not trained on; name one, such as ['validation']"
        )
    shape = image_shape(recipe.target)
    made = {part: responses_of(parts, getattr(parts, part), shape) for part in ("train", "validation", "test")}
    said = parts.all[0].meta.details.get("coordinates")
    coordinates = np.asarray(said, float) if said is not None else np.empty((0, 2))
    return Animal(name or "animal", **made, coordinates=coordinates)


def responses_of(parts: Parts, recordings: Sequence[Recording], shape: tuple[int, int, int]) -> Responses:
    """Every valid window behind an event with a picture."""
    trials = trials_of(parts, recordings)
    images = {}
    for recording in recordings:
        for label in {event.label for event in recording.events()} - set(images):
            if has_image(recording, label):
                images[label] = image_of(recording, label, shape)
    names = sorted(images)
    row = {label: k for k, label in enumerate(names)}
    shown = np.array([row[label] for label in trials.labels], np.intp)
    pictures = np.stack([images[name] for name in names])
    return Responses(trials.X.reshape(len(trials.X), -1), pictures, shown, names=np.array(names, np.str_))
