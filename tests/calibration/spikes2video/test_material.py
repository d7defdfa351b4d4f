"""Trials keep what belongs together together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.spikes2video.material import Conditions, Stages
from streamkit.errors import BadInput
from tests.calibration.spikes2video.clips import trials


def test_stages_follow_one_another() -> None:
    stages = Stages()
    assert stages.n_frames == 45
    assert stages.frames("fixation") == slice(0, 5)
    assert stages.frames("stimulus") == slice(15, 45)
    assert [(stages.of_frames() == name).sum() for name in stages._fields] == [5, 10, 30]
    assert stages.at(5).n_frames == 225


def test_cells_of_conditions_are_numbered_by_value() -> None:
    conditions = Conditions(np.array([0, 0, 1, 1]), np.eye(3)[[0, 1, 0, 1]], np.array([90.0, -90.0, -90.0, 90.0]))
    assert conditions.cell("cue").tolist() == [0, 0, 1, 1]
    assert conditions.cell("direction").tolist() == [1, 0, 0, 1]
    assert conditions.cell("colour").tolist() == [1, 0, 1, 0]


def test_rows_take_condition_and_clip_along() -> None:
    all_of_them = trials(per_condition=3)
    some = all_of_them[np.array([5, 2])]
    np.testing.assert_array_equal(some.condition, all_of_them.condition[[5, 2]])
    np.testing.assert_array_equal(some.video, all_of_them.clips(all_of_them.shown[[5, 2]]))


def test_sites_are_those_of_the_regions_named() -> None:
    found = trials().sites("MT", "V4")
    np.testing.assert_array_equal(trials().only(found).region, trials().region[found])
    assert trials().only(found).regions == ("MT", "V4")
    with pytest.raises(BadInput, match="no site lies in 'IT'; there are sites in PFC, MT, V4"):
        trials().sites("IT")


def test_the_mean_of_a_condition_is_that_of_its_trials() -> None:
    found = trials(per_condition=4)
    numbers, means = found.mean_of_conditions(found.X)
    np.testing.assert_allclose(means[2], found.X[found.condition == numbers[2]].mean(0), rtol=1e-6)


def test_what_does_not_fit_together_is_refused_with_shapes() -> None:
    with pytest.raises(BadInput, match=r"given X \(32, 27, 12\), 31 conditions"):
        replace(trials(), condition=trials().condition[1:])
    with pytest.raises(BadInput, match=r"as the stages say; given uint8"):
        replace(trials(), stages=Stages())
