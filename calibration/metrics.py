"""Scores, each with what a guess would get, a bootstrap interval and a permutation p value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

from streamkit.bundle import Metric

Array = NDArray[np.floating]
MIN_GROUPS = 8
"""With at least this many groups the interval resamples groups, with fewer it resamples items."""


@dataclass(frozen=True)
class Score:
    """One metric with its uncertainty.

    Attributes
    ----------
    name
        As in recipes: ``"auc"``, ``"accuracy"`` …; a baseline's has a suffix, ``"accuracy, CCA"``.
    value, chance
        The score and what a guess would get.
    ci95
        Bootstrap percentile interval.
    p
        Share of permutations at least as good, the score itself counted; NaN when not computed.
    n
        Items scored.
    note
        What was resampled and permuted.
    boot
        Its bootstrap draws. Two scores of the same items by the same metric and seed drew the same items each time.
    """

    name: str
    value: float
    chance: float
    ci95: tuple[float, float]
    p: float
    n: int
    note: str = ""
    boot: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    def metric(self) -> Metric:
        """As a bundle keeps it."""
        p = f"p = {self.p:.2g}; " if np.isfinite(self.p) else ""
        return Metric(
            name=self.name, value=self.value, chance=self.chance, ci95=self.ci95, n=self.n, note=p + self.note
        )

    def named(self, name: str, note: str = "") -> Score:
        """Return the same score under another name."""
        return replace(self, name=name, note=note or self.note)


@dataclass(frozen=True)
class Draws:
    """How often to resample and permute, and from which seed."""

    bootstrap: int = 1000
    permutations: int = 1000
    seed: int = 0


def means_of_drawn(values: Array, draws: Draws, rng: np.random.Generator) -> Array:
    """``(n_bootstrap,)`` means of as many of `values` ``(n,)`` as there are, drawn with replacement."""
    means: Array = values[rng.integers(len(values), size=(draws.bootstrap, len(values)))].mean(1)
    return means


def means_by(own: NDArray[np.integer]) -> Callable[[Array], Array]:
    """What takes values ``(n,)`` to the mean of those of each of `own` ``(n,)`` that occurs, in order of its number."""
    _, place, counts = np.unique(own, return_inverse=True, return_counts=True)

    def means(values: Array) -> Array:
        found: Array = np.bincount(place, values) / counts
        return found

    return means


def auc(y: NDArray[np.integer], score: Array) -> float:
    """Area under the ROC curve: how often a positive (1) scores above a negative (0), ties half. NaN for one class."""
    positive = np.asarray(y) == 1
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def accuracy(y: NDArray[np.integer], guess: NDArray[np.integer]) -> float:
    """Share of right answers."""
    return float(np.mean(np.asarray(y) == np.asarray(guess)))


def balanced_accuracy(y: NDArray[np.integer], guess: NDArray[np.integer]) -> float:
    """Mean over the classes present of the share of right answers."""
    return float(np.mean([np.mean(np.asarray(guess)[np.asarray(y) == k] == k) for k in np.unique(y)]))


def pearson(a: Array, b: Array) -> float:
    """Correlation of two vectors; NaN when one is constant."""
    a, b = np.asarray(a, np.float64) - np.mean(a), np.asarray(b, np.float64) - np.mean(b)
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


def score_classes(
    name: str,
    metric: Callable[..., float],
    y: NDArray[np.integer],
    guess: Array,
    groups: NDArray,
    chance: float,
    draws: Draws,
    within: bool = False,
) -> Score:
    """Score ``metric(y, guess)`` of classified items; the p value permutes labels within groups.

    Parameters
    ----------
    y, guess, groups
        ``(n,)`` each: true class, what the metric takes beside it, group.
    within
        Score each group by itself and take the mean, as for outputs of decoders fitted per fold.
    """
    rng = np.random.default_rng(draws.seed)
    whole = partial(_mean_over_groups, metric) if within else lambda y, guess, _: metric(y, guess)
    value = whole(y, guess, groups)
    resample, what = _resampler(groups, rng)
    boot = [whole(y[rows], guess[rows], names) for rows, names in (resample() for _ in range(draws.bootstrap))]
    null = [whole(y[_shuffle_within(groups, rng)], guess, groups) for _ in range(draws.permutations)]
    note = f"interval: bootstrap over {what}; p: {draws.permutations} permutations of labels within groups"
    return Score(name, value, chance, _interval(boot, value), _p(null, value), len(y), note, np.array(boot))


def _mean_over_groups(metric: Callable[..., float], y: NDArray, guess: Array, groups: NDArray) -> float:
    each = np.array([metric(y[groups == name], guess[groups == name]) for name in np.unique(groups)])
    return float(each[np.isfinite(each)].mean()) if np.isfinite(each).any() else float("nan")


def score_trace(name: str, y: Array, guess: Array, sequence: NDArray, draws: Draws, block: int | None = None) -> Score:
    """Correlation of a continuous quantity with its prediction.

    Consecutive items are alike, so the interval resamples blocks of `block` consecutive items (by default a
    twentieth of them), and the null hypothesis shifts the prediction around within each of `sequence`.

    Parameters
    ----------
    y, guess
        ``(n,)`` in order of time.
    sequence
        ``(n,)`` which uninterrupted run each item belongs to.
    """
    rng = np.random.default_rng(draws.seed)
    value, n = pearson(y, guess), len(y)
    rows, size = _blocks(n, draws, rng, block)
    boot = [pearson(y[at], guess[at]) for at in rows]
    null = [pearson(y, guess[rotate_within(sequence, rng)]) for _ in range(draws.permutations)]
    note = _told(size, draws.permutations)
    return Score(name, value, 0.0, _interval(boot, value), _p(null, value), n, note, np.array(boot))


def correlations(a: Array, b: Array) -> Array:
    """Correlation of every row of `a` with every row of `b`: ``(n, m)``; 0 where one is constant."""
    return _standardised(a) @ _standardised(b).T


def column_correlations(a: Array, b: Array) -> NDArray[np.float64]:
    """Correlation of every column of `a` with the same column of `b`: ``(m,)``; NaN where one is constant."""
    a, b = (np.asarray(side, np.float64) - side.mean(0, dtype=np.float64) for side in (a, b))
    norm = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return np.divide((a * b).sum(0), norm, out=np.full(norm.shape, np.nan), where=norm > 1e-9)


def shares_of_correlation(a: Array, b: Array) -> NDArray[np.float64]:
    """What every row adds to the mean correlation of columns: ``(n,)`` whose mean is that mean.

    Columns are correlated over rows, so rows are what an interval draws, and how much the mean changes with them is
    told, to first order, by the infinitesimal jackknife: with columns ``u`` and ``v`` of mean 0 and variance 1, a row
    has ``u v - r (u² + v²) / 2`` more than ``r``. Columns where one side is constant are left out.

    Parameters
    ----------
    a, b
        ``(n, m)`` twice.
    """
    a, b = (np.asarray(side, np.float64) for side in (a, b))
    known = np.isfinite(column_correlations(a, b))
    if not known.any():
        return np.full(len(a), np.nan)
    u, v = ((side[:, known] - side[:, known].mean(0)) / side[:, known].std(0) for side in (a, b))
    r = (u * v).mean(0)
    shares: NDArray[np.float64] = (r + u * v - r * (u**2 + v**2) / 2).mean(1)
    return shares


def squared_differences(a: Array, b: Array) -> NDArray[np.float64]:
    """Mean squared difference of every row of `a` from every row of `b`: ``(n, m)``."""
    a, b = (np.asarray(side, np.float64).reshape(len(side), -1) for side in (a, b))
    both = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
    return np.maximum(both, 0.0) / a.shape[1]


def _standardised(a: Array) -> Array:
    flat = np.asarray(a, np.float64).reshape(len(a), -1)
    flat = flat - flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 1e-9)


def win_chances(similarity: Array, n_way: int) -> Array:
    """How likely each candidate wins against ``n_way - 1`` others drawn from the same row: exact, not drawn.

    Parameters
    ----------
    similarity
        ``(n, m)``: of each reconstruction to each of `m` different images.

    Returns
    -------
    ndarray
        ``(n, m)``; entry ``(i, j)`` is the probability, over draws of ``n_way - 1`` of the other ``m - 1`` images
        without replacement, that image `j` is the one most similar to reconstruction `i`; ties are broken by lot.
    """
    m, drawn = similarity.shape[1], n_way - 1
    below = rankdata(similarity, method="min", axis=1) - 1
    upto = rankdata(similarity, method="max", axis=1) - 1
    # Broken by lot, a tied image has each rank from `below` to `upto` equally often.
    cumulative = np.concatenate([[0.0], np.cumsum(_shares(np.arange(m), drawn, m - 1))])
    return (cumulative[upto + 1] - cumulative[below]) / (upto - below + 1)


def _shares(worse: NDArray[np.integer], drawn: int, others: int) -> Array:
    """``C(worse, drawn) / C(others, drawn)``: all of `drawn` out of `others` are among the `worse`."""
    safe = np.maximum(worse, drawn)
    ways = gammaln(safe + 1) - gammaln(safe - drawn + 1) - gammaln(others + 1) + gammaln(others - drawn + 1)
    return np.where(worse >= drawn, np.exp(ways), 0.0)


def score_identification(
    reconstructions: Array,
    shown: Array,
    identity: NDArray,
    n_way: int,
    draws: Draws,
    name: str = "",
    sequence: NDArray | None = None,
) -> Score:
    """n-way identification: how often the reconstruction is most like the image that was shown.

    The candidates are the shown image and ``n_way - 1`` other images of the same set; likeness is the correlation of
    pixels. The expectation over all draws of candidates is computed exactly. Every image counts the same, however often
    it was shown: one answer to everything is at chance.

    Parameters
    ----------
    reconstructions, shown
        ``(n, C, H, W)``.
    identity
        ``(n,)`` which image each item shows; items of one image never are each other's candidates.
    sequence
        ``(n,)`` where items are windows of streams, in order of time: which uninterrupted run each belongs to. Windows
        that follow one another are alike, so the interval then resamples blocks of them, and the null hypothesis shifts
        what was shown around within each run, as in `score_trace`.
    """
    names, first, own = np.unique(identity, return_index=True, return_inverse=True)
    n_way = min(n_way, len(names))
    chances = win_chances(correlations(reconstructions, shown[first]), n_way)
    value, boot, null, how = _over_images(chances, own, draws, draws.permutations, sequence)
    note = (
        f"likeness: correlation of pixels; candidates from {len(names)} held-out images, exact over draws, every image "
        f"counted once; {how}"
    )
    title = name or f"{n_way}-way identification"
    return Score(title, value, 1 / n_way, _interval(boot, value), _p(null, value), len(own), note, boot)


def score_pixels(
    reconstructions: Array,
    shown: Array,
    identity: NDArray,
    draws: Draws,
    name: str = "pixel correlation",
    sequence: NDArray | None = None,
) -> Score:
    """Mean correlation of a reconstruction with the image that was shown; a reconstruction of noise gets 0.

    As in `score_identification` every image counts the same, and items may follow one another.
    """
    _, first, own = np.unique(identity, return_index=True, return_inverse=True)
    r = correlations(reconstructions, shown[first])
    value, boot, null, how = _over_images(r, own, draws, min(draws.permutations, 200), sequence)
    note = f"every image counted once; chance is the mean over what p permutes; {how}"
    return Score(name, value, float(np.mean(null)), _interval(boot, value), _p(null, value), len(own), note, boot)


def _over_images(
    table: Array, own: NDArray[np.intp], draws: Draws, permutations: int, sequence: NDArray | None
) -> tuple[float, Array, list[float], str]:
    """Mean over images of what every item ``(n, n_images)`` has at its own; resampled, permuted, and how."""
    rng, items, by_image = np.random.default_rng(draws.seed), np.arange(len(own)), means_by(own)
    each = by_image(table[items, own])
    if sequence is None:
        boot = means_of_drawn(each, draws, rng)
        null = [float(by_image(table[items, rng.permutation(len(each))[own]]).mean()) for _ in range(permutations)]
        how = f"interval: bootstrap over images; p: {permutations} permutations of images"
        return float(each.mean()), boot, null, how

    said = table[items, own]
    rows, size = _blocks(len(own), draws, rng)
    boot = np.array([means_by(own[at])(said[at]).mean() for at in rows])
    turned = (own[rotate_within(sequence, rng)] for _ in range(permutations))
    null = [float(means_by(shown)(table[items, shown]).mean()) for shown in turned]
    return float(each.mean()), boot, null, _told(size, permutations)


def _blocks(
    n: int, draws: Draws, rng: np.random.Generator, size: int | None = None
) -> tuple[Iterator[NDArray[np.intp]], int]:
    """Rows of blocks drawn with replacement, as often as is to be drawn; and rows of a block, a twentieth of all."""
    size = size or max(1, n // 20)
    starts = np.arange(0, n, size)

    def drawn() -> NDArray[np.intp]:
        return np.concatenate([np.arange(s, min(s + size, n)) for s in rng.choice(starts, len(starts))])

    return (drawn() for _ in range(draws.bootstrap)), size


def _told(size: int, permutations: int) -> str:
    return f"interval: bootstrap over blocks of {size} windows; p: {permutations} circular shifts within recordings"


def _resampler(groups: NDArray, rng: np.random.Generator) -> tuple[Callable[[], tuple[NDArray[np.intp], NDArray]], str]:
    """Return a draw of rows with the group each now counts as: whole groups when there are enough, else items."""
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    if len(members) < MIN_GROUPS:

        def items() -> tuple[NDArray[np.intp], NDArray]:
            rows = np.concatenate([rng.choice(rows, len(rows)) for rows in members])
            return rows, groups[rows]

        return items, "items within groups" if len(members) > 1 else "items"

    def whole() -> tuple[NDArray[np.intp], NDArray]:
        drawn = [members[k] for k in rng.integers(len(members), size=len(members))]
        return np.concatenate(drawn), np.repeat(np.arange(len(drawn)), [len(rows) for rows in drawn])

    return whole, "groups"


def _shuffle_within(groups: NDArray, rng: np.random.Generator) -> NDArray[np.intp]:
    order = np.arange(len(groups))
    for name in np.unique(groups):
        rows = np.flatnonzero(groups == name)
        order[rows] = rng.permutation(rows)
    return order


def rotate_within(sequence: NDArray, rng: np.random.Generator) -> NDArray[np.intp]:
    """``(n,)`` rows in an order that turns each run of `sequence` ``(n,)`` around by a lot of its own."""
    order = np.arange(len(sequence))
    for name in np.unique(sequence):
        rows = np.flatnonzero(sequence == name)
        order[rows] = np.roll(rows, int(rng.integers(len(rows))))
    return order


def difference_interval(first: Score, second: Score) -> tuple[float, float]:
    """95 % interval of `second` minus `first`: the same items are drawn for both, so what they share cancels.

    Parameters
    ----------
    first, second
        The same metric of two decoders on the same items, drawn from the same seed.
    """
    return _interval(second.boot - first.boot, second.value - first.value)


def _interval(draws: Array | list[float], value: float) -> tuple[float, float]:
    finite = np.asarray(draws, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return value, value
    low, high = np.percentile(finite, (2.5, 97.5))
    return float(low), float(high)


def _p(null: Array | list[float], value: float) -> float:
    null = np.asarray(null, np.float64)
    if not len(null) or not np.isfinite(value):
        return float("nan")
    return float((1 + np.sum(null >= value - 1e-12)) / (1 + len(null)))
