from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from calibration.analyses.agreement import agreement
from calibration.metrics import Draws
from streamkit.errors import BadInput

RNG = np.random.default_rng(0)
DRAWS = Draws(200, 200, 0)


def symmetric(n: int = 15) -> np.ndarray:
    half = RNG.standard_normal((n, n))
    return half + half.T


def test_agreement_is_the_correlation_of_what_lies_above_the_diagonals() -> None:
    a, b = symmetric(), symmetric()
    upper = np.triu_indices(15, 1)
    assert agreement("x", a, b, DRAWS).value == pytest.approx(np.corrcoef(a[upper], b[upper])[0, 1])
    ranked = agreement("x", a, np.exp(b), DRAWS, ranks=True).value
    assert ranked == pytest.approx(spearmanr(a[upper], b[upper]).statistic)


def test_unrelated_matrices_do_not_agree() -> None:
    found = agreement("x", symmetric(), symmetric(), DRAWS)
    assert found.p > 0.05
    assert found.ci95[0] < 0 < found.ci95[1]


def test_a_matrix_agrees_with_itself_in_noise() -> None:
    a = symmetric()
    found = agreement("x", a, a + 0.3 * symmetric(), DRAWS)
    assert found.value > 0.8
    assert found.ci95[0] > 0.5
    assert found.p == pytest.approx(1 / 201)


def test_matrices_of_other_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="square"):
        agreement("x", symmetric(4), symmetric(5), DRAWS)
