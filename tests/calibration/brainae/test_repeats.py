from __future__ import annotations

import numpy as np

from calibration.brainae.repeats import counts_of, over_repeats
from calibration.brainae.scores import retrieval
from tests.calibration.brainae.toy import DRAWS, REPEATS, fitted, toy


def test_counts_double_from_one_and_end_with_all() -> None:
    assert counts_of(1) == (1,)
    assert counts_of(8) == (1, 2, 4, 8)
    assert counts_of(80) == (1, 2, 4, 8, 16, 32, 64, 80)


def test_accuracy_and_encoding_rise_with_repeats_and_single_trials_are_above_chance() -> None:
    found = over_repeats(fitted(), toy().test, DRAWS)
    assert list(found) == [1, 2, 4, REPEATS]
    top_1 = [float(items[0].each.mean()) for items in found.values()]
    r = [float(items[2].each.mean()) for items in found.values()]
    assert top_1[0] < top_1[-1]  # in between, a few images more or less are chance
    assert r == sorted(r)
    assert top_1[0] > np.max(found[1][0].null)


def test_with_all_repeats_it_is_the_score_of_the_mean() -> None:
    found = over_repeats(fitted(), toy().test, DRAWS, (REPEATS,))[REPEATS][0]
    np.testing.assert_array_equal(found.each, retrieval(fitted(), toy().test.by_image(), DRAWS)[0].each)


def test_a_few_repeats_are_drawn_anew_several_times() -> None:
    found = over_repeats(fitted(), toy().test, DRAWS, (1,), times=4)[1][0]
    assert set(np.round(4 * found.each, 6)) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert "4 draws of the repeats" in found.note
