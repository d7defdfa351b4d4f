"""Tables of regions: both tests, their correction, and thin regions left out by name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from calibration.image2ecog.regions import ChannelScores, Thin, fisher_t, permutation_p, region_table, subject_by_region
from calibration.metrics import Draws

DRAWS = Draws(200, 200, 0)
THIN = Thin(electrodes=4, subjects=2)


def scores(subject: str, regions: dict[str, list[float]], chance: float = 0.3, seed: int = 0) -> ChannelScores:
    names = tuple(name for name, values in regions.items() for _ in values)
    value = np.array([each for values in regions.values() for each in values])
    null = np.random.default_rng(seed).normal(chance, 0.02, (200, len(value)))
    return ChannelScores(subject, names, value, null)


SUBJECTS = (
    scores("a", {"V": [0.5, 0.55, 0.6], "F": [0.31, 0.29], "thin": [0.9]}, seed=1),
    scores("b", {"V": [0.45, np.nan], "F": [0.3, 0.31, 0.28], "": [0.8]}, seed=2),
)


def lines() -> dict[str, dict]:
    return {row["row"]: row for row in region_table("r", SUBJECTS, DRAWS, THIN)}


def test_a_region_is_the_mean_over_electrodes_that_were_scored() -> None:
    row = lines()["V"]
    assert row["value"] == pytest.approx(np.mean([0.5, 0.55, 0.6, 0.45]))
    assert (row["n"], row["subjects"]) == (4, 2)
    assert row["ci95"][0] <= row["value"] <= row["ci95"][1]
    assert "" not in lines()


def test_what_is_common_to_all_images_passes_the_t_test_but_not_the_permutations() -> None:
    row = lines()["F"]
    assert row["p_t"] < 0.001
    assert row["p"] > 0.2
    assert lines()["V"]["p"] < 0.01
    assert row["chance"] == pytest.approx(0.3, abs=0.01)


def test_the_t_test_is_of_fishers_z() -> None:
    r = np.array([0.1, 0.4, 0.35])
    assert fisher_t(r) == pytest.approx(ttest_1samp(np.arctanh(r), 0).pvalue)
    assert fisher_t(r[:2]) is None


def test_p_values_are_corrected_over_the_regions_of_the_table() -> None:
    found = [row for row in lines().values() if "q" in row]
    smallest, largest = sorted(row["p"] for row in found)
    assert sorted(row["q"] for row in found) == pytest.approx([min(2 * smallest, largest), largest])
    assert {"q", "q_t"} <= set(found[0])


def test_a_thin_region_is_named_with_how_thin_it_is() -> None:
    row = lines()["thin"]
    assert row["value"] is None
    assert row["excluded"]
    assert "1 electrodes in 1 subjects; the table wants 4 in 2" in row["note"]
    assert "q" not in row
    every = region_table("r", SUBJECTS, DRAWS, Thin(electrodes=1, subjects=1))
    assert {row["row"] for row in every if row["value"] is not None} == {"V", "F", "thin"}


def test_of_an_error_less_is_better_and_there_is_no_t_test() -> None:
    low = ChannelScores("a", ("V",) * 4, np.full(4, 0.1), np.full((200, 4), 0.3))
    (row,) = region_table("MSE", [low], DRAWS, Thin(electrodes=1, subjects=1), lower=True, correlation=False)
    assert row["p"] < 0.01
    assert row["p_t"] is None
    assert row["better"] == "lower"


def test_subjects_by_regions_has_holes_where_nobody_has_electrodes() -> None:
    table, names, labels = subject_by_region(SUBJECTS)
    assert (names, labels) == (["a", "b"], ["F", "V", "thin"])
    assert table[1, 1] == pytest.approx(0.45)
    assert np.isnan(table[1, 2])


def test_of_several_folds_p_is_twice_the_mean_of_theirs() -> None:
    null = np.linspace(0, 1, 200)[:, None] * np.ones(4)
    folds = tuple((np.full(4, r), null) for r in (0.995, 0.5))
    one = ChannelScores("a", ("V",) * 4, np.full(4, 0.75), null, folds)
    own = [(one, np.arange(4))]
    apart = [permutation_p([(ChannelScores("a", ("V",) * 4, *fold), np.arange(4))]) for fold in folds]
    assert apart == pytest.approx([2 / 201, 101 / 201])
    assert permutation_p(own) == pytest.approx(2 * np.mean(apart))


def test_a_channel_left_out_of_one_fold_counts_in_the_others() -> None:
    null = np.zeros((99, 1))
    folds = ((np.array([np.nan]), null * np.nan), (np.array([0.5]), null))
    assert permutation_p([(ChannelScores("a", ("V",), np.array([0.5]), null, folds), np.arange(1))]) == 0.01
