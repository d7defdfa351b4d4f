"""reproduce image2ecog, on fewer images (simulated)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.papers import PAPERS
from calibration.papers import image2ecog as paper
from calibration.papers.paper import Request, Result
from calibration.progress import Progress
from calibration.recipe import load_recipe
from streamkit.errors import ConfigError

FEW = {"subjects": 3, "images.exemplars": 3, "images.views": 2, "images.repeats": 4}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer people, images, folds, epochs and strengths of signal."""
    small = load_recipe("image2ecog-small", ["train.epochs=8", "model.args.classifier_epochs=10"])
    small.data.options["set"] = FEW
    monkeypatch.setattr(paper, "load_recipe", lambda name: small if name.endswith("small") else load_recipe(name))
    monkeypatch.setattr(paper, "SIGNALS", (0.0, 3.0))
    monkeypatch.setitem(paper.PLANS, "small", paper.Plan(folds=(0, 1), bootstrap=50, permutations=50))


def results(*names: str, **request: object) -> dict[str, Result]:
    asked = Request(**{"scale": "small", **request})
    return {each.name: each for each in paper.reproduce(asked, names, Progress())}


def test_it_is_in_the_table_with_all_its_experiments() -> None:
    one = PAPERS["image2ecog"]
    assert set(one.experiments) == {*paper.EXPERIMENTS, "noise"}
    assert "Simulated" in one.notes["small"]


def test_the_curve_over_noise_has_its_ends_and_an_oracle() -> None:
    found = results("noise")["noise"]
    json.dumps(found.rows, allow_nan=False)
    rows = {each["row"]: each for each in found.rows}
    assert set(rows) == {f"{who}, signal {k}" for who in ("classification-regressor", "oracle") for k in (0, 3)}
    above = {name: each["value"] - each["chance"] for name, each in rows.items()}
    assert abs(above["classification-regressor, signal 0"]) < 0.01
    assert abs(above["oracle, signal 0"]) < 0.01
    assert above["oracle, signal 3"] > above["classification-regressor, signal 3"] > 0.01
    assert all(each["simulated"] for each in found.rows)
    assert found.drawn is not None


def test_all_people_of_the_world_take_part_though_the_recipe_names_one() -> None:
    (row, *_) = results("classifier")["classifier"].rows
    assert row["n_subjects"] == 3
    assert row["split"] == "image"


def test_full_scale_without_the_recordings_says_what_is_missing() -> None:
    found = results("main", "noise", scale="full")
    assert all("klab.tch.harvard.edu" in each.why_not for each in found.values())


def test_full_scale_without_images_cannot_be_run(tmp_path: Path) -> None:
    from scipy.io import savemat

    trials = np.zeros((10, 3, 50), np.float32)
    savemat(tmp_path / "s2.mat", {"ifp": trials, "stim": np.stack([np.arange(10) % 5, np.arange(10) // 5], 1)})
    found = results("main", scale="full", data={"liu2009": tmp_path})
    assert found["main"].why_not


def test_an_unknown_experiment_is_refused_by_its_name() -> None:
    from calibration.reproduce import chosen

    with pytest.raises(ConfigError, match="Did you mean 'splits'"):
        chosen(PAPERS["image2ecog"], ["split"])
