from __future__ import annotations

import numpy as np
import pytest

from calibration.brainae.curves import masked_retrieval, over_channels, over_time, windows
from streamkit.errors import BadInput
from tests.calibration.brainae.toy import DRAWS, fitted, toy


def test_windows_follow_each_other_and_the_last_may_be_short() -> None:
    assert windows(60, 25) == [(0, 25), (25, 50), (50, 60)]


def test_one_window_is_no_course() -> None:
    with pytest.raises(BadInput, match="25 samples are no more than one window of 25"):
        windows(25)


@pytest.mark.parametrize(
    ("course", "masked"),
    [("increasing", [10, 20, 30]), ("decreasing", [30, 20, 10]), ("single", [10, 10, 10])],
)
def test_a_course_masks_up_to_from_or_just_the_window(course: str, masked: list[int]) -> None:
    made = over_time(course, 30, 10)
    assert [int(gone.sum()) for gone in made.values()] == masked
    for (start, stop), gone in made.items():
        assert gone[0, start:stop].all()


def test_a_region_masks_its_channels() -> None:
    made = over_channels({"back": (1, 2)}, 4)
    assert made["back"].ravel().tolist() == [False, True, True, False]


@pytest.mark.parametrize("channels", [(), (4,), (-1, 2)])
def test_a_region_that_is_not_there_is_named(channels: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="region 'back' has channels"):
        over_channels({"back": channels}, 4)


def test_masking_everything_leaves_chance_and_masking_more_costs_more() -> None:
    model, test = fitted(), toy().test.by_image()
    shape = test.X.shape[1:]
    whole, all_of_it = (masked_retrieval(model, test, gone, DRAWS)[0] for gone in (None, np.ones(shape, bool)))
    assert all_of_it.each.mean() == pytest.approx(all_of_it.chance, abs=1e-6)
    masks = over_time("increasing", shape[1], 10).values()
    course = [float(masked_retrieval(model, test, gone, DRAWS)[0].each.mean()) for gone in masks]
    assert whole.each.mean() >= course[0] > course[-1]
