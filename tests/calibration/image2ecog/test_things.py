"""Whole things are permuted and drawn: what knows nothing is found no more often than the level of the test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from calibration.image2ecog.experiments.prediction import told
from calibration.image2ecog.pictures import encoding, retrieval
from calibration.image2ecog.regions import ChannelScores, permutation_p
from calibration.image2ecog.scores import R, joined, score_arrays, values_r
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.subjects import joined_channels
from calibration.image2ecog.things import alongside, name_of, orders, things_of
from calibration.metrics import Draws
from calibration.tables.items import row, score
from tests.calibration.image2ecog.toy import subject

THINGS, VIEWS, TIMES = 5, 5, 12
THING = np.repeat(np.arange(THINGS), VIEWS)
DRAWS = Draws(20, 119, 0)
REPETITIONS = 200
MOST = int(binom.ppf(0.999, REPETITIONS, 0.05))
"""More false positives than these has a test of 5 % once in a thousand."""


def of_things(rng: np.random.Generator, n_chans: int = 2) -> np.ndarray:
    """Something of every image, ``(m, n_chans, n_times)``, in which views of one thing are alike."""
    own = rng.standard_normal((THINGS, n_chans, TIMES))[THING]
    return own + 0.2 * rng.standard_normal((len(THING), n_chans, TIMES))


@cache
def false_positives(p_of: Callable[[np.random.Generator], float]) -> int:
    """How often what knows nothing has p below .05."""
    return sum(p_of(np.random.default_rng(k)) < 0.05 for k in range(REPETITIONS))


def p_over_channels(rng: np.random.Generator) -> float:
    found = score_arrays(of_things(rng), of_things(rng), np.arange(len(THING)), np.arange(2), 2, THING)[R]
    return score([found.items(slice(None), DRAWS)], DRAWS).p


def p_of_a_region(rng: np.random.Generator) -> float:
    found = score_arrays(of_things(rng), of_things(rng), np.arange(len(THING)), np.arange(2), 2, THING)[R]
    channels = ChannelScores("a", ("V", "V"), found.channels(), found.null(DRAWS))
    return permutation_p([(channels, np.arange(2))]) or 0.0


def p_of_categories(rng: np.random.Generator) -> float:
    guess = rng.integers(THINGS, size=THINGS)[THING]
    fitted = SimpleNamespace(
        parts=SimpleNamespace(test=np.arange(len(THING))), classify=lambda _: guess, settings=Image2EcogSettings()
    )
    material = SimpleNamespace(
        image=np.arange(len(THING)), images=np.zeros(len(THING)), category=THING, thing=THING, categories=tuple("abcde")
    )
    return score([told(fitted, material, DRAWS)], DRAWS).p


def p_of_values(rng: np.random.Generator) -> float:
    said = of_things(rng, 1)[:, :, :1]
    settings = Image2EcogSettings(head="scalar")
    fitted = SimpleNamespace(
        parts=SimpleNamespace(test=np.arange(len(THING))),
        standardised=lambda _: said,
        settings=settings,
        standard=SimpleNamespace(apply=lambda Y: Y, kept=np.array([0])),
    )
    Y = of_things(rng, 1)[:, :, :1]
    material = SimpleNamespace(
        image=np.arange(len(THING)),
        images=np.zeros(len(THING)),
        thing=THING,
        Y=Y,
        electrodes=("E0",),
        of=lambda _: material,
    )
    r, null = values_r(fitted, material, DRAWS)
    return permutation_p([(ChannelScores("a", ("V",), r, null), np.arange(1))]) or 0.0


def p_of_epochs(rng: np.random.Generator) -> float:
    return score([encoding(of_things(rng), of_things(rng), THING, DRAWS)[0]], DRAWS).p


def p_of_pictures(rng: np.random.Generator) -> float:
    said, seen = (of_things(rng).reshape(len(THING), -1) for _ in range(2))
    return score([retrieval(seen @ said.T, np.arange(len(THING)), THING, DRAWS)[1]], DRAWS).p


@pytest.mark.parametrize(
    "p_of", [p_over_channels, p_of_a_region, p_of_categories, p_of_values, p_of_epochs, p_of_pictures]
)
def test_what_knows_nothing_is_found_as_often_as_the_level_says(p_of: Callable[[np.random.Generator], float]) -> None:
    assert false_positives(p_of) <= MOST


def planted(
    rng: np.random.Generator, thing: np.ndarray, n_trials: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials, predictions that know their thing, and which image each trial shows."""
    said = rng.standard_normal((thing.max() + 1, 2, TIMES))[thing]
    own = np.repeat(np.arange(len(thing)), n_trials)
    return said[own] + 2 * rng.standard_normal((len(own), 2, TIMES)), said, own


def test_a_planted_effect_is_found() -> None:
    Y, said, own = planted(np.random.default_rng(0), THING)
    items = score_arrays(Y, said, own, np.arange(2), 2, THING)[R].items(slice(None), Draws(200, 1000, 0))
    found = score([items], Draws(200, 1000, 0))
    assert found.p == pytest.approx(1 / 120)
    assert found.value > 3 * abs(found.chance)
    assert "119 permutations of things" in found.note
    assert "bootstrap over things" in found.note
    assert "predictions for other things" in found.note


def test_things_trade_places_with_their_views_in_order() -> None:
    thing = np.array([7, 3, 7, 3, 9, 9, 1, 7])  # of three views, two, two and one
    moved = orders(thing, Draws(0, 50, 0))
    np.testing.assert_array_equal(moved, [[0, 4, 2, 5, 1, 3, 6, 7]])


def test_few_permutations_are_each_there_once_and_many_are_drawn() -> None:
    few = orders(THING, Draws(0, 1000, 0))
    assert few.shape == (119, 25)
    assert len(np.unique(few, axis=0)) == 119
    assert not (few == np.arange(25)).all(1).any()
    assert orders(THING, Draws(0, 100, 0)).shape == (100, 25)
    assert orders(np.arange(30), Draws(0, 100, 0)).shape == (100, 30)


def test_where_nothing_can_move_p_is_one() -> None:
    thing = np.array([0, 0, 1, 2, 2, 2])
    Y, said, own = planted(np.random.default_rng(0), thing)
    items = score_arrays(Y, said, own, np.arange(2), 2, thing)[R].items(slice(None), DRAWS)
    assert score([items], DRAWS).p == 1


def test_images_that_are_their_own_thing_are_permuted_one_by_one() -> None:
    images = np.random.default_rng(3).permutation(12)
    rng = np.random.default_rng(0)
    moved = orders(images, Draws(0, 5, 0))
    expected = [rng.permutation(12) for _ in range(5)]
    np.testing.assert_array_equal(moved, [np.argsort(images)[each][images] for each in expected])
    assert (name_of(images), name_of(THING)) == ("images", "things")


def test_a_split_of_trials_makes_every_image_its_own_thing() -> None:
    shown = np.array([0, 1, 5])
    np.testing.assert_array_equal(things_of(subject(), Image2EcogSettings(split="trial"), shown), shown)
    np.testing.assert_array_equal(things_of(subject(), Image2EcogSettings(), shown), subject().thing[shown])


def test_the_interval_draws_whole_things() -> None:
    Y, said, own = planted(np.random.default_rng(0), THING)
    items = score_arrays(Y, said, own, np.arange(2), 2, THING)[R].items(slice(None), Draws(400, 10, 0))
    by_thing = replace(items, each=np.random.default_rng(1).standard_normal(THINGS)[THING])
    drawn = score([by_thing], Draws(400, 10, 0)).boot
    assert drawn.std() == pytest.approx(by_thing.each.std() / np.sqrt(THINGS), rel=0.15)
    line = row("all", [by_thing], Draws(400, 10, 0))
    assert line["ci95"] == pytest.approx(np.percentile(drawn, (2.5, 97.5)))
    assert "bootstrap over things" in line["note"]


def test_folds_and_subjects_with_fewer_permutations_are_put_beside_others() -> None:
    nulls = [np.arange(119.0), np.arange(23.0)]
    assert [len(each) for each in alongside(nulls)] == [23, 23]
    parts = []
    for n in (5, 4):
        thing = np.repeat(np.arange(n), 2)
        Y, said, own = planted(np.random.default_rng(n), thing)
        parts.append(score_arrays(Y, said, own, np.arange(2), 2, thing)[R])
    both = joined([one.items(slice(None), DRAWS) for one in parts])
    assert (len(both.null), len(both.each), len(both.group)) == (23, 18, 18)
    each = [(one.channels(), one.null(DRAWS)) for one in parts]
    channels = joined_channels(subject(), each, 2, "things")
    assert [len(null) for _, null in channels.folds] == [119, 23]
    alone = ChannelScores("b", ("V", "V"), *each[1])
    with_another = [(ChannelScores("a", ("V", "V"), *each[0]), np.arange(2)), (alone, np.arange(2))]
    assert (permutation_p(with_another) or 0) >= 1 / 24
