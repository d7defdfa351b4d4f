"""Every experiment of the paper runs on small films (simulated), fills its table and draws its figure."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from calibration.brain2pix.experiments import EXPERIMENTS, Plan, Table, run
from calibration.brain2pix.experiments.noise import ORACLE, Known, draw, noise
from calibration.brain2pix.nishimoto import NishimotoSettings
from calibration.brain2pix.paper import FIXED, PAPER, published
from calibration.brain2pix.settings import FieldsSettings
from calibration.brain2pix.trained import Trained
from streamkit.errors import ConfigError
from tests.calibration.brain2pix.toy import SETTINGS, SIDE, centres, material

PLAN = Plan(
    shares=(0.5, 1.0),
    nishimoto=NishimotoSettings(k=3),
    fields=FieldsSettings(channels=(3,), pools=(1,), frames=4, epochs=2, least=-1.0),
    n_way=4,
    bootstrap=20,
    permutations=20,
)
QUICK = SETTINGS.but(widths=(4, 8), d_widths=(4, 8), rank=4, hidden=(8, 4, 8), fisheye=True, batch_size=24, epochs=1)
SEEDS = (0, 1)
NAMES = ("main", "baselines", "regions", "losses", "amount", "synthetic", "places", "orientation", "fields")


@cache
def trained() -> Trained:
    return Trained(material())


@cache
def table(name: str) -> Table:
    return run(name, trained(), QUICK, SEEDS, PLAN)


def rows(name: str) -> dict[tuple[str, str], dict]:
    return {(line["row"], line["metric"]): line for line in table(name).rows}


def test_the_table_has_the_experiments_of_the_paper() -> None:
    assert tuple(EXPERIMENTS) == NAMES
    assert all(one.name == name and one.title for name, one in EXPERIMENTS.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_line_has_its_chance_and_interval_and_is_told_apart(name: str) -> None:
    found = table(name).rows
    json.dumps(found, allow_nan=False)
    for line in found:
        assert line["experiment"] == name
        assert line["simulated"] is True
        assert line["note"]
        assert line["value"] is not None
        assert line["chance"] is not None
        assert line["ci95"][0] <= line["ci95"][1]
    assert len(rows(name)) == len(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_draws_its_figure(name: str, tmp_path) -> None:
    path = tmp_path / "figure.png"
    EXPERIMENTS[name].draw(table(name)).savefig(path, dpi=40)
    assert path.stat().st_size > 1500


def test_straight_pictures_and_those_through_the_fisheye_stand_side_by_side() -> None:
    names = {row for row, _ in rows("main")}
    assert names == {"FixedRF", "mean frame", "FixedRF − mean frame", "FixedRF, through the fisheye"}


def test_all_baselines_are_compared_in_pairs() -> None:
    pairs = {row for row, metric in rows("baselines") if metric.endswith("difference")}
    assert pairs == {f"FixedRF − {name}" for name in ("LearnedRF", "Shen", "Nishimoto", "FC")}
    for row, metric in rows("baselines"):
        if metric.endswith("difference"):
            assert (
                rows("baselines")[row, metric]["p_binomial"] is None or rows("baselines")[row, metric]["p_binomial"] > 0
            )


def test_lines_say_what_the_feature_loss_looked_through() -> None:
    line = rows("losses")["no adversarial loss", "SSIM"]
    assert line["decoder"] == "no adversarial loss"
    assert "oriented filters" in rows("main")["FixedRF", "SSIM"]["trained_with"]


def test_regions_alone_read_their_own_voxels() -> None:
    assert rows("regions")["V1 alone", "SSIM"]["voxels"] == 40
    assert rows("regions")["V2 alone", "SSIM"]["voxels"] == 24


def test_shares_are_of_whole_runs() -> None:
    lines = [line for line in table("amount").rows if line["metric"] == "SSIM"]
    assert [(line["share"], line["runs"]) for line in lines] == [(0.5, 2), (1.0, 4)]


def test_the_right_way_round_is_told_before_anything_is_trained() -> None:
    found = {row: line["value"] for (row, metric), line in rows("orientation").items() if metric == "r with its pixel"}
    assert len(found) == 8
    assert max(found, key=found.get) == "as the table says"


def test_estimated_places_stand_beside_those_the_data_came_with() -> None:
    line = rows("fields")["all regions", "pixels off, median"]
    assert {"share_known", "share_within_3"} <= set(line)
    assert line["better"] == "lower"


def test_models_are_trained_once_for_all_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    table("main")
    monkeypatch.setattr("calibration.brain2pix.trained.fit_brain2pix", lambda *_, **__: pytest.fail("again"))
    assert run("main", trained(), QUICK, SEEDS, PLAN).rows


def drive(frames: np.ndarray) -> np.ndarray:
    """Brightness where each voxel of the toy looks."""
    columns, at = np.floor((centres() + 0.5) * SIDE).astype(int).T
    return frames.mean(1)[:, at, columns] / 255


def test_the_noise_curve_has_its_oracle_and_its_mean_frame() -> None:
    known = {signal: Known(Trained(material(signal)), drive) for signal in (0.0, 1.0)}
    found = noise(lambda signal: known[signal], QUICK.but(epochs=3), (0,), PLAN, (0.0, 1.0))
    values = {
        (line["signal"], line.get("decoder")): line["value"] for line in found.rows if line["metric"] == "pixel r"
    }
    assert {decoder for _, decoder in values} == {"FixedRF", "Shen", "mean frame", ORACLE}
    assert values[0.0, ORACLE] == values[1.0, ORACLE]
    assert draw(found).axes


def test_an_unknown_experiment_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no experiment 'region'. Did you mean 'regions'\?"):
        run("region", trained(), QUICK, SEEDS, PLAN)
    with pytest.raises(ConfigError, match="needs a seed"):
        run("main", trained(), QUICK, (), PLAN)


def test_the_paper_s_figures_stand_at_lines_that_there_are_and_impossible_ones_nowhere() -> None:
    made = {(name, row) for name in NAMES for row, _ in rows(name)}
    told = {(name, row) for name, row, _ in PAPER if name != "regions" and name != "amount"}
    assert told <= made
    assert published("main", "FixedRF, through the fisheye", "AlexNet pool2 r") == {"brain2pix": FIXED[0]}
    assert published("baselines", "LearnedRF", "AlexNet pool5 r") == {}
    assert all(abs(value) <= 1 for value in PAPER.values())
