from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from calibration.metrics import Draws
from calibration.tables.subjects import over_subjects

DRAWS = Draws(500, 0, 0)
RNG = np.random.default_rng(0)


def line(value: float | None, row: str = "all", chance: float = 0.1) -> dict:
    return {
        "row": row,
        "metric": "top-1",
        "value": value,
        "chance": chance,
        "ci95": [0, 1],
        "p": 0.5,
        "n": 200,
        "note": "",
    }


def test_the_mean_of_ten_subjects_has_the_signed_rank_test_of_scipy() -> None:
    values = 0.12 + 0.05 * RNG.standard_normal(10)
    (found,) = over_subjects({f"sub-{k}": [line(value)] for k, value in enumerate(values)}, DRAWS)
    assert found["value"] == pytest.approx(values.mean())
    assert found["p"] == pytest.approx(wilcoxon(values - 0.1).pvalue)
    assert found["ci95"][0] < values.mean() < found["ci95"][1]
    assert found["n"] == 10
    assert list(found["each"]) == [f"sub-{k}" for k in range(10)]


def test_four_subjects_have_no_signed_rank_test() -> None:
    (found,) = over_subjects({str(k): [line(0.2 + k / 100)] for k in range(4)}, DRAWS)
    assert found["p"] is None


def test_lines_that_a_subject_lacks_are_left_out() -> None:
    found = over_subjects({"a": [line(0.3), line(0.4, "visual")], "b": [line(0.5), line(None, "visual")]}, DRAWS)
    assert [row["row"] for row in found] == ["all"]


def test_a_mean_keeps_of_one_subject_only_what_holds_for_all() -> None:
    lines = {str(k): [{**line(0.2 + k / 100), "chance95": [0, k / 10], "seeds": 5}] for k in range(4)}
    (found,) = over_subjects(lines, DRAWS)
    assert "chance95" not in found
    assert found["seeds"] == 5
