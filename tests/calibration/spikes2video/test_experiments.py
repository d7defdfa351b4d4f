"""Every experiment of the paper runs on small clips (simulated), fills its table and draws its figure."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from calibration.spikes2video.experiments import EXPERIMENTS, Plan, Table, run
from calibration.spikes2video.experiments.noise import ORACLE, Known, draw, noise
from calibration.spikes2video.experiments.online import order_of
from calibration.spikes2video.material import Material
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.streaming import stream_of
from calibration.spikes2video.trained import Trained
from streamkit.errors import ConfigError
from tests.calibration.spikes2video.clips import SIZE, STAGES, trials

pytestmark = pytest.mark.filterwarnings("ignore:.*perplexity.*:UserWarning")
cv2 = pytest.importorskip("cv2", reason="not run: OpenCV is not installed")

PLAN = Plan(shares=(0.25, 1.0), together=(1, 3), nulls=10, pairs=4, points=60, bootstrap=30, permutations=30)
QUICK = Spikes2VideoSettings(
    hidden=8,
    base=2,
    kernels=(3, 3, 3, 3),
    pools=((3, 2, 2), (3, 2, 2), (3, 2, 2), (1, 2, 2)),
    mlp_hidden=(8, 8),
    channels=(4, 4, 4, 4),
    epochs=1,
    batch_size=16,
    windows=2,
    seed=0,
)
SEEDS = (0, 1)
NAMES = (
    "main",
    "networks",
    "repeats",
    "masking",
    "regions",
    "encoder",
    "apart",
    "bands",
    "similarity",
    "layouts",
    "sites",
    "rates",
    "streaming",
)


@cache
def population() -> Material:
    return Material(trials(4, seed=1), trials(2, seed=2), trials(4, seed=3), "toy", simulated=True)


@cache
def trained() -> Trained:
    return Trained(population())


@cache
def table(name: str) -> Table:
    return run(name, trained(), QUICK, SEEDS, PLAN)


def test_clips_of_the_toy_fit_the_networks() -> None:
    assert STAGES.n_frames == 27
    assert SIZE == 16


def test_the_table_has_the_experiments_of_the_paper() -> None:
    assert tuple(EXPERIMENTS) == NAMES
    assert all(one.name == name and one.title for name, one in EXPERIMENTS.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_line_has_its_chance_and_interval(name: str) -> None:
    rows = table(name).rows
    assert rows
    json.dumps(rows, allow_nan=False)
    for line in rows:
        assert line["experiment"] == name
        assert line["simulated"] is True
        assert line["note"]
        if line["value"] is None:
            assert "undefined" in line["note"] or line["n"] == 0
        else:
            assert line["chance"] is not None
            assert line["ci95"][0] <= line["ci95"][1]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_draws_its_figure(name: str, tmp_path) -> None:
    path = tmp_path / "figure.png"
    EXPERIMENTS[name].draw(table(name)).savefig(path, dpi=40)
    assert path.stat().st_size > 1500


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_one_experiment_are_told_apart(name: str) -> None:
    keys = [(line["row"], line["metric"]) for line in table(name).rows]
    assert len(keys) == len(set(keys))


def test_condition_means_and_single_trials_stand_side_by_side() -> None:
    for name in ("main", "networks", "regions", "encoder", "sites", "rates", "streaming"):
        levels = {line.get("level") for line in table(name).rows}
        assert {"condition means", "single trials"} <= levels, name


def test_networks_are_compared_in_pairs_at_equal_budget() -> None:
    rows = table("networks").rows
    pairs = {line["row"].partition(",")[0] for line in rows if "difference" in line["metric"]}
    assert pairs == {"3D U-Net − MLP", "3D U-Net − shallow CNN"}
    assert {line["epochs"] for line in rows if "epochs" in line} == {1.0}
    assert len({line["parameters"] for line in rows if "parameters" in line}) == 3


def test_masking_has_the_paper_s_change_test_and_correction() -> None:
    rows = table("masking").rows
    lines = {(line["row"], line["metric"]): line for line in rows}
    for region in ("PFC", "MT", "V4"):
        assert {("cue change"), ("colour change"), ("turn")} <= {m for r, m in lines if r == region}
        tested = lines[f"{region}, condition means", "cue r"]
        assert tested["df"] == 2 * 8 - 2
        assert tested["p_holm"] >= tested["p_t"]


def test_the_region_that_is_missed_most_stands_beside_each_other() -> None:
    rows = table("masking").rows
    lines = {(line["row"], line["metric"]): line for line in rows}
    for metric in ("cue r", "colour r"):
        left = {region: lines[f"{region}, single trials", metric]["value"] for region in ("PFC", "MT", "V4")}
        first = min(left, key=lambda region, left=left: left[region])
        for other in set(left) - {first}:
            found = lines[f"without {first} − without {other}, single trials", f"{metric}, difference"]
            assert found["value"] == pytest.approx(left[first] - left[other], abs=1e-9)


def test_single_regions_stand_beside_noise_by_both_of_the_paper_s_tests() -> None:
    for line in table("regions").rows:
        assert line["p_noise"] is None or 0 < line["p_noise"] <= 1
    tested = [line for line in table("regions").rows if line.get("df")]
    assert {line["df"] for line in tested} <= set(range(8 + 10 - 2 + 1))
    assert any("p_holm" in line for line in tested)


def test_inverses_of_one_region_stand_beside_random_pixels_too() -> None:
    alone = {line["row"]: line for line in table("apart").rows}
    assert alone.keys() == {line["row"] for line in table("encoder").rows if "mean activity" not in line["row"]}
    assert all(0 < line["p_noise"] <= 1 and line["region"] in label for label, line in alone.items())
    own = [model for key, model in trained().kept.items() if (key.network, key.regions) == ("inverse", ("V4",))]
    assert [set(model.region.tolist()) for model in own] == [{"V4"}] * len(SEEDS)


def test_the_encoder_stands_beside_random_pixels_and_the_mean_activity() -> None:
    rows = {line["row"] for line in table("encoder").rows}
    assert {"V4, condition means", "V4, single trials", "mean activity, V4, condition means"} <= rows


def test_models_are_trained_once_for_all_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    table("main")
    monkeypatch.setattr("calibration.spikes2video.trained.fit_spikes2video", lambda *_, **__: pytest.fail("again"))
    assert run("repeats", trained(), QUICK, SEEDS, PLAN).rows


def test_the_stream_is_in_the_order_that_its_clips_are_put_together_in() -> None:
    test = population().test
    stream = stream_of(test, QUICK.eta)
    frames = stream.shown().reshape(-1, test.size[0], *stream.frames.shape[1:]).transpose(0, 2, 1, 3, 4)
    np.testing.assert_array_equal(frames, test[order_of(test)[1:]].video)


def test_the_noise_curve_ends_in_no_signal_and_an_oracle() -> None:
    rates = np.full((8, *population().test.size), 20.0)
    found = noise(lambda signal: Known(trained(), rates, 0.1), QUICK, SEEDS[:1], PLAN, (0.0, 1.0))
    assert {line["signal"] for line in found.rows} == {0.0, 1.0}
    oracle = [line for line in found.rows if line.get("decoder") == ORACLE]
    assert oracle
    for line in oracle:  # rates that tell nothing: the mean clip, at chance
        assert line["value"] is None or line["value"] == pytest.approx(line["chance"], abs=1e-4)
    assert draw(found).axes


def test_an_unknown_experiment_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no experiment 'maskin'. Did you mean 'masking'\?"):
        run("maskin", trained(), QUICK, SEEDS, PLAN)
    with pytest.raises(ConfigError, match="needs a seed"):
        run("main", trained(), QUICK, (), PLAN)
