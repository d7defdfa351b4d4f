"""The published split trains on every image it tests; the other one on none of them, nor on another view of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.image2ecog.settings import PUBLISHED
from calibration.image2ecog.split import Parts, split
from streamkit.errors import ConfigError
from tests.calibration.image2ecog.toy import SETTINGS, THINGS, subject


def images_of(parts: Parts) -> dict[str, set[int]]:
    return {name: set(subject().image[rows].tolist()) for name, rows in vars(parts).items()}


def test_splitting_trials_leaks_every_tested_image() -> None:
    shown = images_of(split(subject(), SETTINGS.but(split="trial")))
    assert shown["test"] <= shown["train"]


def test_splitting_images_leaks_none_and_no_other_view_of_one() -> None:
    for fold in range(THINGS):
        parts = split(subject(), SETTINGS.but(fold=fold))
        shown = images_of(parts)
        assert not shown["test"] & (shown["train"] | shown["validation"])
        assert not shown["train"] & shown["validation"]
        things = {name: set(subject().thing[list(each)].tolist()) for name, each in shown.items()}
        assert not things["test"] & (things["train"] | things["validation"])


def test_the_honest_split_is_the_default() -> None:
    assert PUBLISHED.split == "image"
    assert PUBLISHED.classifier_images == "train"


def test_ten_parts_of_trials_are_the_published_shares() -> None:
    parts = split(subject(), SETTINGS.but(split="trial", parts=10))
    n = len(subject().image)
    assert [len(rows) / n for rows in vars(parts).values()] == pytest.approx([0.8, 0.1, 0.1])


@pytest.mark.parametrize("how", ["trial", "image"])
def test_folds_test_every_trial_once(how: str) -> None:
    n = 10 if how == "trial" else THINGS
    tested = [split(subject(), SETTINGS.but(split=how, fold=fold)).test for fold in range(n)]
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(len(subject().image)))


def test_every_part_has_things_of_every_category() -> None:
    parts = split(subject(), SETTINGS)
    for rows in vars(parts).values():
        assert set(subject().category[subject().image[rows]]) == set(range(5))


def test_too_few_things_and_folds_that_are_not_there_are_refused() -> None:
    few = subject().thing < 2
    rows = few[subject().image]
    one = replace(subject(), Y=subject().Y[rows], image=subject().image[rows])
    with pytest.raises(ConfigError, match="has 2 things in the rarest category; a split into three needs three"):
        split(one, SETTINGS)
    with pytest.raises(ConfigError, match=r"fold = 4 of 4 parts"):
        split(subject(), SETTINGS.but(fold=4))
