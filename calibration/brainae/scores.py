"""Retrieval, zero-shot classification and encoding, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.fit import Fitted
from calibration.brainae.pairs import Gallery, Pairs
from calibration.metrics import Draws, means_by
from calibration.tables.items import Items, diagonal
from streamkit.errors import BadInput

Array = NDArray[np.floating]
Indices = NDArray[np.integer]
TOPS = (1, 5)


def retrieval(fitted: Fitted, test: Pairs, draws: Draws, tops: Sequence[int] = TOPS) -> list[Items]:
    """Which of the images tested was shown: cosine of the embedding to their features.

    Parameters
    ----------
    test
        One row per image, as `Pairs.by_image` gives, or several.
    """
    return retrieve(fitted, fitted.embed(test.X), test, draws, "retrieval", tops)


def retrieve(fitted: Fitted, z: Array, test: Pairs, draws: Draws, name: str, tops: Sequence[int] = TOPS) -> list[Items]:
    """`retrieval` with embeddings `z` that were computed otherwise, one per row of `test`."""
    shown = test.gallery()
    found = similarity(z, fitted.project(shown.features))
    return top_k(found, np.searchsorted(shown.image, test.image), draws, name, tops)


def classification(
    fitted: Fitted,
    test: Pairs,
    gallery: Gallery,
    draws: Draws,
    likeness: Literal["cosine", "dot"] = "cosine",
    tops: Sequence[int] = TOPS,
) -> list[Items]:
    """Which concept was shown, none of which was trained on: likeness of the embedding to each concept's template.

    Parameters
    ----------
    likeness
        ``"cosine"``, or ``"dot"`` as in the authors' code, where the embedding is normalised and templates are not.
    """
    concepts = np.unique(test.concept)
    built = templates(gallery, concepts, test.image)
    z, template = fitted.embed(test.X), fitted.project(built)
    found = similarity(z, template) if likeness == "cosine" else unit(z) @ template.T.astype(np.float64)
    name = "classification" if likeness == "cosine" else "classification, dot product"
    return top_k(found, np.searchsorted(concepts, test.concept), draws, name, tops, "concepts")


def templates(gallery: Gallery, concepts: Indices, tested: Indices) -> Array:
    """Mean feature of each concept's other images, ``(n_concepts, n_features)``.

    Parameters
    ----------
    tested
        Numbers of the images tested, which are left out.

    Raises
    ------
    BadInput
        When a concept has no other image.
    """
    others = ~np.isin(gallery.image, tested)
    rows = [np.flatnonzero(others & (gallery.concept == concept)) for concept in concepts]
    bare = [int(concept) for concept, found in zip(concepts, rows, strict=True) if not len(found)]
    if bare:
        raise BadInput(
            f"the gallery has no image besides those tested for {len(bare)} of {len(concepts)} concepts, such as "
            f"{bare[0]}: give further images of every concept tested"
        )
    return np.stack([gallery.features[found].mean(0) for found in rows])


def top_k(
    found: Array, own: Indices, draws: Draws, name: str, tops: Sequence[int] = TOPS, unit: str = "images"
) -> list[Items]:
    """Whether the right one is among the `k` most alike, for each `k`; ties are broken by lot, in expectation.

    Parameters
    ----------
    found
        ``(n, m)`` likeness of each response to each candidate.
    own
        ``(n,)`` column of the right one. Every one counts the same, however often it was shown: the responses to it
        are one item.
    unit
        What the candidates are.
    """
    rows, m, each = np.arange(len(own)), found.shape[1], means_by(own)
    rng = np.random.default_rng(draws.seed)
    shuffled = [rng.permutation(m)[own] for _ in range(draws.permutations)]
    made = []
    for k, hits in hits_of(found, tops).items():
        null = np.array([each(hits[rows, other]).mean() for other in shuffled])
        made.append(Items(f"{name} top-{k}", each(hits[rows, own]), k / m, null, note=counted(own, m), unit=unit))
    return made


def counted(own: Indices, n_candidates: int) -> str:
    """What a note says of responses to `own` ``(n,)``."""
    note = f"{len(own)} responses, {n_candidates} candidates"
    return f"{note}, every one shown counted once" if len(own) > len(np.unique(own)) else note


def hits_of(found: Array, tops: Sequence[int] = TOPS) -> dict[int, Array]:
    """How likely each candidate is among the `k` most alike, ``(n, m)`` by `k`; for every `k` below `m`."""
    above, tied = _standing(found)
    return {k: np.clip((k - above) / tied, 0.0, 1.0) for k in tops if k < found.shape[1]}


def _standing(found: Array) -> tuple[Array, Array]:
    """How many candidates of the row are more alike, and how many just as much, itself included."""
    ordered = np.sort(found, axis=1)
    above, tied = np.empty(found.shape), np.empty(found.shape)
    for k, (line, values) in enumerate(zip(ordered, found, strict=True)):
        upto = np.searchsorted(line, values, "right")
        above[k] = len(line) - upto
        tied[k] = upto - np.searchsorted(line, values, "left")
    return above, tied


def encoding(predicted: Array, recorded: Array, draws: Draws) -> list[Items]:
    """How well responses are predicted: correlation and squared error over channels and time of each image.

    Chance is what the predictions get beside responses to other images: most of an evoked response is common to all
    images, and its correlation is far from 0.

    Parameters
    ----------
    predicted, recorded
        ``(n, n_chans, n_times)``: from the features of each image, and averaged over its trials.
    """
    r, error = encoding_tables(predicted, recorded)
    note = "chance: responses to other images"
    return [diagonal("encoding r", r, draws, note=note), diagonal("encoding MSE", error, draws, lower=True, note=note)]


def encoding_tables(predicted: Array, recorded: Array) -> tuple[Array, Array]:
    """Correlation and squared error of every prediction beside every response, ``(n, n)`` each; see `encoding`."""
    n = len(recorded)
    flat = [np.asarray(side, np.float64).reshape(n, -1) for side in (predicted, recorded)]
    a, b = (_standardised(side) for side in flat)
    squares = [(side**2).mean(1) for side in flat]
    error = squares[0][:, None] + squares[1][None] - 2 * (flat[0] @ flat[1].T) / flat[0].shape[1]
    return a @ b.T, error


def _standardised(flat: Array) -> Array:
    flat = flat - flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.full_like(flat, np.nan), where=norm > 1e-9)


def similarity(a: Array, b: Array) -> Array:
    """Cosine of every row of `a` to every row of `b`: ``(n, m)`` float64."""
    return unit(a) @ unit(b).T


def unit(a: Array) -> Array:
    """Rows of length 1, float64; a row of zeros stays."""
    a = np.asarray(a, np.float64)
    norm = np.linalg.norm(a, axis=1, keepdims=True)
    return np.divide(a, norm, out=np.zeros_like(a), where=norm > 1e-12)
