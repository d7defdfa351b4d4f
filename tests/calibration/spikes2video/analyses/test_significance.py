"""The paper's tests against SciPy, counting and the table in Holm's paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from calibration.spikes2video.analyses.significance import corrected, holm, share_of_nulls, t_test

RNG = np.random.default_rng(0)


def test_degrees_of_freedom_are_the_paper_s() -> None:
    assert t_test(RNG.normal(size=64), RNG.normal(size=64)).df == 126
    assert t_test(RNG.normal(size=64), RNG.normal(size=100)).df == 162


def test_the_t_test_is_what_the_formula_gives() -> None:
    a, b = RNG.normal(0.4, 1, 64), RNG.normal(0, 1, 100)
    found = t_test(a, b)
    pooled = (a.var(ddof=1) * 63 + b.var(ddof=1) * 99) / 162
    t = (a.mean() - b.mean()) / np.sqrt(pooled * (1 / 64 + 1 / 100))
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(2 * student.sf(abs(t), 162))


def test_what_is_not_defined_is_left_out_and_counted_so() -> None:
    assert t_test(np.array([1.0, 2, np.nan, 3]), np.array([1.0, 2, 3])).df == 4


def test_two_constants_and_single_values_have_no_t() -> None:
    assert t_test(np.ones(5), np.ones(5)).facts() == {"t": None, "df": 8, "p_t": None}
    assert t_test(np.array([1.0, np.nan]), np.arange(3.0)).facts() == {"t": None, "df": 2, "p_t": None}


def test_the_value_itself_is_one_of_the_nulls() -> None:
    null = np.arange(99.0)
    assert share_of_nulls(1000, null) == pytest.approx(0.01)
    assert share_of_nulls(97.5, null) == pytest.approx(0.02)
    assert share_of_nulls(-1, null) == pytest.approx(1.0)
    assert share_of_nulls(-1, null, lower=True) == pytest.approx(0.01)
    assert np.isnan(share_of_nulls(0.0, np.array([np.nan])))


def test_holm_steps_down_and_never_turns_back() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.4, np.nan, 0.9]), [0.8, np.nan, 0.9])
    assert holm([0.7, 0.8]).max() == 1.0


def test_each_metric_and_level_is_a_family_of_its_own() -> None:
    rows = [
        {"metric": "a", "level": "means", "p_t": 0.01},
        {"metric": "a", "level": "means", "p_t": 0.02},
        {"metric": "a", "level": "trials", "p_t": 0.01},
        {"metric": "b", "level": "means", "p_t": 0.01},
        {"metric": "b", "level": "means"},
    ]
    assert [line.get("p_holm") for line in corrected(rows)] == [0.02, 0.02, 0.01, 0.01, None]
    assert "p_holm" not in rows[0]


def test_the_chance_of_one_false_alarm_stays_where_it_should() -> None:
    alarms = [(holm([t_test(*RNG.normal(size=(2, 20))).p for _ in range(6)]) < 0.05).any() for _ in range(300)]
    assert np.mean(alarms) < 0.09
