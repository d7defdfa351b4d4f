"""What is asked of the backend that `auto` chooses, at batch 1 in float32 at live cadence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FASTER = {"compute": 2.0, "bandwidth": 0.95}
"""Times as fast as eager torch, at least."""

MEDIAN_FASTER = 2.5
NEAR_RAW = 1.05
"""Of the time of the raw runtime called directly, at most."""

BATCH, PRECISION = 1, "float32"


Facts = Mapping[str, Any]


def is_of(row: Facts, choice: Facts) -> bool:
    """Whether a row that counts is of the backend, and the number of threads, of a choice."""
    counts = (row["batch"], row["precision"]) == (BATCH, PRECISION)
    return counts and (row["backend"], row["threads"]) == (choice["backend"], choice["threads"])


def chosen_rows(rows: Sequence[Facts], choices: Mapping[str, Facts]) -> dict[str, Facts]:
    """By model, the row of what was chosen for it; models without one are left out."""
    return {row["model"]: row for row in rows if row["model"] in choices and is_of(row, choices[row["model"]])}


def median_speedup(rows: Sequence[Facts], choices: Mapping[str, Facts]) -> float | None:
    """Median over models of the chosen backend's speed-up; None without any."""
    counted = chosen_rows(rows, choices).values()
    return float(np.median([row["speedup_vs_eager"] for row in counted])) if counted else None


def misses(rows: Sequence[Facts], choices: Mapping[str, Facts]) -> list[str]:
    """What does not hold, one line each; empty when all does.

    Parameters
    ----------
    choices
        By model: ``backend`` and ``threads``.
    """
    counted = chosen_rows(rows, choices)
    found = [
        f"{model}: {choice['backend']} was chosen and not measured at batch {BATCH} in {PRECISION}"
        for model, choice in choices.items()
        if model not in counted
    ]
    for model, row in counted.items():
        found += [f"{model}, {row['backend']}: {miss}" for miss in misses_of(row)]
    median = median_speedup(rows, choices)
    if median is not None and not median >= MEDIAN_FASTER:
        found.append(f"median over {len(counted)} models: {median:.2f} × eager, expected {MEDIAN_FASTER:g}")
    return found


def misses_of(row: Facts) -> list[str]:
    """What does not hold of one row."""
    found = []
    least = FASTER[row["bound"]]
    if not row["speedup_vs_eager"] >= least:
        found.append(f"{row['speedup_vs_eager']:.2f} × eager, expected {least:g} (bound by {row['bound']})")
    if not row["ratio_to_raw"] <= NEAR_RAW:
        found.append(f"{row['ratio_to_raw']:.3f} of the time of the raw runtime, expected at most {NEAR_RAW:g}")
    return found
