"""Scores of painted pictures beside the frames that were shown, shot by shot.

Frames of one shot are much alike, so a shot is one item: its frames are scored one by one and averaged, intervals draw
shots, and p values permute them. Chance is what frames of other shots get.

``r`` and ``distance`` compare frame by frame (correlation of the vectors; root mean square difference); ``r over
frames`` correlates every value of a vector over the frames, all shots weighing the same, and takes the mean over
values. The paper does not say which of the two its figures are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, ttest_1samp

from calibration.brain2pix.looks import ORIENTED, Look, pixels
from calibration.brain2pix.material import Shots
from calibration.metrics import Draws, Score, correlations, squared_differences, win_chances
from calibration.ssim import ssim
from calibration.tables.items import Items, Row, diagonal, difference, number, row
from calibration.tables.items import score as score_of_items
from streamkit.errors import BadInput, require

Array = NDArray[np.floating]
Rows = NDArray[np.intp]
SSIM, PIXEL, MSE = "SSIM", "pixel r", "MSE"
REPORTED = {PIXEL: "pixel correlation", SSIM: SSIM, MSE: MSE}
"""Metrics of a bundle's report beside identification, and what it calls them."""
N_WAY = 20
FEW = 4
"""Frames of a shot that are held beside those of other shots for their structural similarity."""
AT_ONCE = 512
Scores = dict[str, Items]


@dataclass(frozen=True)
class Beside:
    """Painted pictures beside the frames that were shown.

    Attributes
    ----------
    seen, shown
        ``(n, 3, height, width)`` in [0, 1], in order of time.
    shot
        ``(n,)`` number of the shot of each.
    """

    seen: Array
    shown: Array
    shot: Rows

    def __post_init__(self) -> None:
        if self.seen.shape != self.shown.shape or len(self.shot) != len(self.seen) or len(np.unique(self.shot)) < 2:
            raise BadInput(
                f"pictures {self.seen.shape} beside frames {self.shown.shape} of {len(np.unique(self.shot))} shots "
                "were given, expected as many of one size, and two shots at least"
            )

    @property
    def members(self) -> list[Rows]:
        """Rows of each shot."""
        return [np.flatnonzero(self.shot == number) for number in np.unique(self.shot)]

    @property
    def weights(self) -> Array:
        """``(n,)`` of the frames, 1 together: all shots weigh the same, and so do the frames of each."""
        _, own, counts = np.unique(self.shot, return_inverse=True, return_counts=True)
        return 1 / (len(counts) * counts[own])


def score(
    beside: Beside, draws: Draws, looks: Sequence[Look] = (ORIENTED,), n_way: int = N_WAY, name: str = ""
) -> Scores:
    """All scores of one network's pictures, by metric."""
    tables = {SSIM: ssim_table(beside), PIXEL: table(beside, frame_r(beside.seen, beside.shown, pixels))}
    tables[MSE] = table(beside, squared(beside.seen, beside.shown, pixels))
    for look in looks:
        tables[f"{look.name} r"] = table(beside, frame_r(beside.seen, beside.shown, look.vectors))
        distances = np.sqrt(squared(beside.seen, beside.shown, look.vectors))
        tables[f"{look.name} distance"] = table(beside, distances)
        tables[f"{look.name} r over frames"] = table(beside, over_frames(beside, look.vectors))
    found = {metric: items_of(metric, values, draws) for metric, values in tables.items()}
    way = identified(tables[PIXEL], n_way, draws)
    return {**found, way.name: way}


def film_scores(painted: Array, shown: Array, shots: Shots, n_way: int, draws: Draws) -> list[Score]:
    """Identification, pixel correlation, SSIM and MSE of a bundle's pictures, shot by shot.

    Parameters
    ----------
    painted, shown
        ``(n, 3, height, width)`` in [0, 1].

    Raises
    ------
    BadInput
        When all frames are of one shot.
    """
    found = score(Beside(painted, shown, shots.number), draws, (), n_way)
    names = {name: name for name in found if name not in REPORTED} | REPORTED
    scores = {title: score_of_items([found[name]], draws) for name, title in names.items()}
    return [each.named(title, f"{each.note}; {shots.note}") for title, each in scores.items()]


def table(beside: Beside, pairs: Array) -> Array:
    """``(m, m)`` pictures of each shot beside frames of each, from all pairs ``(n, n)`` of pictures and frames.

    On the diagonal every picture stands beside its own frame; elsewhere beside one as far through the other shot.
    """
    members = beside.members
    found = np.empty((len(members), len(members)))
    for i, own in enumerate(members):
        for j, other in enumerate(members):
            found[i, j] = np.nanmean(pairs[own, own if i == j else along(len(own), other)])
    return found


def along(n: int, other: Rows) -> Rows:
    """So many frames of another shot, evenly spread from its first to its last."""
    return other[np.linspace(0, len(other) - 1, n).round().astype(int)]


def frame_r(seen: Array, shown: Array, vectors: object) -> Array:
    """``(n, n)`` correlation of the vectors of every picture with those of every frame."""
    return correlations(vectors(seen), vectors(shown))  # type: ignore[operator]


def squared(seen: Array, shown: Array, vectors: object) -> Array:
    """``(n, n)`` mean squared difference of the vectors of every picture from those of every frame."""
    return squared_differences(vectors(seen), vectors(shown))  # type: ignore[operator]


def over_frames(beside: Beside, vectors: object) -> Array:
    """``(n, n)`` for `table`: the mean over its diagonal is the correlation over frames, all shots weighing the same.

    It is the mean over values that vary on both sides.
    """
    sides = (np.asarray(vectors(side), np.float64) for side in (beside.seen, beside.shown))  # type: ignore[operator]
    a, b = (standard(side, beside.weights) for side in sides)
    varies = (np.abs(a).sum(0) > 0) & (np.abs(b).sum(0) > 0)
    return a[:, varies] @ b[:, varies].T / max(1, int(varies.sum()))


def standard(values: Array, weights: Array) -> Array:
    """Every column at mean 0 and variance 1 under weights ``(n,)`` of the rows; 0 where it does not vary."""
    values = values - weights @ values
    std = np.sqrt(weights @ np.square(values))
    return np.divide(values, std, out=np.zeros_like(values), where=std > 1e-9)


def ssim_table(beside: Beside) -> Array:
    """Structural similarity as `table` has it: Gaussian window of 11 and sigma 1.5, where it lies in the picture."""
    members = beside.members
    found = np.empty((len(members), len(members)))
    for i, own in enumerate(members):
        found[i, i] = ssim_of(beside.seen[own], beside.shown[own]).mean()
        few = np.unique(along(FEW, own))
        others = [along(len(few), other) for j, other in enumerate(members) if j != i]
        pairs = ssim_of(np.tile(beside.seen[few], (len(others), 1, 1, 1)), beside.shown[np.concatenate(others)])
        found[i, np.arange(len(members)) != i] = pairs.reshape(len(others), len(few)).mean(1)
    return found


def ssim_of(seen: Array, shown: Array) -> Array:
    """``(n,)`` structural similarity of pictures ``(n, 3, H, W)`` with frames, mean over colours."""
    torch = require("torch", "train", "comparing pictures")
    parts = []
    for at in range(0, len(seen), AT_ONCE):
        pair = [torch.from_numpy(np.ascontiguousarray(side[at : at + AT_ONCE], np.float32)) for side in (seen, shown)]
        parts.append(ssim(*pair).numpy())
    return np.concatenate(parts)


def items_of(metric: str, values: Array, draws: Draws) -> Items:
    """Items of a table of shots by shots."""
    lower = metric == MSE or metric.endswith("distance")
    return diagonal(metric, values, draws, lower, note="an item is a shot", unit="shots")


def identified(values: Array, n_way: int, draws: Draws) -> Items:
    """How often a shot is found among others by the correlation of pixels; chance is one in `n_way`."""
    n_way = min(n_way, len(values))
    note = "a shot among others by the mean correlation of pixels, exact over draws"
    name, chances = f"{n_way}-way identification", win_chances(values, n_way)
    return diagonal(name, chances, draws, chance=1 / n_way, note=note, unit="shots")


def rows_of(label: str, seeds: Sequence[Scores], draws: Draws, **further: object) -> list[Row]:
    """Lines of a table, one per metric; ``p_t`` is a t test over shots against chance, as the paper tests."""
    return [
        row(label, [one[metric] for one in seeds], draws, p_t=p_t([one[metric] for one in seeds]), **further)
        for metric in seeds[0]
    ]


def p_t(seeds: Sequence[Items]) -> float | None:
    """Student's t over shots, mean over seeds: one-sided, better than chance."""
    each = np.mean([items.each for items in seeds], 0) - np.mean([items.chance for items in seeds])
    if len(each) < 2 or np.ptp(each) < 1e-12:
        return None
    return number(ttest_1samp(each, 0.0, alternative="less" if seeds[0].lower else "greater").pvalue)


def differences(
    label: str, first: Sequence[Scores], second: Sequence[Scores], draws: Draws, **further: object
) -> list[Row]:
    """Lines of `second` less `first`, paired by shot and seed; ``p_binomial`` counts shots, as the paper does."""
    rows = []
    for metric in second[0]:
        before, after = ([one[metric] for one in side] for side in (first, second))
        line = difference(label, before, after, draws, **further)
        rows.append({**line, **wins(before, after)})
    return rows


def wins(before: Sequence[Items], after: Sequence[Items]) -> Row:
    """Share of shots on which `after` is better, mean over seeds, and a binomial test of it against one half."""
    apart = np.mean([items.each for items in after], 0) - np.mean([items.each for items in before], 0)
    apart = -apart if after[0].lower else apart
    won, played = int((apart > 0).sum()), int((apart != 0).sum())
    return {
        "wins": number(won / played) if played else None,
        "p_binomial": number(binomtest(won, played).pvalue) if played else None,
    }
