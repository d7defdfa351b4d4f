"""What BrainAE learns from: responses to images, and the features of those images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BadInput

Array = NDArray[np.floating]
Rows = NDArray[np.intp]
Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Gallery:
    """Images of which only the features are known: candidates, and what templates are made of.

    Attributes
    ----------
    features
        ``(m, n_features)`` float32.
    image, concept
        ``(m,)`` numbers, the same ones as in `Pairs`.
    """

    features: Array
    image: Indices
    concept: Indices

    def __post_init__(self) -> None:
        _of_one_length("a gallery", features=self.features, image=self.image, concept=self.concept)

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class Pairs:
    """Responses, each beside the features of the image that was shown.

    Attributes
    ----------
    X
        ``(n, n_chans, n_times)`` float32: one response per row, a single trial or a mean over repeats.
    features
        ``(n, n_features)`` float32.
    image, concept
        ``(n,)`` number of the image shown, and of what it shows. Rows of one image are its repeats.
    """

    X: Array
    features: Array
    image: Indices
    concept: Indices

    def __post_init__(self) -> None:
        _of_one_length("pairs", X=self.X, features=self.features, image=self.image, concept=self.concept)
        if self.X.ndim != 3 or self.features.ndim != 2:
            raise BadInput(
                f"pairs need X (n, n_chans, n_times) and features (n, n_features); given {self.X.shape} and "
                f"{self.features.shape}"
            )

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Rows | NDArray[np.bool_]) -> Pairs:
        return Pairs(self.X[rows], self.features[rows], self.image[rows], self.concept[rows])

    @property
    def size(self) -> tuple[int, int, int]:
        """``n_chans, n_times, n_features``."""
        return self.X.shape[1], self.X.shape[2], self.features.shape[1]

    def rows_of_images(self) -> Iterator[Rows]:
        """Rows of each image, in the order of the images' numbers."""
        order = np.argsort(self.image, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(self.image[order])) + 1)

    def repeats(self) -> int:
        """Fewest repeats that an image has."""
        return min(len(rows) for rows in self.rows_of_images())

    def by_image(self, repeats: int | None = None, rng: np.random.Generator | None = None) -> Pairs:
        """Mean response to each image, in the order of the images' numbers.

        Parameters
        ----------
        repeats
            How many repeats are averaged, all by default; an image with fewer has all of its own.
        rng
            Draws them without replacement; without it the first ones are taken.
        """
        groups = [_some(rows, repeats, rng) for rows in self.rows_of_images()]
        first = np.array([rows[0] for rows in groups])
        X = np.stack([self.X[rows].mean(0, dtype=np.float64) for rows in groups]).astype(np.float32)
        return Pairs(X, self.features[first], self.image[first], self.concept[first])

    def gallery(self) -> Gallery:
        """The images themselves, each once, in the order of their numbers."""
        _, first = np.unique(self.image, return_index=True)
        return Gallery(self.features[first], self.image[first], self.concept[first])


@dataclass(frozen=True)
class Material:
    """Everything one subject gives to the experiments of the paper, split.

    Attributes
    ----------
    train, validation, test
        No image of one is in another. Without `validation`, images are held back from `train`. Rows of `test` are
        single trials where there are any: scores average them, and the experiment on repeats needs them.
    gallery
        Further images of the concepts tested, for templates; images of `test` in it are left out of them.
    sfreq, ch_names
        Of the responses, Hz.
    regions
        Name of a region to its channels, by number.
    categories
        Concept to super-category, for the comparison of representations.
    simulated
        Whether the responses come from a forward model.
    """

    train: Pairs
    test: Pairs
    gallery: Gallery
    sfreq: float
    validation: Pairs | None = None
    ch_names: tuple[str, ...] = ()
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    categories: Mapping[int, str] = field(default_factory=dict)
    name: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        learnt = {"trained on": self.train} | ({"validated on": self.validation} if self.validation else {})
        for what, pairs in learnt.items():
            shared = np.intersect1d(pairs.image, self.test.image)
            if len(shared):
                raise BadInput(
                    f"{len(shared)} of the images tested are also {what}, such as number {shared[0]}: split by image"
                )

    def held_back(self, count: int, seed: int) -> tuple[Pairs, Pairs | None]:
        """Pairs to train on, and to pick the best epoch by.

        Parameters
        ----------
        count
            Images that are held back from `train` when there is no `validation`; 0 for none.
        """
        if self.validation is not None or not count:
            return self.train, self.validation
        return hold_back(self.train, count, seed)

    def averaged(self) -> Material:
        """The same with the repeats of every test image averaged."""
        return replace(self, test=self.test.by_image())


def hold_back(pairs: Pairs, count: int, seed: int) -> tuple[Pairs, Pairs]:
    """Split `count` images, drawn by `seed`, off the pairs.

    Raises
    ------
    BadInput
        When that leaves nothing to train on.
    """
    images = np.unique(pairs.image)
    if not 0 < count < len(images):
        raise BadInput(f"validation = {count} images of {len(images)}: hold back at least one, and leave at least one")
    aside = np.isin(pairs.image, np.random.default_rng(seed).choice(images, count, replace=False))
    return pairs[~aside], pairs[aside]


def _some(rows: Rows, repeats: int | None, rng: np.random.Generator | None) -> Rows:
    if repeats is None or repeats >= len(rows):
        return rows
    return rows[:repeats] if rng is None else rng.choice(rows, repeats, replace=False)


def _of_one_length(what: str, **arrays: NDArray) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or not min(lengths.values()):
        raise BadInput(f"{what} need arrays of one length, at least 1; given {lengths}")
