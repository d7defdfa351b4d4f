"""Every experiment of the paper runs on a toy (simulated), fills its table and draws its figure."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from calibration.image2ecog.experiments import EXPERIMENTS, Plan, Table, run
from calibration.image2ecog.material import Electrodes
from calibration.image2ecog.oracle import oracle
from calibration.image2ecog.regions import Thin
from calibration.image2ecog.scores import R
from calibration.image2ecog.trained import Trained
from streamkit.errors import BadInput, ConfigError
from tests.calibration.image2ecog.toy import DRAWS, SETTINGS, people, subject

PLAN = Plan(folds=(0, 1), thin=Thin(electrodes=5, subjects=2), bootstrap=30, permutations=200, shares=(0.5, 1.0))
SEEDS = (0,)
NAMES = ("main", "models", "splits", "heads", "classifier", "subjects", "cortex", "channels", "frequencies")


@cache
def trained() -> Trained:
    return Trained(people())


@cache
def table(name: str) -> Table:
    return run(name, trained(), SETTINGS.but(epochs=6), SEEDS, PLAN)


def line(name: str, row: str, metric: str = R) -> dict:
    return next(each for each in table(name).rows if (each["row"], each["metric"]) == (row, metric))


def test_the_table_has_the_experiments_of_the_paper() -> None:
    assert tuple(EXPERIMENTS) == NAMES
    assert all(one.name == name and one.title for name, one in EXPERIMENTS.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_line_has_its_chance_and_interval_or_says_why_not(name: str) -> None:
    rows = table(name).rows
    assert rows
    json.dumps(rows, allow_nan=False)
    assert len({(each["row"], each["metric"]) for each in rows}) == len(rows)
    for each in rows:
        assert (each["experiment"], each["simulated"], each["repeats"]) == (name, True, 1)
        assert each["note"]
        if each["metric"] == "left out":
            continue
        if each["value"] is None:
            assert "not run" in each["note"]
        else:
            low, high = each["ci95"]
            assert low - 1e-9 <= each["value"] <= high + 1e-9 or name == "classifier"
            assert each["chance"] is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_draws_its_figure(name: str, tmp_path) -> None:
    path = tmp_path / "figure.png"
    EXPERIMENTS[name].draw(table(name)).savefig(path, dpi=40)
    assert path.stat().st_size > 2000


def test_regions_with_a_signal_are_above_permuted_images_and_others_are_not() -> None:
    found = {each["region"]: each["q"] < 0.05 for each in table("main").rows if each["metric"] == R and each.get("q")}
    assert found == {"Pole_occipital": True, "G_oc-temp_lat-fusifor": True, "G_front_middle": False}


def test_the_t_test_is_fooled_by_what_all_images_evoke() -> None:
    assert line("main", "end-to-end, G_front_middle")["q_t"] < 0.05


def test_a_thin_region_is_listed_as_left_out() -> None:
    assert line("main", "end-to-end, G_rectus")["excluded"]


def test_the_papers_figures_stand_beside_the_regions_they_are_of() -> None:
    assert line("main", "classification-regressor, Pole_occipital")["paper"] == {"ecog": 0.3191, "p": 0.0492}
    assert line("main", "end-to-end, G_front_middle")["paper"] == {}


def test_both_splits_stand_side_by_side() -> None:
    rows = {each["row"] for each in table("splits").rows}
    assert {"end-to-end, trial split", "end-to-end, image split", "end-to-end, trial − image"} <= rows


def test_the_two_models_are_paired_over_subjects() -> None:
    row = line("models", "classification-regressor − end-to-end", "r, difference")
    assert set(row["each"]) == set(people())
    values = [line("models", model)["each"] for model in ("end-to-end", "classification-regressor")]
    assert row["value"] == pytest.approx(np.mean([values[1][s] - values[0][s] for s in people()]))
    assert 0 <= row["p_t"] <= 1


def test_the_matrix_has_a_row_for_every_subject() -> None:
    assert table("subjects").arrays["matrix"].shape == (3, 4)
    assert list(table("subjects").arrays["subjects"]) == list(people())


def test_channels_of_a_high_signal_to_noise_are_predicted_better() -> None:
    assert line("channels", "signal to noise ~ r", "rank correlation")["value"] > 0.3
    assert line("channels", "best 50%")["value"] > line("channels", "best 100%")["value"]


def test_without_positions_there_is_a_line_instead_of_a_map() -> None:
    nowhere = Electrodes(subject().electrodes.ch_names, subject().electrodes.region, np.full((12, 3), np.nan))
    from dataclasses import replace

    blind = Trained({"s0": replace(subject(), electrodes=nowhere)})
    (row,) = run("cortex", blind, SETTINGS.but(epochs=1, classifier_epochs=1), SEEDS, PLAN).rows
    assert "nobody said where the electrodes are" in row["note"]


def test_an_edge_beyond_half_the_rate_gives_lines_that_say_so() -> None:
    rows = run("frequencies", trained(), SETTINGS, SEEDS, PLAN.model_copy(update={"edge": 50.0})).rows
    assert len(rows) == 4
    assert all("must lie below half their rate" in row["note"] for row in rows)


def test_models_are_trained_once_for_all_experiments(monkeypatch) -> None:
    table("main")
    monkeypatch.setattr("calibration.image2ecog.trained.train_one", lambda **_: pytest.fail("trained again"))
    assert run("models", trained(), SETTINGS.but(epochs=6), SEEDS, PLAN).rows


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_models_trained_side_by_side_are_those_trained_in_turn() -> None:
    settings = SETTINGS.but(epochs=1, classifier_epochs=1)
    keys = [("s0", settings), ("s1", settings)]
    aside = Trained(people(), scheduler="local", workers=2)
    for one, other in zip(Trained(people()).of(keys), aside.of(keys), strict=True):
        np.testing.assert_allclose(one.predict(subject().images), other.predict(subject().images), atol=1e-3)


def test_nobody_beats_the_answers_without_noise() -> None:
    clean = subject(0, 1.0, 0.0)
    best = oracle(subject(), clean, SETTINGS, DRAWS)
    (items,) = best.items[R]
    assert items.each.mean() > line("subjects", "s0, all")["value"]
    assert items.unit == "things"
    with pytest.raises(BadInput, match="shows other images"):
        oracle(subject(), subject(1), SETTINGS, DRAWS)


def test_an_unknown_experiment_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no experiment 'split'. Did you mean 'splits'\?"):
        run("split", trained(), SETTINGS, SEEDS, PLAN)
    with pytest.raises(ConfigError, match="needs a seed"):
        run("main", trained(), SETTINGS, (), PLAN)
