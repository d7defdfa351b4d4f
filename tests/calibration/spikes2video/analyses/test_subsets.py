"""Fewer sites and coarser bins of the same trials."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.spikes2video.analyses.subsets import coarser, thinned
from streamkit.errors import ConfigError

REGION = np.repeat(["PFC", "MT", "IT"], [30, 20, 2])


def test_every_region_keeps_its_share_and_one_site_at_least() -> None:
    kept = thinned(REGION, 0.1, seed=0)
    names, counts = np.unique(REGION[kept], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {"IT": 1, "MT": 2, "PFC": 3}
    np.testing.assert_array_equal(thinned(REGION, 1.0, seed=0), np.arange(len(REGION)))


def test_sites_of_a_smaller_share_are_among_those_of_a_larger_one() -> None:
    shares = [set(thinned(REGION, share, seed=3).tolist()) for share in (0.1, 0.3, 0.7)]
    assert shares[0] < shares[1] < shares[2]
    assert set(thinned(REGION, 0.3, seed=4).tolist()) != shares[1]


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="above 0 and up to 1"):
        thinned(REGION, share, seed=0)


def test_neighbouring_bins_are_counted_together_and_their_number_stays() -> None:
    X = np.arange(14, dtype=np.float32).reshape(1, 7, 2)
    made = coarser(X, 3)
    assert made.shape == X.shape
    np.testing.assert_allclose(made[0, :, 0], [2, 2, 2, 8, 8, 8, 12])
    np.testing.assert_array_equal(coarser(X, 1), X)
    assert made.dtype == np.float32


def test_more_bins_than_there_are_cannot_be_counted_together() -> None:
    with pytest.raises(ConfigError, match="8 bins cannot be counted together: a trial has 7"):
        coarser(np.zeros((1, 7, 2)), 8)
