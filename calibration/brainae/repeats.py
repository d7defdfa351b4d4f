"""How accuracy grows with the number of trials that are averaged, from a single one on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibration.brainae.fit import Fitted
from calibration.brainae.pairs import Pairs
from calibration.brainae.scores import encoding, retrieval
from calibration.metrics import Draws
from calibration.tables.items import Items

TIMES = 10
"""How often repeats are drawn and averaged anew, unless all are taken."""


def counts_of(most: int) -> tuple[int, ...]:
    """1, 2, 4 … and `most`."""
    return tuple(sorted({*(2**k for k in range(most.bit_length()) if 2**k <= most), most}))


def over_repeats(
    fitted: Fitted, trials: Pairs, draws: Draws, counts: Sequence[int] = (), times: int = TIMES
) -> dict[int, list[Items]]:
    """Retrieval and encoding with so many repeats of each image averaged.

    Parameters
    ----------
    trials
        Single trials.
    counts
        By default 1, 2, 4 … up to the fewest that an image has.
    times
        Draws of the repeats, over which the result for each image is averaged.
    """
    most = trials.repeats()
    predicted = fitted.predict(trials.gallery().features)
    made = {}
    for count in counts or counts_of(most):
        rng = np.random.default_rng(draws.seed)
        drawn = [trials.by_image(count, rng) for _ in range(1 if count >= most else times)]
        each = [retrieval(fitted, pairs, draws) + encoding(predicted, pairs.X, draws) for pairs in drawn]
        made[count] = [_averaged(items) for items in zip(*each, strict=True)]
    return made


def _averaged(drawn: Sequence[Items]) -> Items:
    first = drawn[0]
    each = np.mean([items.each for items in drawn], axis=0)
    null = np.mean([items.null for items in drawn], axis=0)
    chance = float(np.mean([items.chance for items in drawn]))
    note = first.note + (f"; {len(drawn)} draws of the repeats" if len(drawn) > 1 else "")
    return replace(first, each=each, chance=chance, null=null, note=note)
