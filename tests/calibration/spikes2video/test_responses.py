"""Predicted activity beside recorded activity, against planted predictions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from calibration.metrics import Draws, pearson
from calibration.spikes2video.analyses.bands import SLOW_BANDS
from calibration.spikes2video.content import LEVELS, correlated
from calibration.spikes2video.responses import by_band, by_region, explained, items_of, predicted, recorded, table_of
from tests.calibration.spikes2video.clips import REGION, trials

RNG = np.random.default_rng(0)
DRAWS = Draws(50, 200, 0)


@dataclass
class Planted:
    """Stands for a trained inverse that knows the rates of each clip, or those of none."""

    knows: float = 1.0
    mean: np.ndarray = field(default_factory=lambda: np.full(len(REGION), 5.0, np.float32))
    std: np.ndarray = field(default_factory=lambda: np.full(len(REGION), 3.0, np.float32))
    region: np.ndarray = field(default_factory=lambda: REGION)
    sites: np.ndarray = field(default_factory=lambda: np.arange(len(REGION)))

    def predict_counts(self, video: np.ndarray) -> np.ndarray:
        many = trials(200)
        _, rates = many.mean_of_conditions(many.X)
        return self.knows * rates + (1 - self.knows) * rates.mean(0)


def test_what_knows_the_rates_predicts_means_better_than_single_trials() -> None:
    found = by_region(Planted(), trials(6, seed=3), DRAWS)
    for name in ("PFC", "MT", "V4"):
        means, singles = (found[name, level] for level in LEVELS)
        assert means.each.mean() > 0.85
        assert means.each.mean() > singles.each.mean() > 0.4
        assert means.null.max() < means.each.mean()
        assert means.each.shape == singles.each.shape == (8,)


def test_what_knows_only_what_is_common_to_all_is_at_chance() -> None:
    found = by_region(Planted(knows=0.0), trials(6, seed=3), DRAWS)
    for items in found.values():
        assert items.each.mean() == pytest.approx(items.chance, abs=1e-6)


def test_predictions_are_standardised_by_condition() -> None:
    shown = trials(2)
    found = predicted(Planted(), shown)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, (Planted().predict_counts(shown.videos) - 5) / 3, rtol=1e-5)


def test_recorded_activity_is_averaged_at_one_level_only() -> None:
    shown = trials(6)
    means, singles = (recorded(shown, Planted(), level) for level in LEVELS)  # type: ignore[arg-type]
    assert {part.shape[0] for part in means} == {1}
    assert {part.shape[0] for part in singles} == {6}
    np.testing.assert_allclose(means[3][0], singles[3].mean(0))


def test_the_table_has_predictions_in_rows() -> None:
    prediction, activity = RNG.normal(size=(3, 4, 2)), [RNG.normal(size=(2, 4, 2)) for _ in range(3)]
    table = table_of(prediction, activity, correlated)
    by_hand = np.mean([pearson(prediction[0].ravel(), trial.ravel()) for trial in activity[2]])
    assert table[0, 2] == pytest.approx(by_hand)
    items = items_of("r", table, DRAWS)
    np.testing.assert_array_equal(items.each, np.diag(table))
    assert items.chance == pytest.approx(table.mean())


def test_explained_variance_is_what_numpy_makes_of_it() -> None:
    a, b = RNG.normal(size=(3, 10)), RNG.normal(size=(4, 10))
    found = explained(a, b)
    for row in range(3):
        for column in range(4):
            by_hand = 1 - ((a[row] - b[column]) ** 2).sum() / ((b[column] - b[column].mean()) ** 2).sum()
            assert found[row, column] == pytest.approx(by_hand)
    np.testing.assert_allclose(np.diag(explained(b, b)), 1.0)
    assert np.isnan(explained(a, np.ones((1, 10)))).all()


def test_each_band_is_predicted_by_what_is_in_it() -> None:
    n_bins, region = 45, np.array(["MT", "MT"])
    at = np.arange(n_bins) / 10
    slow = np.sin(2 * np.pi * RNG.uniform(0.3, 0.9, (5, 1, 2)) * at[None, :, None] + RNG.uniform(0, 6, (5, 1, 2)))
    fast = np.sin(2 * np.pi * RNG.uniform(3.5, 4.5, (5, 1, 2)) * at[None, :, None] + RNG.uniform(0, 6, (5, 1, 2)))
    activity = [part[None] for part in slow + fast]
    found = by_band(slow, activity, region, 10.0, SLOW_BANDS, DRAWS)
    assert found["MT", "below 2 Hz"].each.mean() > 0.9
    assert found["MT", "above 2 Hz"].each.mean() < 0.1
