from __future__ import annotations

import numpy as np
import pytest

from calibration.sections import SplitSection
from calibration.split import folds, hold_out, validation_mask
from calibration.windows import Examples
from streamkit.errors import ConfigError

N_TIMES = 20


def examples(groups: list[str], hop: int = 5, images: bool = False) -> Examples:
    names = np.array(groups)
    order = np.concatenate([np.arange(np.sum(names == name)) for name in dict.fromkeys(groups)])
    numbers = np.array([list(dict.fromkeys(groups)).index(name) for name in groups])
    n = len(groups)
    y = np.zeros((n, 1, 2, 2), np.float32) if images else np.zeros(n, int)
    labels = np.array([f"image-{k % 7}" for k in range(n)])
    return Examples(np.zeros((n, 1, N_TIMES), np.float32), y, names, labels, numbers, N_TIMES - 1 + hop * order)


def test_the_last_group_is_held_out_in_order_of_the_recordings():
    assert hold_out(["b", "a", "b", "c"], ("last",)) == (["b", "a"], ["c"])


def test_groups_are_held_out_by_pattern():
    assert hold_out(["s1-r1", "s2-r1", "s1-r2"], ("s1-*",)) == (["s2-r1"], ["s1-r1", "s1-r2"])


@pytest.mark.parametrize(("patterns", "message"), [(("nobody",), "fits no group"), (("*",), "nothing to train on")])
def test_a_split_that_cannot_be_is_explained(patterns, message):
    with pytest.raises(ConfigError, match=message):
        hold_out(["a", "b"], patterns)


def test_validation_takes_whole_groups_where_there_are_enough():
    made = examples([name for name in "abcde" for _ in range(20)])
    train, aside = validation_mask(made, 0.2, N_TIMES, 0)
    assert len(set(made.groups[aside])) == 1
    assert not set(made.groups[train]) & set(made.groups[aside])
    assert (train | aside).all()


def test_validation_windows_never_share_a_sample_with_training_windows():
    made = examples(["a"] * 60 + ["b"] * 40)
    train, aside = validation_mask(made, 0.2, N_TIMES, 0)
    for number in (0, 1):
        newest = made.last[train & (made.recording == number)].max()
        oldest = made.last[aside & (made.recording == number)].min() - N_TIMES + 1
        assert newest < oldest
    assert aside.sum() == 20


def test_an_image_of_the_validation_end_is_not_trained_on():
    made = examples(["a"] * 30, hop=N_TIMES, images=True)
    train, aside = validation_mask(made, 0.1, N_TIMES, 0)
    assert train.any()
    assert not set(made.labels[train]) & set(made.labels[aside])


def test_validation_groups_can_be_named():
    made = examples(["train"] * 5 + ["validation"] * 5)
    train, aside = validation_mask(made, ("validation",), N_TIMES, 0)
    assert set(made.groups[aside]) == {"validation"}
    assert set(made.groups[train]) == {"train"}
    with pytest.raises(ConfigError, match="fits none of the training groups"):
        validation_mask(made, ("other",), N_TIMES, 0)


@pytest.mark.parametrize("cv", ["leave-one-group-out", "k-fold"])
def test_every_group_is_in_exactly_one_fold(cv):
    groups = np.array([name for name in "abcdefg" for _ in range(3)])
    parts = list(folds(groups, SplitSection(cv=cv, folds=3), 0))
    assert len(parts) == (7 if cv == "leave-one-group-out" else 3)
    assert np.array_equal(sum(inside.astype(int) for _, inside in parts), np.ones(21))
    for names, inside in parts:
        assert set(groups[inside]) == set(names)


def test_more_folds_than_groups_are_refused():
    with pytest.raises(ConfigError, match="there are 2"):
        list(folds(np.array(["a", "b"]), SplitSection(cv="k-fold", folds=3), 0))
