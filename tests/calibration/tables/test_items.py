from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from calibration.metrics import Draws
from calibration.tables.items import Items, difference, row, score

DRAWS = Draws(500, 500, 0)
RNG = np.random.default_rng(0)


def items(each: np.ndarray, lower: bool = False) -> Items:
    null = RNG.permutation(np.tile(each, 10))[:200] if len(each) else np.empty(0)
    return Items("share", np.asarray(each, float), 0.5, null * 0 + 0.5, lower)


def test_the_interval_of_a_mean_is_that_of_the_central_limit() -> None:
    each = RNG.standard_normal(400)
    found = score([items(each)], Draws(2000, 0, 0))
    half = 1.96 * each.std() / 20
    assert found.value == pytest.approx(each.mean())
    assert found.ci95 == pytest.approx((each.mean() - half, each.mean() + half), abs=0.15 * half)


def test_seeds_that_disagree_widen_the_interval() -> None:
    each = RNG.standard_normal(200)
    alike = score([items(each) for _ in range(5)], DRAWS)
    apart = score([items(each + shift) for shift in (-1, -0.5, 0, 0.5, 1)], DRAWS)
    assert np.ptp(apart.ci95) > 2 * np.ptp(alike.ci95)
    assert "images and seeds" in apart.note


def test_what_is_not_defined_is_left_out_and_counted() -> None:
    found = score([items(np.array([1.0, np.nan, 3.0]))], DRAWS)
    assert found.value == 2.0
    assert "1 undefined" in found.note


def test_nothing_defined_is_nothing_in_a_file() -> None:
    line = row("a", [items(np.full(3, np.nan))], DRAWS)
    assert (line["value"], line["p"]) == (None, None)
    json.dumps(line, allow_nan=False)


def test_the_p_value_counts_permutations_that_are_as_good() -> None:
    null = np.linspace(0, 1, 99)
    assert score([Items("r", np.full(5, 0.9), 0.5, null)], DRAWS).p == pytest.approx(0.11, abs=0.011)
    assert score([Items("MSE", np.full(5, 0.9), 0.5, null, lower=True)], DRAWS).p == pytest.approx(0.9, abs=0.011)


def test_a_difference_is_paired_so_what_both_share_cancels() -> None:
    shared = 10 * RNG.standard_normal(100)
    line = difference("b − a", [items(shared)], [items(shared + 0.5)], DRAWS)
    assert line["value"] == pytest.approx(0.5)
    assert line["ci95"] == pytest.approx([0.5, 0.5])
    assert line["p"] == pytest.approx(1 / 501)


def test_no_difference_is_not_significant() -> None:
    line = difference("b − a", [items(RNG.standard_normal(100))], [items(RNG.standard_normal(100))], DRAWS)
    assert line["ci95"][0] < 0 < line["ci95"][1]
    assert line["p"] > 0.05


def test_a_difference_leaves_out_images_where_one_side_is_not_defined() -> None:
    line = difference("b − a", [items(np.array([0.0, np.nan, 0.0]))], [items(np.array([1.0, 5.0, 3.0]))], DRAWS)
    assert (line["value"], line["n"]) == (2.0, 2)


def test_a_difference_of_other_images_is_refused() -> None:
    with pytest.raises(ValueError, match="same images"):
        difference("b − a", [items(np.zeros(3))], [items(np.zeros(4))], DRAWS)


def test_the_chance_interval_is_that_of_the_permutations() -> None:
    line = row("a", [Items("r", np.ones(4), 0.5, np.linspace(0, 1, 1001))], DRAWS)
    assert line["chance95"] == pytest.approx([0.025, 0.975])
    assert row("a", [Items("r", np.ones(4), 0.5, np.empty(0))], DRAWS)["chance95"] is None


def test_notes_name_what_is_drawn_and_what_is_permuted() -> None:
    shots = [Items("r", np.linspace(0, 1, 9), 0.5, np.full(3, 0.5), unit="shots") for _ in range(2)]
    assert "bootstrap over shots and seeds" in score(shots, DRAWS).note
    assert "3 permutations of shots" in score(shots, DRAWS).note
    assert "signs of the shots" in difference("a", shots, shots, DRAWS)["note"]
    other = Items("r", np.ones(4), 0.5, np.full(3, 0.5), unit="points", permuted="kinds")
    assert "3 permutations of kinds" in score([other], DRAWS).note


def test_an_interval_draws_whole_groups() -> None:
    of_thing, group = RNG.standard_normal(40), np.repeat(np.arange(40), 10)
    alike = Items("r", of_thing[group], 0.0, np.empty(0), group=group)
    half = 1.96 * of_thing.std() / np.sqrt(40)
    assert np.ptp(score([alike], Draws(2000, 0, 0)).ci95) == pytest.approx(2 * half, rel=0.15)
    assert np.ptp(score([replace(alike, group=None)], Draws(2000, 0, 0)).ci95) < half


def test_a_difference_draws_and_flips_whole_groups() -> None:
    group = np.repeat(np.arange(4), 50)
    before = Items("r", np.zeros(200), 0.0, np.empty(0), group=group)
    after = replace(before, each=np.array([0.4, 1.0, 0.8, -0.6])[group])
    after.each[0] = np.nan  # left out, and its place in the group with it
    line = difference("b − a", [before], [after], DRAWS)
    assert line["ci95"][0] < 0 < line["ci95"][1]
    assert line["p"] > 0.2
    assert difference("b − a", [replace(before, group=None)], [after], DRAWS)["p"] == pytest.approx(1 / 501)


def test_an_average_is_what_value_and_interval_are_of() -> None:
    each = np.append(RNG.uniform(0, 1, 50), 1e6)
    found = score([Items("off", each, 5.0, np.full(9, 5.0), True, average=np.median)], DRAWS)
    assert found.value == np.median(each)
    assert found.ci95[1] < 1
    assert found.p == pytest.approx(0.1)
