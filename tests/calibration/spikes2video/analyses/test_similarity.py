"""Alike trials of one condition, unlike ones of two, and a leak that shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.metrics import Draws
from calibration.spikes2video.analyses.similarity import similarity
from streamkit.errors import BadInput
from tests.calibration.spikes2video.clips import trials

DRAWS = Draws(50, 200, 0)


def means(signal: float, **changes: object) -> dict[str, float]:
    train, test = trials(6, signal, seed=1), replace(trials(6, signal, seed=2), **changes)
    return {items.name: float(items.each.mean()) for items in similarity(train, test, DRAWS).items()}


def test_trials_of_a_condition_are_alike_on_either_side_of_the_split() -> None:
    found = means(1.0)
    assert found["within-stimulus r"] > 0.3
    assert found["cross-data r"] == pytest.approx(found["within-stimulus r"], abs=0.05)
    assert found["cross-stimulus r"] < found["within-stimulus r"] - 0.2


def test_without_a_signal_nothing_is_alike_but_by_chance() -> None:
    for items in similarity(trials(6, 0.0, seed=1), trials(6, 0.0, seed=2), DRAWS).items():
        low, high = np.percentile(items.null, (0.5, 99.5))
        assert low <= items.each.mean() <= high
        assert items.each.shape == (8,)


def test_trials_on_both_sides_of_the_split_show() -> None:
    learnt = trials(6, 1.0, seed=1)
    found = {items.name: float(items.each.mean()) for items in similarity(learnt, learnt, DRAWS).items()}
    assert found["cross-data r"] > found["within-stimulus r"] + 0.05


def test_a_pair_is_never_a_trial_with_itself() -> None:
    pairs = similarity(trials(2, 1.0, seed=1), trials(2, 1.0, seed=2), DRAWS).each["within-stimulus"]
    assert pairs.max() < 0.999


def test_the_pairs_are_as_many_as_published() -> None:
    assert {each.shape for each in similarity(trials(2), trials(2, seed=3), DRAWS).each.values()} == {(8, 12)}


def test_a_condition_of_one_trial_is_refused() -> None:
    test = trials(2, seed=3)
    with pytest.raises(BadInput, match="condition 0 has fewer"):
        similarity(trials(2), test[np.arange(1, len(test))], DRAWS)
    with pytest.raises(BadInput, match="there are 1 conditions"):
        similarity(trials(2), test[np.arange(2)], DRAWS)
