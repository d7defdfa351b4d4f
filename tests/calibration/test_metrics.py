from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from calibration import metrics
from calibration.metrics import Draws

DRAWS = Draws(200, 200, 0)
FALSE_ALARMS = 4
"""Of 20 tests at 5 %, more than this happen by chance once in 400 times."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_auc_equals_that_of_scikit_learn_ties_included(rng):
    y = rng.integers(0, 2, 300)
    score = np.round(rng.standard_normal(300) + y, 1)
    assert metrics.auc(y, score) == pytest.approx(sk.roc_auc_score(y, score), abs=1e-12)


def test_auc_of_one_class_is_not_a_number():
    assert np.isnan(metrics.auc(np.ones(5, int), np.arange(5.0)))


def test_accuracies_equal_those_of_scikit_learn(rng):
    y, guess = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    assert metrics.accuracy(y, guess) == pytest.approx(sk.accuracy_score(y, guess))
    assert metrics.balanced_accuracy(y, guess) == pytest.approx(sk.balanced_accuracy_score(y, guess))


def test_pearson_equals_that_of_numpy_and_a_constant_has_none(rng):
    a, b = rng.standard_normal(50), rng.standard_normal(50)
    assert metrics.pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert np.isnan(metrics.pearson(a, np.ones(50)))


def test_shuffled_labels_score_at_chance_and_are_not_significant(rng):
    found = []
    for _ in range(20):
        y, score = rng.integers(0, 2, 400), rng.standard_normal(400)
        found.append(metrics.score_classes("auc", metrics.auc, y, score, np.repeat("a", 400), 0.5, DRAWS))
    assert sum(one.p <= 0.05 for one in found) <= FALSE_ALARMS
    assert sum(not one.ci95[0] < 0.5 < one.ci95[1] for one in found) <= FALSE_ALARMS


def test_a_perfect_decoder_has_the_smallest_p_the_permutations_allow():
    y = np.tile([0, 1], 50)
    found = metrics.score_classes("auc", metrics.auc, y, y.astype(float), np.repeat("a", 100), 0.5, DRAWS)
    assert (found.value, found.ci95, found.p) == (1.0, (1.0, 1.0), pytest.approx(1 / 201))


def test_many_groups_are_resampled_whole_and_the_note_says_so(rng):
    y, groups = np.tile([0, 1], 100), np.repeat(np.arange(10), 20)
    score = y + 3.0 * rng.standard_normal(10)[groups]
    found = metrics.score_classes("auc", metrics.auc, y, score, groups, 0.5, DRAWS)
    items = metrics.score_classes("auc", metrics.auc, y, score, groups // 5, 0.5, DRAWS)
    assert "over groups" in found.note
    assert "items within groups" in items.note


def test_scoring_within_groups_is_blind_to_offsets_between_them():
    y, groups = np.tile([0, 1], 100), np.repeat(np.arange(4), 50)
    score = y + 100.0 * groups * (-1) ** groups
    within = metrics.score_classes("auc", metrics.auc, y, score, groups, 0.5, DRAWS, within=True)
    assert within.value == 1.0
    assert metrics.auc(y, score) < 0.7


def test_two_slow_unrelated_signals_are_not_significantly_correlated(rng):
    found = []
    for _ in range(20):
        one, other = (np.convolve(rng.standard_normal(1200), np.ones(100), "valid")[:1000] for _ in range(2))
        found.append(metrics.score_trace("pearson", one, other, np.zeros(1000), DRAWS, block=200))
    assert sum(one.p <= 0.05 for one in found) <= FALSE_ALARMS
    assert sum(not one.ci95[0] < 0 < one.ci95[1] for one in found) <= FALSE_ALARMS


def test_identification_chances_equal_the_count_over_all_draws():
    from itertools import combinations

    similarity = np.array([[0.3, 0.9, 0.1, 0.3, 0.5]])
    exact = metrics.win_chances(similarity, 3)[0]
    for item in range(5):
        others = [k for k in range(5) if k != item]
        wins = []
        for pair in combinations(others, 2):
            rivals = similarity[0, list(pair)]
            ties = np.sum(rivals == similarity[0, item])
            wins.append(0.0 if rivals.max() > similarity[0, item] else 1 / (1 + ties))
        assert exact[item] == pytest.approx(np.mean(wins))


def test_identification_of_noise_is_at_chance_and_of_the_images_themselves_perfect(rng):
    shown = rng.uniform(size=(200, 1, 6, 6))
    noise = metrics.score_identification(rng.uniform(size=shown.shape), shown, np.arange(200), 20, DRAWS)
    perfect = metrics.score_identification(shown, shown, np.arange(200), 20, DRAWS)
    assert noise.ci95[0] < 0.05 < noise.ci95[1]
    assert (perfect.value, perfect.chance) == (pytest.approx(1.0), 0.05)
    assert perfect.p == pytest.approx(1 / 201)


def test_one_reconstruction_for_all_identifies_at_chance(rng):
    shown = rng.uniform(size=(100, 1, 6, 6))
    mean = np.repeat(shown.mean(0, keepdims=True), 100, axis=0)
    for same in (mean, np.zeros_like(mean)):
        assert metrics.score_identification(same, shown, np.arange(100), 10, DRAWS).value == pytest.approx(0.1)


def test_repeats_of_an_image_are_never_each_others_candidates(rng):
    shown = np.repeat(rng.uniform(size=(5, 1, 6, 6)), 4, axis=0)
    found = metrics.score_identification(shown, shown, np.repeat(np.arange(5), 4), 20, DRAWS)
    assert found.value == pytest.approx(1.0)
    assert found.chance == 0.2


def test_one_answer_to_everything_is_at_chance_however_often_an_image_was_shown(rng):
    images = rng.uniform(size=(30, 1, 6, 6))
    identity = np.repeat(np.arange(30), [200, *([1] * 29)])  # one picture most of the time
    answer = np.repeat(images[:1], len(identity), axis=0)  # and that one is always answered
    found = metrics.score_identification(answer, images[identity], identity, 10, DRAWS)
    assert found.value == pytest.approx(0.1)
    assert found.ci95[0] <= found.value <= found.ci95[1]
    assert found.p > 0.3
    pixels = metrics.score_pixels(answer, images[identity], identity, DRAWS)
    assert pixels.value == pytest.approx(pixels.chance)
    assert pixels.ci95[0] <= pixels.value <= pixels.ci95[1]


def test_a_score_becomes_a_metric_of_a_bundle_with_its_p_in_the_note():
    kept = metrics.Score("auc", 0.8, 0.5, (0.7, 0.9), 0.001, 40, "how").metric()
    assert (kept.name, kept.value, kept.chance, kept.ci95, kept.n) == ("auc", 0.8, 0.5, (0.7, 0.9), 40)
    assert kept.note == "p = 0.001; how"


def test_what_has_no_value_has_no_p(rng):
    score = metrics.score_trace("pearson", rng.standard_normal(400), np.ones(400), np.zeros(400, int), Draws(20, 20))
    assert np.isnan(score.value)
    assert np.isnan(score.p)
    assert "p = " not in (score.metric().note or "")


def test_shares_of_a_correlation_add_up_and_their_interval_covers_it(rng):
    """Forty pictures, noise that all neurons share: the interval over pictures holds the true correlation."""
    r, held = 0.6, 0
    for _ in range(200):
        picture = rng.standard_normal((40, 1))
        said = np.repeat(picture, 30, 1) + 0.1 * rng.standard_normal((40, 30))
        recorded = r * picture + np.sqrt(1 - r**2) * rng.standard_normal((40, 1)) + 0.1 * rng.standard_normal((40, 30))
        shares = metrics.shares_of_correlation(said, recorded)
        assert shares.mean() == pytest.approx(metrics.column_correlations(said, recorded).mean())
        boot = metrics.means_of_drawn(shares, Draws(200), rng)
        low, high = np.percentile(boot, (2.5, 97.5))
        held += low <= r / 1.01 <= high
    assert held / 200 > 0.85
    assert np.isnan(metrics.shares_of_correlation(np.ones((5, 2)), np.ones((5, 2)))).all()


def slow(lot, n):
    """Pictures ``(n, 3, 4, 4)`` each of which is much like the one before."""
    steps = lot.standard_normal((n, 48))
    for k in range(1, n):
        steps[k] += 0.95 * steps[k - 1]
    return steps.reshape(n, 3, 4, 4)


def test_windows_of_a_stream_that_know_nothing_are_seldom_significant():
    """Pictures that change slowly beside a film that does as well; with images permuted one by one they often are."""
    n, found = 300, {"in time": 0, "image by image": 0}
    for k in range(60):
        lot = np.random.default_rng(k)
        seen, shown = slow(lot, n), slow(lot, n)
        for name, sequence in (("in time", np.zeros(n, int)), ("image by image", None)):
            score = metrics.score_identification(seen, shown, np.arange(n), 10, Draws(2, 60, k), sequence=sequence)
            found[name] += score.p < 0.05
    assert found["in time"] <= 9  # of 60 at 5 %; more have a chance of .001
    assert found["image by image"] > 9


def test_scores_of_a_stream_draw_blocks_and_find_what_is_there(rng):
    frames, shown = rng.random((20, 3, 8, 8)), np.repeat(np.arange(20), 15)
    seen = frames[shown] + rng.standard_normal((300, 3, 8, 8))
    for each in (
        metrics.score_identification(seen, frames[shown], shown, 10, Draws(200, 200), sequence=shown * 0),
        metrics.score_pixels(seen, frames[shown], shown, Draws(200, 200), sequence=shown * 0),
    ):
        assert each.p < 0.01
        assert each.ci95[0] < each.value < each.ci95[1]
        assert "blocks of 15 windows" in each.note
        assert "shifts within recordings" in each.note
