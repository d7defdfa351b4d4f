"""Clusters stay clusters in two dimensions, and noise has none."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.metrics import Draws
from calibration.spikes2video.analyses.projection import LAYOUTS, lay_out, like_neighbours, neighbours_of, same_kind
from streamkit.errors import BadInput

RNG = np.random.default_rng(0)
DRAWS = Draws(50, 200, 0)
KIND = np.repeat(["MT", "V4", "IT"], 20)


def clusters(apart: float) -> np.ndarray:
    centres = RNG.normal(0, apart, (3, 15))
    return np.repeat(centres, 20, axis=0) + RNG.normal(size=(60, 15))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clusters_stay_clusters(layout: str) -> None:
    laid = lay_out(clusters(5.0), layout)  # type: ignore[arg-type]
    found = same_kind("area", laid, KIND, DRAWS)
    assert laid.shape == (60, 2)
    assert found.each.mean() > 0.9
    assert found.null.mean() == pytest.approx(found.chance, abs=0.02)
    assert found.chance == pytest.approx(19 / 59)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_noise_has_no_kinds(layout: str) -> None:
    found = same_kind("area", lay_out(clusters(0.0), layout), KIND, DRAWS)  # type: ignore[arg-type]
    low, high = np.percentile(found.null, (0.5, 99.5))
    assert low <= found.each.mean() <= high


def test_the_layout_is_the_same_each_time() -> None:
    points = clusters(2.0)
    np.testing.assert_array_equal(lay_out(points, "t-SNE"), lay_out(points, "t-SNE"))


def test_pca_keeps_the_widest_two_directions() -> None:
    points = RNG.normal(size=(200, 5)) * [1, 7, 1, 3, 1]
    laid = lay_out(points, "PCA")
    assert abs(np.corrcoef(laid[:, 0], points[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(laid[:, 1], points[:, 3])[0, 1]) > 0.95


def test_a_value_that_varies_smoothly_is_like_its_neighbours() -> None:
    laid = RNG.normal(size=(150, 2))
    smooth = like_neighbours("response", laid, laid[:, 0] + 0.1 * RNG.normal(size=150), DRAWS)
    noise = like_neighbours("response", laid, RNG.normal(size=150), DRAWS)
    near = neighbours_of(laid)
    value = laid[:, 0]
    exact = like_neighbours("response", laid, value, DRAWS).each.mean()
    assert exact == pytest.approx(np.corrcoef(value, value[near].mean(1))[0, 1])
    assert smooth.each.mean() > 0.8
    assert np.percentile(noise.null, 0.5) <= noise.each.mean() <= np.percentile(noise.null, 99.5)


def test_few_points_take_a_smaller_perplexity_and_three_are_refused() -> None:
    assert lay_out(RNG.normal(size=(12, 5)), "t-SNE").shape == (12, 2)
    with pytest.raises(BadInput, match="3 points cannot be laid out"):
        lay_out(np.zeros((3, 5)), "PCA")
