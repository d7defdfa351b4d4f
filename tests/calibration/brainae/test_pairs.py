from __future__ import annotations

import numpy as np
import pytest

from calibration.brainae.pairs import Gallery, Material, Pairs, hold_back
from streamkit.errors import BadInput

RNG = np.random.default_rng(0)


def pairs(image: list[int]) -> Pairs:
    numbers = np.array(image)
    X = RNG.standard_normal((len(numbers), 2, 3)).astype(np.float32)
    return Pairs(X, np.repeat(numbers[:, None], 4, axis=1).astype(np.float32), numbers, numbers // 10)


def gallery(image: list[int]) -> Gallery:
    made = pairs(image)
    return Gallery(made.features, made.image, made.concept)


def test_averaging_gives_one_row_per_image_in_the_order_of_their_numbers() -> None:
    trials = pairs([30, 11, 30, 11, 11])
    mean = trials.by_image()
    assert mean.image.tolist() == [11, 30]
    assert mean.concept.tolist() == [1, 3]
    assert mean.features[:, 0].tolist() == [11, 30]
    np.testing.assert_allclose(mean.X[1], (trials.X[0] + trials.X[2]) / 2, rtol=1e-6)
    assert trials.repeats() == 2


def test_a_single_repeat_is_one_of_the_trials_and_never_twice_the_same() -> None:
    trials = pairs([5] * 6)
    drawn = {float(trials.by_image(1, np.random.default_rng(k)).X[0, 0, 0]) for k in range(30)}
    assert drawn == {float(value) for value in trials.X[:, 0, 0]}
    three = trials.by_image(3, np.random.default_rng(0)).X[0]
    assert not np.allclose(three, trials.by_image().X[0])


def test_without_a_draw_the_first_repeats_are_taken() -> None:
    trials = pairs([5, 5, 5])
    np.testing.assert_allclose(trials.by_image(2).X[0], trials.X[:2].mean(0), rtol=1e-6)


def test_holding_back_never_cuts_an_image() -> None:
    kept, aside = hold_back(pairs([1, 2, 3, 4] * 3), 2, seed=0)
    assert (len(kept), len(aside)) == (6, 6)
    assert not set(kept.image) & set(aside.image)


@pytest.mark.parametrize("count", [4, 9])
def test_holding_back_everything_is_refused(count: int) -> None:
    with pytest.raises(BadInput, match=f"validation = {count} images of 4"):
        hold_back(pairs([1, 2, 3, 4]), count, seed=0)


def test_a_material_with_validation_of_its_own_keeps_it() -> None:
    own = pairs([50])
    train, validation = Material(pairs([1, 2]), pairs([30]), gallery([31]), 100.0, own).held_back(1, 0)
    assert len(train) == 2
    assert validation is own


def test_an_image_that_is_trained_on_and_tested_is_refused() -> None:
    with pytest.raises(BadInput, match="1 of the images tested are also trained on, such as number 2"):
        Material(pairs([1, 2]), pairs([2, 3]), gallery([4]), 100.0)
    with pytest.raises(BadInput, match="also validated on, such as number 3"):
        Material(pairs([1, 2]), pairs([3]), gallery([4]), 100.0, pairs([3, 5]))


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="one length"):
        Pairs(np.zeros((3, 2, 2), np.float32), np.zeros((2, 4), np.float32), np.arange(3), np.arange(3))
    with pytest.raises(BadInput, match="n_chans, n_times"):
        Pairs(np.zeros((3, 2), np.float32), np.zeros((3, 4), np.float32), np.arange(3), np.arange(3))
