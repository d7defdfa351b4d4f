"""Scores of trials by channel, against plain formulas and with images permuted."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.image2ecog.scores import EV, MSE, R, compared, joined, score_arrays, values_r
from calibration.metrics import Draws
from calibration.tables.items import score
from tests.calibration.image2ecog.toy import DRAWS, fitted, subject

RNG = np.random.default_rng(0)


def test_each_metric_is_its_formula_along_time() -> None:
    Y, said = RNG.standard_normal((5, 30)) + 1, RNG.standard_normal((3, 30))
    found = compared(Y, said)
    for n in range(5):
        for m in range(3):
            left = Y[n] - said[m]
            assert found[R][n, m] == pytest.approx(np.corrcoef(Y[n], said[m])[0, 1])
            assert found[MSE][n, m] == pytest.approx(np.mean(left**2))
            assert found[EV][n, m] == pytest.approx(1 - left.var() / Y[n].var())


def test_the_correlation_with_a_constant_is_not_defined() -> None:
    found = compared(RNG.standard_normal((2, 30)), np.zeros((1, 30)))
    assert np.isnan(found[R]).all()
    assert found[EV] == pytest.approx(0)


def test_permuted_images_get_what_is_common_to_all_of_them() -> None:
    own = np.repeat(np.arange(8), 6)
    common, told = 2 * RNG.standard_normal(30), RNG.standard_normal((8, 30))
    Y = (common + told[own])[:, None] + 0.5 * RNG.standard_normal((48, 1, 30))
    found = score_arrays(Y, (common + told)[:, None], own, np.array([1]), 3)[R]
    value, null = found.channels(), found.null(Draws(1, 200, 0))
    assert np.isnan(value[[0, 2]]).all()
    assert value[1] > 0.9
    assert null[:, 1].max() < value[1]
    assert null[:, 1].mean() == pytest.approx(np.corrcoef(Y[:, 0], Y[:, 0])[0, 8:].mean(), abs=0.1)
    items = found.items(slice(None), Draws(1, 200, 0))
    assert items.each.mean() == pytest.approx(value[1])
    assert items.chance == pytest.approx(null[:, 1].mean(), abs=0.05)


def test_every_image_counts_once_however_many_trials_it_has() -> None:
    own = np.repeat(np.arange(6), (50, 5, 5, 5, 5, 5))
    common = RNG.standard_normal(30)
    Y = np.where(own[:, None] == 0, 0, common)[:, None] + RNG.standard_normal((len(own), 1, 30))
    found = score_arrays(Y, np.repeat(common[None, None], 6, axis=0), own, np.array([0]), 1)[R]
    items = found.items(slice(None), Draws(100, 200, 0))
    assert items.each[0] < 0.5 * items.each[1:].mean()
    assert items.each.mean() == pytest.approx(items.chance)
    assert items.null.mean() == pytest.approx(items.chance)
    assert items.each.mean() == pytest.approx(found.channels()[0])
    assert score([items], Draws(100, 200, 0)).p == 1
    assert "every image once" in items.note


def test_folds_are_joined_image_by_image() -> None:
    own = np.repeat(np.arange(3), 2)
    parts = [
        score_arrays(RNG.standard_normal((6, 2, 30)), RNG.standard_normal((3, 2, 30)), own, np.arange(2), 2)[R].items(
            slice(None), DRAWS
        )
        for _ in range(2)
    ]
    both = joined(parts)
    np.testing.assert_array_equal(both.each, np.concatenate([one.each for one in parts]))
    np.testing.assert_allclose(both.null, (parts[0].null + parts[1].null) / 2)


def test_values_are_correlated_over_trials_and_permuting_images_leaves_nothing() -> None:
    r, null = values_r(fitted(head="scalar", span=(0.2, 0.25)), subject(), DRAWS)
    assert r[:6].mean() > 0.25
    assert abs(null.mean()) < 0.08
    assert r[:6].mean() > null[:, :6].mean(1).max()
    assert abs(r[6:].mean()) < 0.15
