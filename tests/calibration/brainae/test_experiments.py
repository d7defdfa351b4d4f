"""Every experiment of the paper runs on a toy (simulated), fills its table and draws its figure."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from calibration.brainae.experiments import EXPERIMENTS, Plan, Table, run
from calibration.brainae.fit import Fitted
from calibration.brainae.objective import ABLATIONS, CONTROLS
from calibration.brainae.pairs import Material
from calibration.brainae.trained import Trained
from streamkit.errors import ConfigError
from tests.calibration.brainae.toy import REPEATS, SETTINGS, world

PLAN = Plan(
    window=10,
    patch=10,
    taus=(0.07, 0.7),
    ratios=(0.25, 0.75),
    backbones=("eegnet", "tsconv"),
    bootstrap=30,
    permutations=30,
)
QUICK = SETTINGS.but(embedding=32, filters=4, epochs=1)
SEEDS = (0, 1)
NAMES = (
    "main",
    "ablation",
    "temperature",
    "decoders",
    "backbones",
    "repeats",
    "temporal-masking",
    "regional-masking",
    "reconstruction",
    "consistency",
    "rsa",
    "generation",
    "spectra",
)


@cache
def toy() -> Material:
    return world(n_features=32)


@cache
def trained() -> Trained:
    return Trained(toy())


@cache
def table(name: str) -> Table:
    return run(name, trained(), QUICK, SEEDS, PLAN)


def test_the_table_has_the_experiments_of_the_paper() -> None:
    assert tuple(EXPERIMENTS) == NAMES
    assert all(one.name == name and one.title for name, one in EXPERIMENTS.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_line_has_its_chance_and_interval_or_says_why_not(name: str) -> None:
    rows = table(name).rows
    assert rows
    json.dumps(rows, allow_nan=False)
    for line in rows:
        assert line["experiment"] == name
        assert line["simulated"] is True
        if line["value"] is None:
            assert "not run" in line["note"] or "undefined" in line["note"] or name == "consistency"
        else:
            low, high = line["ci95"]
            assert low <= line["value"] <= high or abs(line["value"] - np.clip(line["value"], low, high)) < 0.1
            assert line["chance"] is not None
            assert line["note"]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_draws_its_figure(name: str, tmp_path) -> None:
    path = tmp_path / "figure.png"
    EXPERIMENTS[name].draw(table(name)).savefig(path, dpi=40)
    assert path.stat().st_size > 2000


def test_lines_of_one_experiment_are_told_apart() -> None:
    for name in NAMES:
        keys = [(line["row"], line["metric"]) for line in table(name).rows]
        assert len(keys) == len(set(keys)), name


def test_the_ablation_is_paired_with_the_full_objective() -> None:
    rows = {line["row"] for line in table("ablation").rows}
    assert {*ABLATIONS, *CONTROLS} <= rows
    assert {f"{name} − full" for name in ABLATIONS if name != "full"} <= rows


def test_the_main_table_stands_beside_the_paper_and_the_mean_response() -> None:
    lines = {(line["row"], line["metric"]): line for line in table("main").rows}
    assert lines["all", "retrieval top-1"]["paper"] == {"eeg": 0.306, "meg": 0.214, "mua": 0.435}
    assert lines["all", "retrieval top-1"]["repeats"] == REPEATS
    assert lines["all", "retrieval top-1"]["seeds"] == 2
    assert ("visual", "encoding r") in lines
    assert ("mean response", "encoding r") in lines


def test_the_number_of_repeats_is_that_of_the_line() -> None:
    assert [line["repeats"] for line in table("repeats").rows[::4]] == [1, 2, 4, REPEATS]


def test_a_backbone_that_does_not_fit_gets_a_line_that_says_so() -> None:
    short = PLAN.model_copy(update={"backbones": ("tsconv",)})
    rows = run("backbones", trained(), QUICK.but(kernel=40), (0,), short).rows
    assert [line["value"] for line in rows] == [None] * 3
    assert "too short" in rows[0]["note"]


def test_models_are_trained_once_for_all_experiments(monkeypatch) -> None:
    table("main")
    monkeypatch.setattr("calibration.brainae.trained.train_one", lambda **_: pytest.fail("trained again"))
    assert run("repeats", trained(), QUICK, SEEDS, PLAN).rows


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_models_trained_side_by_side_are_those_trained_in_turn(workers: int, one_thread: None) -> None:
    here = Trained(toy()).of(QUICK, SEEDS)
    aside = Trained(toy(), scheduler="local", workers=workers).of(QUICK, SEEDS)
    X = toy().test.X[:4]
    for one, other in zip(here, aside, strict=True):
        assert isinstance(other, Fitted)
        np.testing.assert_array_equal(one.embed(X), other.embed(X))


def test_an_unknown_experiment_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no experiment 'temprature'. Did you mean 'temperature'\?"):
        run("temprature", trained(), QUICK, SEEDS, PLAN)
    with pytest.raises(ConfigError, match="needs a seed"):
        run("main", trained(), QUICK, (), PLAN)
