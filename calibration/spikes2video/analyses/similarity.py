"""How alike the activity of trials is: of one condition, of different ones, and across the two sides of the split.

Within-stimulus pairs are two trials of a condition, cross-stimulus pairs two trials of different conditions, cross-data
pairs a held-out trial and one trained on, of the same condition. Where cross-data pairs are as alike as within-stimulus
pairs nothing has leaked; where they are more alike, trials on either side share what they should not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws, correlations
from calibration.spikes2video.material import Trials
from calibration.tables.items import Items
from streamkit.errors import BadInput

Array = NDArray[np.floating]
Rows = NDArray[np.intp]
WITHIN, CROSS, DATA = "within-stimulus", "cross-stimulus", "cross-data"
PAIRS = 12
"""Pairs of each condition, as published: 64 x 12 in all."""


@dataclass(frozen=True)
class Similarity:
    """Correlations of pairs of trials.

    Attributes
    ----------
    each
        Kind of pair to ``(n_conditions, pairs)``.
    anyhow
        Kind of pair to ``(permutations,)`` means over as many pairs that were drawn whatever their conditions.
    """

    each: dict[str, Array]
    anyhow: dict[str, Array]

    def items(self) -> list[Items]:
        """One metric per kind of pair, condition by condition."""
        return [
            Items(f"{kind} r", each.mean(1), float(null.mean()) if len(null) else 0.0, null, False, NOTE, *UNITS)
            for (kind, each), null in zip(self.each.items(), self.anyhow.values(), strict=True)
        ]


NOTE = "chance: pairs drawn whatever their conditions"
UNITS = ("conditions", "pairs")
"""What the interval draws, and what the null permutes."""


def similarity(train: Trials, test: Trials, draws: Draws, pairs: int = PAIRS) -> Similarity:
    """Correlate standardised counts, all bins and sites, of pairs drawn by the seed.

    Parameters
    ----------
    train, test
        Trials of the same sites; mean and deviation of each site are those of `train`.
    pairs
        Of each condition and kind.

    Raises
    ------
    BadInput
        When a condition has fewer than two test trials, or none to train on, or there is only one.
    """
    groups = _groups(train, test)
    rng = np.random.default_rng(draws.seed)
    mean, std = train.X.mean((0, 1)), train.X.std((0, 1))
    flat = [((part.X - mean) / np.where(std > 0, std, 1)).reshape(len(part), -1) for part in (test, train)]
    inside, across = correlations(flat[0], flat[0]), correlations(flat[0], flat[1])
    drawn = {kind: [_drawn(kind, number, groups, pairs, rng) for number in groups] for kind in (WITHIN, CROSS, DATA)}
    tables = {WITHIN: inside, CROSS: inside, DATA: across}
    each = {kind: np.stack([tables[kind][a, b] for a, b in drawn[kind]]) for kind in drawn}
    count = len(groups) * pairs
    anyhow = {
        kind: np.array([_anyhow(tables[kind], count, kind != DATA, rng) for _ in range(draws.permutations)])
        for kind in drawn
    }
    return Similarity(each, anyhow)


def _groups(train: Trials, test: Trials) -> dict[int, tuple[Rows, Rows]]:
    """Rows of each condition in the test and in the training."""
    learnt = dict(train.rows_of_conditions())
    groups = {number: (rows, learnt.get(number, np.empty(0, np.intp))) for number, rows in test.rows_of_conditions()}
    short = [number for number, (own, others) in groups.items() if len(own) < 2 or not len(others)]
    if short or len(groups) < 2:
        raise BadInput(
            "similarity needs two conditions or more, each with two test trials and one to train on; "
            + (f"condition {short[0]} has fewer" if short else f"there are {len(groups)} conditions")
        )
    return groups


def _drawn(
    kind: str, number: int, groups: dict[int, tuple[Rows, Rows]], pairs: int, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Rows and columns of the pairs of one condition."""
    own, learnt = groups[number]
    first = rng.choice(own, pairs)
    if kind == DATA:
        return first, rng.choice(learnt, pairs)
    if kind == WITHIN:
        return first, np.array([rng.choice(own[own != row]) for row in first])
    others = np.concatenate([rows for other, (rows, _) in groups.items() if other != number])
    return first, rng.choice(others, pairs)


def _anyhow(table: Array, count: int, apart: bool, rng: np.random.Generator) -> float:
    """Mean over pairs drawn from all trials; `apart` when rows and columns are the same trials."""
    rows = rng.integers(len(table), size=count)
    if not apart:
        return float(table[rows, rng.integers(table.shape[1], size=count)].mean())
    return float(table[rows, (rows + rng.integers(1, len(table), size=count)) % len(table)].mean())
