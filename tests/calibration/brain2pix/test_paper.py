"""What reproduce takes: the world of films, its settings, weights of the user's; figures are in test_experiments."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from apps.commands.reproduce import command, paths
from calibration.brain2pix.experiments import EXPERIMENTS
from calibration.papers import PAPERS
from calibration.papers.brain2pix import BRAIN2PIX, MANY, NOISE, known_at, plan_of, source_of
from calibration.papers.paper import Request
from calibration.progress import Progress
from streamkit.errors import ConfigError

FEW = {f"parts.{part}.runs": 1 for part in ("train", "validation", "test")}
FEW |= {f"parts.{part}.frames": 20 for part in ("train", "validation", "test")}
FEW["areas"] = [{"name": "V1", "voxels": 10, "size": 0.05}]


def test_the_paper_is_there_by_name() -> None:
    assert PAPERS["brain2pix"] is BRAIN2PIX
    assert set(BRAIN2PIX.experiments) == {*EXPERIMENTS, NOISE}


def test_the_small_scale_is_the_world_of_films_scaled_by_training_runs() -> None:
    source = source_of(Request("small"), Progress())
    material = source.material(FEW)
    assert material.simulated
    assert source.settings.scaling == "train"
    assert source.settings.features == "oriented"
    assert len(material.test) == 19


def test_at_the_recipe_s_own_signal_nothing_is_trained_again() -> None:
    source = source_of(Request("small"), Progress())
    trained = source.trained(FEW)
    assert known_at(source, trained, 1.0).trained is trained
    world = source.world({**FEW, "noise.signal": 0.0})
    assert world.voxels.drive(world.shown("test-1").frames).shape == (20, 10)


def test_sweeps_take_fewer_seeds_and_the_noise_curve_five() -> None:
    assert len(BRAIN2PIX.seeds_of("main", Request("small"))) == len(BRAIN2PIX.seeds_of(NOISE, Request("small"))) == 5
    assert all(len(BRAIN2PIX.seeds_of(name, Request("small"))) < 5 for name in MANY)
    assert BRAIN2PIX.seeds_of("amount", Request("small", seeds=(7,))) == (7,)


def test_weights_of_the_user_s_are_used_where_they_belong(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.touch()
    request = Request("small", weights={"vgg19": file, "alexnet": file})
    settings = source_of(request, Progress()).settings
    assert (settings.features, settings.weights) == ("vgg19", str(file))
    assert [look.name for look in plan_of(request).looks][:3] == ["AlexNet pool2", "AlexNet pool5", "AlexNet fc6"]
    assert paths((f"vgg19={file}",)) == {"vgg19": file}
    with pytest.raises(ConfigError, match="expected NAME=PATH with a file or folder that is there"):
        paths(("vgg19=nowhere.pth",))


def test_the_command_says_which_weights_the_paper_can_use(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.touch()
    words = ["brain2pix", "--out", str(tmp_path / "out"), "--weights", f"vgg16={file}"]
    found = CliRunner().invoke(command, words)
    assert isinstance(found.exception, ConfigError)
    assert "no weights called 'vgg16'. Did you mean 'vgg19'?" in str(found.exception)


def test_without_the_published_data_every_experiment_says_so() -> None:
    results = list(BRAIN2PIX.run(Request("full"), ("main", "noise"), Progress()))
    assert [result.name for result in results] == ["main", "noise"]
    assert all("brain2pix" in result.why_not for result in results)
