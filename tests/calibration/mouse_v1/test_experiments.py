"""Every experiment of the report runs on small mice (simulated), fills its table and draws its figure."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from calibration.mouse_v1.experiments import EXPERIMENTS, Plan, Systems, Table, run
from calibration.mouse_v1.experiments.noise import OWN, Known, noise
from calibration.mouse_v1.oracle import best_images, posterior
from calibration.mouse_v1.paper import CNN, GAN, INVENC, MEAN_IMAGE, ORACLE, RIDGE, published
from calibration.mouse_v1.scores import PIXELS, SSIML
from calibration.tables.plots import courses
from streamkit.errors import BadInput, ConfigError
from tests.calibration.mouse_v1.mice import TOY_CNN, TOY_GAN, animal, trained

PLAN = Plan(channels=(4, 8), data=(0.3, 1.0), neurons=(0.3, 1.0), n_way=8, bootstrap=30, permutations=30)
SYSTEMS = Systems(cnn=TOY_CNN.but(epochs=2), gan=TOY_GAN.but(epochs=1))
SEEDS = (0, 1)
NAMES = ("main", "encoders", "inversion", "pretrained", "merged", "channels", "inputs", "losses", "data", "neurons")


@cache
def table(name: str) -> Table:
    return run(name, trained(), SYSTEMS, SEEDS, PLAN)


def test_the_table_has_the_experiments_of_the_report() -> None:
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
        if line["value"] is not None and not line["metric"].startswith("validation"):
            assert line["chance"] is not None
            assert line["ci95"][0] <= line["ci95"][1]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_draws_its_figure(name: str, tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    EXPERIMENTS[name].draw(table(name)).savefig(path, dpi=40)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_one_experiment_are_told_apart(name: str) -> None:
    keys = [(line["row"], line["metric"]) for line in table(name).rows]
    assert len(keys) == len(set(keys))


def test_decoders_stand_beside_the_mean_image_and_ridge_on_the_same_pictures() -> None:
    rows = table("main").rows
    lines = {(line["row"], line["metric"]): line for line in rows}
    assert {line["row"] for line in rows} >= {INVENC, CNN, GAN, "ridge", MEAN_IMAGE, f"{GAN} − {MEAN_IMAGE}"}
    assert {line["n"] for line in rows if line["row"] in (CNN, GAN)} == {24, 0}
    assert lines[CNN, "FID-64"]["note"].startswith("not run")
    assert lines[CNN, PIXELS]["selected_by"] == "SSIM loss"
    assert lines[INVENC, PIXELS]["chosen_by"] == "SSIM loss"
    assert lines[CNN, PIXELS]["averaged"] == 4
    assert lines[f"{GAN} − {CNN}", f"{SSIML}, difference"]["note"].startswith("paired")


def test_what_has_no_weights_is_said_not_to_be_run() -> None:
    notes = {line["row"]: line["note"] for line in table("pretrained").rows}
    assert "CreativeML OpenRAIL-M" in notes["SD-VAE"]
    assert "resnet50-11ad3fa6.pth" in notes["ResNet50"]


def test_the_inversion_is_shown_without_its_parts_and_with_its_search() -> None:
    rows = table("inversion").rows
    assert {OWN, INVENC, "without rescaling", "without blur"} <= {line["row"] for line in rows}
    assert sum(line["metric"].startswith("validation") for line in rows) == 8


def test_shares_of_neurons_and_data_are_shares() -> None:
    assert {line["neurons"] for line in table("neurons").rows} == {48, 160}
    assert {line["share"] for line in table("data").rows} == {0.3, 1.0}


def test_the_report_s_figures_stand_beside_ours() -> None:
    assert published("main", GAN, SSIML) == {"sensorium": 0.323}
    assert published("main", CNN, "MSE") == {"sensorium": 0.066}
    assert published("merged", "GAN, all mice", "FID-64") == {"sensorium": 0.519}
    assert published("channels", GAN, SSIML) == {}


def expected(signal: float) -> np.ndarray:
    from tests.calibration.mouse_v1.mice import N_UNITS, blobs

    drive = (animal().test.images[:, 0] - 0.5).reshape(24, -1) @ blobs(N_UNITS, 158).reshape(N_UNITS, -1).T
    return np.exp(0.5 + 4 * signal * drive)


def test_the_oracle_is_at_chance_without_signal_and_right_with_it() -> None:
    test = animal().test
    silent = posterior(test, expected(0.0), 0.0)
    np.testing.assert_allclose(silent, 1 / 24, rtol=1e-6)
    told = posterior(test, expected(1.0), 0.0)
    assert np.diag(told).min() > 0.99
    np.testing.assert_allclose(best_images(test, expected(1.0), 0.0), test.images, atol=0.02)
    with pytest.raises(BadInput, match="each presentation by itself"):
        posterior(test.by_image(), expected(1.0), 0.0)


def test_the_noise_curve_ends_in_no_signal_and_an_oracle() -> None:
    found = noise(lambda signal: Known(trained(signal), expected(signal), 0.0), SYSTEMS, SEEDS[:1], PLAN, (0.0, 1.0))
    assert {line["signal"] for line in found.rows} == {0.0, 1.0}
    lines = {(line["row"], line["metric"]): line for line in found.rows}
    assert lines[f"{ORACLE}, signal 1", PIXELS]["value"] > 0.99
    for name in (CNN, INVENC):
        line = lines[f"{name}, signal 0", PIXELS]
        assert line["p"] > 0.02
    first, *_, last = courses("signal", "signal", split="decoder")(found).axes
    told = [text.get_text() for text in last.get_legend().get_texts()]
    assert told == [INVENC, OWN, CNN, GAN, RIDGE, MEAN_IMAGE, ORACLE]
    curves = [line for line in first.lines if not line.get_label().startswith("_")]
    assert len({(line.get_color(), line.get_linestyle()) for line in curves}) == 7


def test_an_unknown_experiment_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no experiment 'loses'\. Did you mean 'losses'\?"):
        run("loses", trained(), SYSTEMS, SEEDS, PLAN)
    with pytest.raises(ConfigError, match="needs a seed"):
        run("main", trained(), SYSTEMS, (), PLAN)
