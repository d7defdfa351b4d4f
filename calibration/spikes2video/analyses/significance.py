"""The paper's tests: independent t tests, shares of nulls, and Holm's correction where it names none.

The t tests of the paper have 126 degrees of freedom (64 conditions with a mask, 64 without) and 162 (64 conditions, 100
nulls). Its methods also define p as a share of nulls, so both are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.tables.items import Row, number
from streamkit.errors import require

Array = NDArray[np.floating]


@dataclass(frozen=True)
class TTest:
    """An independent two-sample t test with equal variances, two-sided.

    Attributes
    ----------
    t, p
        NaN where neither sample varies, or one has fewer than two values.
    df
        Degrees of freedom: both sizes less 2.
    """

    t: float
    df: int
    p: float

    def facts(self) -> Row:
        """As a line of a table keeps it."""
        return {"t": number(self.t), "df": self.df, "p_t": number(self.p)}


def t_test(first: Array, second: Array) -> TTest:
    """Whether the means of two samples differ; what is not defined is left out."""
    a, b = (np.asarray(side, np.float64)[np.isfinite(side)] for side in (first, second))
    df = max(0, len(a) + len(b) - 2)
    if min(len(a), len(b)) < 2 or np.ptp(a) == np.ptp(b) == 0:
        return TTest(float("nan"), df, float("nan"))
    found = require("scipy.stats", "train", "t tests").ttest_ind(a, b)
    return TTest(float(found.statistic), df, float(found.pvalue))


def share_of_nulls(value: float, null: Array, lower: bool = False) -> float:
    """Share of the nulls that are at least as good, the value itself counted among them.

    Parameters
    ----------
    lower
        Whether less is better.

    Returns
    -------
    float
        NaN where the value or every null is not defined.
    """
    null = np.asarray(null, np.float64)
    null = null[np.isfinite(null)]
    if not len(null) or not np.isfinite(value):
        return float("nan")
    as_good = null <= value if lower else null >= value
    return float((1 + as_good.sum()) / (1 + len(null)))


def holm(p: Sequence[float] | Array) -> Array:
    """Adjusted p values that keep the chance of a single false alarm among all of them.

    Source: Holm 1979, Scand J Stat 6(2).

    Parameters
    ----------
    p
        ``(n,)``; NaN for what was not tested, which does not count.
    """
    p = np.asarray(p, np.float64)
    tested = np.flatnonzero(np.isfinite(p))
    adjusted = np.full(len(p), np.nan)
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def corrected(rows: Iterable[Row], key: str = "p_t", family: Sequence[str] = ("metric", "level")) -> list[Row]:
    """Lines with ``p_holm`` beside the p value called `key`; lines alike in the keys of `family` are one family."""
    rows = [dict(line) for line in rows]
    for kin in dict.fromkeys(_kin(line, family) for line in rows):
        members = [line for line in rows if key in line and _kin(line, family) == kin]
        values = holm([np.nan if line[key] is None else line[key] for line in members])
        for line, value in zip(members, values, strict=True):
            line["p_holm"] = number(value)
    return rows


def _kin(line: Row, family: Sequence[str]) -> tuple[object, ...]:
    return tuple(line.get(name) for name in family)
