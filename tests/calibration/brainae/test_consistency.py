from __future__ import annotations

import numpy as np
import pytest

from calibration.brainae.consistency import consistency, worth
from calibration.brainae.curves import masked_retrieval, over_time
from tests.calibration.brainae.toy import DRAWS, fitted, toy

RNG = np.random.default_rng(0)


def test_parts_whose_worth_is_what_is_predicted_of_them_agree() -> None:
    strength = np.linspace(0, 1, 20)[:, None]
    noise = RNG.standard_normal((2, 20, 50))
    found = consistency("x", strength + 0.1 * noise[0], strength + 0.1 * noise[1], DRAWS)
    assert found.value > 0.95
    assert found.ci95[0] > 0.9
    assert found.p == pytest.approx(1 / 201)


def test_unrelated_parts_do_not() -> None:
    found = consistency("x", RNG.standard_normal((20, 50)), RNG.standard_normal((20, 50)), DRAWS)
    assert abs(found.value) < 0.6
    assert found.p > 0.01


def test_parts_of_equal_worth_have_no_correlation_and_say_so() -> None:
    found = consistency("x", np.zeros((5, 10)), RNG.standard_normal((5, 10)), DRAWS)
    assert np.isnan(found.value)
    assert np.isnan(found.p)


def test_the_worth_of_a_window_is_what_retrieval_loses_without_it() -> None:
    model, test = fitted(), toy().test.by_image()
    masks = list(over_time("single", test.X.shape[2], 10).values())
    found = worth(model, test, masks)
    assert found.accuracy.shape == (len(masks), len(test))
    for gone, fall in zip(masks, found.accuracy, strict=True):
        whole, left = (masked_retrieval(model, test, each, DRAWS)[0].each for each in (None, gone))
        np.testing.assert_allclose(fall, whole - left)
    assert found.margin.mean(1).max() > 0
    part = masks[1][0]
    a, b = model.predict(test.features)[3][:, part], test.X[3][:, part]
    assert found.encoding[1, 3] == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-5)
