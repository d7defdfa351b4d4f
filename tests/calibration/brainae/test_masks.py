from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from calibration.brainae.masks import KINDS, RATIOS, missing, score_reconstruction
from streamkit.errors import BadInput
from tests.calibration.brainae.toy import DRAWS, fitted, toy

SHAPE = (6, 8, 40)
CLEAR = 2.0
"""Signal at which what is missing can be told."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_share_asked_for_is_missing_from_every_response(kind: str, ratio: float) -> None:
    gone = missing(kind, SHAPE, ratio, patch=10)
    assert gone.shape == SHAPE
    np.testing.assert_allclose(gone.mean((1, 2)), ratio)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_stays_missing_at_a_larger_ratio(kind: str) -> None:
    small, large = (missing(kind, SHAPE, ratio, patch=10, seed=3) for ratio in (0.25, 0.75))
    assert not (small & ~large).any()


def test_each_kind_takes_out_what_its_name_says() -> None:
    random, temporal, spatial, forecast = (missing(kind, SHAPE, 0.5, patch=10) for kind in KINDS)
    assert (temporal == temporal[:, :1]).all()
    assert (spatial == spatial[:, :, :1]).all()
    assert (forecast == (np.arange(40) >= 20)).all()
    blocks = random.reshape(6, 8, 4, 10)
    assert (blocks == blocks[..., :1]).all()
    assert (random != random[:, :1]).any()
    assert (random != random[:, :, :1]).any()
    for drawn in (random, temporal, spatial):
        assert (drawn != drawn[:1]).any()


def test_a_mask_never_takes_nothing_nor_everything() -> None:
    for kind in KINDS:
        for ratio in (0.01, 0.99):
            share = missing(kind, (2, 8, 50), ratio, patch=25).mean((1, 2))
            assert (share > 0).all()
            assert (share < 1).all()


def test_a_window_of_one_patch_is_refused_and_so_is_a_ratio_of_all() -> None:
    with pytest.raises(BadInput, match="40 samples holds fewer than two patches of 25"):
        missing("temporal", SHAPE, 0.5)
    with pytest.raises(BadInput, match=r"ratio = 1\.0"):
        missing("random", SHAPE, 1.0, patch=10)


def test_missing_entries_are_scored_as_numpy_would() -> None:
    model, test = fitted(), toy().test.by_image()
    gone = missing("random", test.X.shape, 0.5, 10)
    r, error, *_ = score_reconstruction(model, test, gone, DRAWS)
    rebuilt = model.decode(model.embed(np.where(gone, np.float32(0), test.X)))
    for k in (0, 7):
        a, b = rebuilt[k][gone[k]], test.X[k][gone[k]]
        assert r.each[k] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-5)
        assert error.each[k] == pytest.approx(np.mean((a - b) ** 2), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_more_is_missing_the_worse_it_is_put_back(kind: str) -> None:
    model, test = fitted(CLEAR), toy(CLEAR).test.by_image()
    found = [score_reconstruction(model, test, missing(kind, test.X.shape, each, 5), DRAWS) for each in RATIOS]
    again = [float(items[2].each.mean()) for items in found]
    assert again[0] > again[-1] + 0.1
    assert all(more < less + 0.05 for less, more in pairwise(again))
    r = [float(items[0].each.mean()) for items in found]
    assert r[0] > r[-1]
    assert r[0] > found[0][0].chance + 0.1
    whole = [float(items[4].each.mean()) for items in found]
    assert whole == sorted(whole, reverse=True)
