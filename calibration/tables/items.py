"""From what each image (or shot, or voxel) scored to a score: mean, interval over them and seeds, permutation p."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws, Score

Array = NDArray[np.floating]
Row = dict[str, Any]


def mean(each: Array) -> float:
    """Mean of what is defined; NaN when nothing is."""
    defined = each[np.isfinite(each)]
    return float(defined.mean()) if len(defined) else float("nan")


@dataclass(frozen=True)
class Items:
    """One metric of one trained model, item by item.

    Attributes
    ----------
    each
        ``(n,)``; NaN where it is not defined, such as the correlation with a constant.
    chance
        What a guess gets.
    null
        ``(permutations,)`` means over items, with what is `permuted`; empty when not computed.
    lower
        Whether less is better.
    note
        How it was computed.
    unit
        What an item is, in the plural: what the interval draws.
    permuted
        What was, for `null`; the items themselves where nothing is said.
    group
        ``(n,)`` where items are alike in groups, such as views of one thing: the interval then draws whole groups.
    average
        Makes one number of ``(seeds, n)``.
    """

    name: str
    each: Array
    chance: float
    null: Array
    lower: bool = False
    note: str = ""
    unit: str = "images"
    permuted: str = ""
    group: NDArray[np.integer] | None = None
    average: Callable[[Array], float] = mean


def score(seeds: Sequence[Items], draws: Draws) -> Score:
    """Mean over items and seeds, or what else is their average.

    The interval draws items (or groups of them) with replacement, the same ones for every seed, and with several seeds
    draws those as well. The p value compares with the mean over seeds of permuted images.

    Parameters
    ----------
    seeds
        The same metric and items, from trainings that differ in their seed.
    """
    first = seeds[0]
    each = np.stack([items.each for items in seeds])  # (seeds, n)
    value = first.average(each)
    boot = _bootstrap(each, draws, first.group, first.average)
    finite = boot[np.isfinite(boot)]
    low, high = np.percentile(finite, (2.5, 97.5)) if len(finite) else (value, value)
    null = _null(seeds)
    undefined = int(np.isnan(each).sum())
    what = f"{first.unit} and seeds" if len(each) > 1 else first.unit
    notes = (
        first.note,
        f"interval: bootstrap over {what}",
        f"p: {len(null)} permutations of {first.permuted or first.unit}" if len(null) else "",
        f"{undefined} undefined" if undefined else "",
    )
    note = "; ".join(part for part in notes if part)
    chance = mean(np.array([items.chance for items in seeds]))
    p = _p(null, value, first.lower)
    return Score(first.name, value, chance, (float(low), float(high)), p, each.shape[1], note, boot)


def row(label: str, seeds: Sequence[Items], draws: Draws, **further: Any) -> Row:
    """One line of a table: a score and what it was computed from.

    ``chance95`` is the interval that 95 % of the permutations lie in, None without any.
    """
    null = _null(seeds)
    edges = [number(edge) for edge in np.percentile(null, (2.5, 97.5))] if len(null) else None
    better = "lower" if seeds[0].lower else "higher"
    return as_row(label, score(seeds, draws), chance95=edges, seeds=len(seeds), better=better, **further)


def as_row(label: str, found: Score, **further: Any) -> Row:
    """A score as a line of a table."""
    return {
        "row": label,
        "metric": found.name,
        "value": number(found.value),
        "chance": number(found.chance),
        "ci95": [number(edge) for edge in found.ci95],
        "p": number(found.p),
        "n": found.n,
        "note": found.note,
        **further,
    }


def number(value: float) -> float | None:
    """As a file of numbers keeps it: nothing for what is not defined."""
    return float(value) if np.isfinite(value) else None


def difference(label: str, first: Sequence[Items], second: Sequence[Items], draws: Draws, **further: Any) -> Row:
    """One line of a table: `second` minus `first`, paired item by item and seed by seed.

    Items for which one of them is not defined are left out.

    Raises
    ------
    ValueError
        When they are not of the same items and as many seeds.
    """
    shapes = [[len(items.each) for items in side] for side in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"a paired difference needs the same {first[0].unit} and seeds on both sides; given {shapes}")
    unit = first[0].unit
    paired = np.stack([after.each - before.each for before, after in zip(first, second, strict=True)])
    known = np.isfinite(paired).all(0)
    paired, group = paired[:, known], None if first[0].group is None else first[0].group[known]
    value = mean(paired)
    low, high = np.percentile(_bootstrap(paired, draws, group), (2.5, 97.5)) if paired.size else (value, value)
    return {
        "row": label,
        "metric": f"{second[0].name}, difference",
        "value": number(value),
        "chance": 0.0,
        "ci95": [number(low), number(high)],
        "p": number(_sign_flips(paired.mean(0), draws, group)),
        "n": paired.shape[1],
        "note": f"paired; interval: the same {unit} and seeds drawn for both; p: signs of the {unit} flipped",
        "seeds": len(first),
        **further,
    }


def diagonal(
    name: str,
    table: Array,
    draws: Draws,
    lower: bool = False,
    *,
    chance: float | None = None,
    note: str = "",
    unit: str = "images",
) -> Items:
    """Diagonal of a table ``(n, n)`` of what was answered by what was right; the null permutes what was right.

    Parameters
    ----------
    chance
        Known; else the mean of what is off the diagonal.
    """
    rng, rows = np.random.default_rng(draws.seed), np.arange(len(table))
    null = np.array([mean(table[rows, rng.permutation(len(rows))]) for _ in range(draws.permutations)])
    if chance is None:
        chance = mean(table[~np.eye(len(table), dtype=bool)])
    return Items(name, np.diag(table).copy(), chance, null, lower, note, unit)


def _null(seeds: Sequence[Items]) -> Array:
    """Mean over the seeds for which it is defined."""
    drawn = np.stack([items.null for items in seeds])
    known = drawn[np.isfinite(drawn).all(1)]
    return (known if len(known) else drawn).mean(0)


def _bootstrap(
    each: Array, draws: Draws, group: NDArray[np.integer] | None = None, average: Callable[[Array], float] = mean
) -> Array:
    rng = np.random.default_rng(draws.seed)
    n_seeds, n = each.shape
    members = [] if group is None else [np.flatnonzero(group == one) for one in np.unique(group)]
    boot = np.empty(draws.bootstrap)
    for k in range(draws.bootstrap):
        items = rng.integers(len(members) or n, size=len(members) or n)
        if members:
            items = np.concatenate([members[one] for one in items])
        seeds = rng.integers(n_seeds, size=n_seeds)
        boot[k] = average(each[np.ix_(seeds, items)])
    return boot


def _p(null: Array, value: float, lower: bool) -> float:
    if not len(null) or not np.isfinite(value):
        return float("nan")
    as_good = null <= value + 1e-12 if lower else null >= value - 1e-12
    return float((1 + as_good.sum()) / (1 + len(null)))


def _sign_flips(each: Array, draws: Draws, group: NDArray[np.integer] | None) -> float:
    """Two-sided: how often differences whose signs are drawn, one for a whole group, are as far from 0."""
    if not len(each) or not draws.permutations:
        return float("nan")
    sums = each if group is None else np.bincount(np.unique(group, return_inverse=True)[1], each)
    rng = np.random.default_rng(draws.seed)
    flipped = rng.choice((-1.0, 1.0), size=(draws.permutations, len(sums))) @ sums
    return float((1 + np.sum(np.abs(flipped) >= abs(sums.sum()) - 1e-9)) / (1 + draws.permutations))
