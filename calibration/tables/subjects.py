"""Tables of several subjects as one: mean, interval over subjects, Wilcoxon's signed-rank test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from calibration.metrics import Draws, means_of_drawn
from calibration.tables.items import Row, number
from streamkit.errors import require

FEWEST = 6
"""With fewer subjects no signed-rank test can get below p = 0.05, two-sided."""


def over_subjects(tables: Mapping[str, Sequence[Row]], draws: Draws) -> list[Row]:
    """Mean over subjects of every line that each of them has.

    The interval draws subjects with replacement. The p value is that of Wilcoxon's signed-rank test of value less
    chance, two-sided, from 6 subjects on. Of what else the lines say, that is kept in which all subjects agree.

    Parameters
    ----------
    tables
        Rows of one experiment, by subject.
    """
    found = {
        subject: {(line["row"], line["metric"]): line for line in rows if line["value"] is not None}
        for subject, rows in tables.items()
    }
    common = [key for key in next(iter(found.values()), {}) if all(key in lines for lines in found.values())]
    return [_mean([lines[key] for lines in found.values()], list(found), draws) for key in common]


def _mean(lines: Sequence[Row], subjects: Sequence[str], draws: Draws) -> Row:
    values = np.array([line["value"] for line in lines])
    chances = np.array([np.nan if line["chance"] is None else line["chance"] for line in lines])
    low, high = np.percentile(means_of_drawn(values, draws, np.random.default_rng(draws.seed)), (2.5, 97.5))
    return {
        **{key: same for key, same in lines[0].items() if all(line.get(key) == same for line in lines)},
        "value": float(values.mean()),
        "chance": number(chances.mean()),
        "ci95": [float(low), float(high)],
        "p": _signed_rank(values - chances),
        "n": len(values),
        "each": {subject: float(value) for subject, value in zip(subjects, values, strict=True)},
        "note": f"mean of {len(values)} subjects; interval: bootstrap over subjects; p: signed ranks against chance",
    }


def _signed_rank(differences: np.ndarray) -> float | None:
    if len(differences) < FEWEST or not np.isfinite(differences).all() or not differences.any():
        return None
    return float(require("scipy.stats", "train", "signed ranks").wilcoxon(differences).pvalue)
