"""Pseudo-trials cannot leak: no spike of a site is on two sides of a split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.spikes2video.material import Trials
from calibration.spikes2video.pseudo import (
    SHARES,
    chosen_sites,
    drawn,
    folds,
    joined,
    material_of,
    pseudo_trials,
    split,
)
from streamkit.errors import BadInput, ConfigError
from tests.calibration.spikes2video.clips import trials

PARTS = ("train", "validation", "test")


def named(per_condition: int = 10, first: int = 0) -> Trials:
    """Trials whose counts say which trial and site they are: all bins hold ``100 * trial + site``."""
    real = trials(per_condition)
    name = first + 100 * np.arange(len(real))[:, None, None] + np.arange(real.size[1])[None, None]
    return replace(real, X=np.broadcast_to(name, real.X.shape).astype(np.float32))


def names_in(found: Trials) -> set[float]:
    return set(np.unique(found.X).tolist())


def test_no_spike_of_a_site_is_on_two_sides() -> None:
    sessions = [named(first=0), named(first=1_000_000)]
    dealt = [split(session) for session in sessions]
    material = material_of(
        {part: [each[part] for each in dealt] for part in PARTS}, dict.fromkeys(PARTS, 12), "named", True
    )
    held = [names_in(getattr(material, part)) for part in PARTS]
    assert all(held)
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]


def test_put_together_before_the_split_they_would_leak() -> None:
    together = pseudo_trials([named()], 20)
    dealt = split(together)
    assert names_in(dealt["train"]) & names_in(dealt["test"])


def test_every_site_keeps_its_condition() -> None:
    real = named()
    pseudo = pseudo_trials([real], 7)
    of_trial = (pseudo.X[:, 0] // 100).astype(int)
    np.testing.assert_array_equal(real.condition[of_trial], np.repeat(pseudo.condition[:, None], real.size[1], axis=1))
    np.testing.assert_array_equal(pseudo.X[:, 0] % 100, np.tile(np.arange(real.size[1]), (len(pseudo), 1)))


def test_sites_are_drawn_one_by_one_unless_kept_together() -> None:
    apart = (pseudo_trials([named()], 8).X[:, 0] // 100).astype(int)
    together = (pseudo_trials([named()], 8, together=True).X[:, 0] // 100).astype(int)
    assert (apart != apart[:, :1]).any()
    assert (together == together[:, :1]).all()


def test_no_trial_comes_twice_before_all_have_come() -> None:
    found = drawn(np.arange(4), 10, np.random.default_rng(0))
    assert sorted(found[:4]) == sorted(found[4:8]) == [0, 1, 2, 3]


def test_the_target_is_a_clip_of_the_condition() -> None:
    pseudo = pseudo_trials([trials(5)], 6)
    for number, rows in pseudo.rows_of_conditions():
        real = trials(5)
        assert set(pseudo.shown[rows]) <= set(real.shown[real.condition == number])


def test_a_split_is_dealt_within_every_condition() -> None:
    dealt = split(trials(10))
    for part, share in SHARES.items():
        counts = [len(rows) for _, rows in dealt[part].rows_of_conditions()]
        assert counts == [round(10 * share)] * len(trials().conditions)


def test_folds_test_every_trial_once() -> None:
    real = named(10)
    tested = [fold["test"] for fold in folds(real, 5)]
    assert sorted(np.concatenate([part.X[:, 0, 0] for part in tested])) == sorted(real.X[:, 0, 0])
    for fold in folds(real, 5):
        held = [set(fold[part].X[:, 0, 0]) for part in PARTS]
        assert not held[0] & held[1]
        assert not held[0] & held[2]
        assert not held[1] & held[2]
    with pytest.raises(ConfigError, match="2 to 10: a condition has so many trials"):
        next(folds(real, 11))


def test_joined_trials_stand_one_after_the_other() -> None:
    real = named(4)
    both = joined([real[np.arange(3)], real[np.arange(3, 8)]])
    np.testing.assert_array_equal(both.X, real.X[:8])


def test_sites_are_chosen_region_after_region() -> None:
    region = np.array(["V4", "PFC", "V4", "MT", "V4", "MT"])
    chosen = chosen_sites(region, {"MT": 1, "V4": 2}, 0)
    assert region[chosen].tolist() == ["MT", "V4", "V4"]
    with pytest.raises(BadInput, match="3 sites of MT are wanted, and there are 2"):
        chosen_sites(region, {"MT": 3})


def test_a_condition_that_a_session_lacks_is_named() -> None:
    real = trials(3)
    lacks = real[real.condition != 2]
    with pytest.raises(BadInput, match="condition 2 has no trial in one of the 2 sessions"):
        pseudo_trials([real, lacks], 4)


def test_shares_that_are_no_whole_are_refused() -> None:
    with pytest.raises(ConfigError, match="add up to 1"):
        split(trials(), {"train": 0.5, "test": 0.4})
