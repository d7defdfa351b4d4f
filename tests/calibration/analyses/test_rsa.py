from __future__ import annotations

import numpy as np
import pytest

from calibration.analyses.rsa import contrast, dissimilarity
from calibration.metrics import Draws
from streamkit.errors import BadInput

RNG = np.random.default_rng(0)
DRAWS = Draws(200, 200, 0)


def test_dissimilarity_is_one_minus_the_correlation() -> None:
    items = RNG.standard_normal((6, 3, 5))
    found = dissimilarity(items)
    np.testing.assert_allclose(found, 1 - np.corrcoef(items.reshape(6, -1)), atol=1e-12)
    np.testing.assert_array_equal(np.diag(found), 0)


def test_categories_that_were_planted_stand_apart() -> None:
    names = np.repeat(["animal", "food", "tool", "vehicle"], 8)
    centres = RNG.standard_normal((4, 20))
    items = np.repeat(centres, 8, axis=0) + 0.5 * RNG.standard_normal((32, 20))
    found = contrast("x", dissimilarity(items), names, DRAWS)
    assert found.value > 0.4
    assert found.ci95[0] > 0.2
    assert found.p == pytest.approx(1 / 201)


def test_the_contrast_is_between_less_within() -> None:
    table = np.array([[0, 1, 4, 5], [1, 0, 6, 7], [4, 6, 0, 2], [5, 7, 2, 0]], float)
    assert contrast("x", table, ["a", "a", "b", "b"], DRAWS).value == pytest.approx((4 + 5 + 6 + 7) / 4 - (1 + 2) / 2)


def test_categories_of_noise_do_not_stand_apart() -> None:
    found = contrast("x", dissimilarity(RNG.standard_normal((30, 40))), ["a", "b"] * 15, DRAWS)
    assert found.ci95[0] < 0 < found.ci95[1]
    assert found.p > 0.05


def test_one_category_has_no_contrast() -> None:
    with pytest.raises(BadInput, match="two categories"):
        contrast("x", np.zeros((3, 3)), ["a", "a", "a"], DRAWS)
