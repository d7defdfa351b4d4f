"""The paper's figures by line, and the dots world and settings that reproduce takes."""

from __future__ import annotations

from pathlib import Path

from calibration.papers import PAPERS
from calibration.papers.paper import Request
from calibration.papers.spikes2video import MANY, SPIKES2VIDEO, known_at, source_of
from calibration.progress import Progress
from calibration.spikes2video.experiments import EXPERIMENTS
from calibration.spikes2video.paper import PAPER, published


def test_the_paper_is_there_by_name() -> None:
    assert PAPERS["spikes2video"] is SPIKES2VIDEO
    assert set(SPIKES2VIDEO.experiments) == {*EXPERIMENTS, "noise"}


def test_figures_are_of_experiments_that_there_are() -> None:
    assert {experiment for experiment, _, _ in PAPER} <= set(EXPERIMENTS)
    assert published("encoder", "V4, condition means", "encoder r") == {"siegel2015": 0.9352}
    assert published("main", "-90°, condition means", "direction error") == {"siegel2015": 4.0}
    assert published("main", "single trials", "cue r") == {}


def test_the_small_scale_is_the_dots_world_and_counts_stay_counts() -> None:
    source = source_of(Request("small"), Progress())
    material = source.material({"groups.train": 1, "groups.validation": 1, "groups.test": 1})
    assert material.simulated
    assert source.settings.scaling == "standard"
    assert (material.train.X.round() == material.train.X).all()
    assert len(material.test) == 64


def test_at_the_recipe_s_own_signal_nothing_is_trained_again() -> None:
    source = source_of(Request("small"), Progress())
    trained = source.trained({"groups.train": 1, "groups.validation": 1, "groups.test": 1})
    assert known_at(source, trained, 1.0).trained is trained
    other = known_at(source, trained, 0.0)
    assert other.trained is not trained
    assert (other.rates == other.rates[:1]).all()


def test_sweeps_take_fewer_seeds_unless_some_are_named() -> None:
    assert len(SPIKES2VIDEO.seeds_of("main", Request("small"))) == 5
    assert all(len(SPIKES2VIDEO.seeds_of(name, Request("small"))) < 5 for name in MANY)
    assert SPIKES2VIDEO.seeds_of("sites", Request("small", seeds=(7,))) == (7,)
    assert len(SPIKES2VIDEO.seeds_of("sites", Request("full"))) == 5


def test_without_the_published_data_every_experiment_says_so(tmp_path: Path) -> None:
    results = list(SPIKES2VIDEO.run(Request("full"), ("main", "encoder"), Progress()))
    assert [result.name for result in results] == ["main", "encoder"]
    assert all("siegel2015" in result.why_not for result in results)


def test_the_noise_curve_has_five_seeds() -> None:
    assert len(SPIKES2VIDEO.seeds_of("noise", Request("small"))) == 5
