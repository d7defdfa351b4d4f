from __future__ import annotations

import json
from importlib import import_module

import numpy as np
import pytest
from click.testing import CliRunner

from apps.commands.calibrate import command as calibrate_command
from apps.commands.evaluate import command as evaluate_command
from calibration import calibrate, evaluate
from calibration.calibrate import prepare
from calibration.datasets import DATASETS
from calibration.progress import Progress
from calibration.recipe import load_recipe, recipe_from
from streamkit.bundle import load_bundle
from streamkit.errors import BundleError, ConfigError, ContractMismatch
from streamkit.recording import read_recording
from tests.calibration import toy

HOP = {"mode": "hop", "n_times": 20, "hop": 10}
CNN = {
    "name": "v1_cnn",
    "args": {"unflatten": [2, 4, 4], "channels": [4], "kernels": [6], "strides": [2], "paddings": [1]},
}
GRADIENT = {"method": "gradient", "epochs": 4, "batch_size": 16, "warm_start": True}


@pytest.fixture(autouse=True)
def toy_dataset(monkeypatch):
    monkeypatch.setitem(DATASETS, "toy", toy.TOY)


def run(tmp_path, **sections):
    recipe = recipe_from(toy.document(**sections), "test")
    return calibrate(recipe, None, tmp_path / "bundle", held_out_dir=tmp_path / "held")


def test_classes_are_calibrated_scored_on_the_held_out_run_and_written(tmp_path):
    scale = {"stages": [{"kind": "lowpass", "freq": 20}, {"kind": "scale"}]}
    result = run(tmp_path, preprocess=scale, split={"cv": "leave-one-group-out"})
    assert (result.trained_on, result.held_out) == (("run-0", "run-1", "run-2"), ("run-3",))
    assert result.scores[0].name == "auc"
    assert result.scores[0].value > 0.9
    assert result.cross_validation[0].value > 0.9
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.provenance.simulated
    assert bundle.provenance.held_out == ("run-3",)
    assert bundle.metrics[0].value == result.scores[0].value
    assert bundle.contract.output.labels == ("rest", "bump")
    assert bundle.contract.window.events == ("1", "2")
    assert bundle.contract.preprocess.stages[1].mean is not None
    page = result.report.read_text()
    assert "Simulated" in page
    assert {p.name for p in result.report.parent.iterdir()} >= {"scores.png", "answers.png", "class-means.png"}


def test_the_bundle_scores_the_same_through_its_own_pipeline(tmp_path):
    result = run(tmp_path)
    found = evaluate(load_bundle(tmp_path / "bundle"), [read_recording(result.held_out_recordings[0])])
    assert [s.name for s in found.scores] == [s.name for s in result.scores]
    assert found.scores[0].value == pytest.approx(result.scores[0].value, abs=1e-9)
    assert found.counts["decoded"] == 40


def test_without_a_signal_the_score_is_at_chance(tmp_path):
    result = run(tmp_path, data={"options": {"signal": 0.0}}, split={"held_out": ["run-2", "run-3"]})
    assert result.scores[0].ci95[0] < 0.5 < result.scores[0].ci95[1]
    assert result.scores[0].p > 0.02


def test_the_held_out_group_does_not_change_the_decoder(tmp_path, monkeypatch):
    first = run(tmp_path / "a", preprocess={"stages": [{"kind": "scale"}]})

    def other(path, options):
        *kept, _ = toy.read(path, options)
        yield from kept
        yield toy.recording(3, options.model_copy(update={"signal": 9.0}))

    changed = toy.TOY.__class__("toy", "", "", "", "", toy.ToyOptions, other)
    monkeypatch.setitem(DATASETS, "toy", changed)
    second = run(tmp_path / "b", preprocess={"stages": [{"kind": "scale"}]})
    assert first.bundle.contract == second.bundle.contract
    for one, two in zip(*(r.bundle.references()["decoder"] for r in (first, second)), strict=True):
        assert np.array_equal(one, two)


def test_a_group_to_stop_early_by_has_no_part_in_the_preprocessing(tmp_path):
    def prepared(**split):
        stages = {"stages": [{"kind": "scale"}]}
        recipe = recipe_from(toy.document(preprocess=stages, split=split), "test")
        recordings = list(toy.read(tmp_path, toy.ToyOptions(groups=3)))[: 3 if split else 2]
        return prepare(recipe, recordings, toy.SPEC, Progress())

    watched, alone = prepared(validation=["run-2"]), prepared()
    assert watched.config == alone.config
    assert len(watched.examples) > len(alone.examples)


def test_a_continuous_signal_is_predicted(tmp_path):
    result = run(
        tmp_path,
        data={"options": {"kind": "signal"}},
        window=HOP,
        target={"kind": "signal", "stream": "force"},
        model={"args": {}},
        train={"alpha": 1.0},
    )
    assert result.scores[0].name == "pearson"
    assert result.scores[0].value > 0.9
    assert result.bundle.contract.output.unit == "N"
    found = evaluate(result.bundle, [read_recording(result.held_out_recordings[0])])
    assert found.scores[0].value == pytest.approx(result.scores[0].value, abs=1e-6)


def test_images_are_scored_beside_ridge_and_the_mean_image(tmp_path):
    result = run(
        tmp_path,
        data={"options": {"kind": "image"}},
        target={"kind": "image", "size": 8},
        model=CNN,
        train=GRADIENT,
        evaluate={"n_way": 10},
    )
    names = [score.name for score in result.scores]
    assert names[:2] == ["10-way identification", "pixel correlation"]
    assert "10-way identification, ridge decoder" in names
    mean = next(s for s in result.scores if s.name == "10-way identification, mean training image")
    assert mean.value == pytest.approx(0.1, abs=1e-6)
    assert (result.report.parent / "training.png").exists()


def test_the_data_have_to_be_said(tmp_path):
    with pytest.raises(ConfigError, match=r"give --data PATH, the folder that holds P300"):
        calibrate(load_recipe("p300-muse"), None, tmp_path / "bundle")


def test_an_unknown_dataset_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"no dataset 'tou'. Datasets: muse_p300"):
        run(tmp_path, data={"dataset": "tou"})


def test_a_metric_that_does_not_fit_the_target_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'pearson' does not fit this target, which has auc"):
        run(tmp_path, evaluate={"metric": "pearson"})


def test_nothing_is_held_out_when_the_recipe_says_so(tmp_path):
    result = run(tmp_path, split={"held_out": []})
    assert (result.scores, result.held_out) == ((), ())


def test_a_bundle_in_the_way_is_found_before_anything_is_trained(tmp_path):
    run(tmp_path)
    with pytest.raises(BundleError, match="there already: choose another --out"):
        run(tmp_path, model={"name": "no such model"})


@pytest.mark.parametrize(
    ("out", "held"), [("b", "b"), ("b", "b/report"), ("held/toy-3", "held"), ("held/toy-3/b", "held")], ids=str
)
def test_a_bundle_and_held_out_recordings_never_lie_one_in_the_other(tmp_path, monkeypatch, out, held):
    monkeypatch.setattr(import_module("calibration.calibrate"), "prepare", lambda *_: pytest.fail("it began to train"))
    with pytest.raises(ConfigError, match="would lie one in the other: choose another --held-out"):
        calibrate(recipe_from(toy.document(), "test"), None, tmp_path / out, held_out_dir=tmp_path / held)
    assert not any(tmp_path.iterdir())


def test_a_bundle_may_lie_beside_the_held_out_recordings(tmp_path):
    result = calibrate(recipe_from(toy.document(), "test"), None, tmp_path / "b", held_out_dir=tmp_path)
    assert load_bundle(tmp_path / "b").hash == result.bundle.hash
    assert read_recording(tmp_path / "toy-3").meta.name == "toy-3"


def test_a_recording_of_another_rate_is_refused_by_evaluate(tmp_path):
    result = run(tmp_path)
    wrong = toy.recording(0, toy.ToyOptions())
    signal = wrong.signals[0]
    faster = type(signal)(signal.spec.model_copy(update={"sfreq": 250.0}), signal.data, signal.stamps)
    with pytest.raises(ContractMismatch, match="expected 100 Hz, the stream has 250 Hz"):
        evaluate(result.bundle, [type(wrong)((faster,), wrong.markers, meta=wrong.meta)])


def test_the_commands_print_one_json_object(tmp_path):
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'name = "toy"\n[data]\ndataset = "toy"\npath = "."\n[window]\nmode = "event"\nn_times = 30\n'
        '[target]\nkind = "class"\nclasses = { "1" = "rest", "2" = "bump" }\n[model]\nname = "linear"\n'
    )
    bundle, held = str(tmp_path / "bundle"), str(tmp_path / "held")
    small = ["--set", "evaluate.bootstrap=20", "--set", "evaluate.permutations=20"]
    arguments = [str(recipe), "--out", bundle, "--held-out", held, *small, "--json"]
    made = CliRunner().invoke(calibrate_command, arguments, catch_exceptions=False)
    document = json.loads(made.stdout)
    assert document["metrics"][0]["name"] == "auc"
    assert document["parity_max_abs"] < 1e-4
    report = ["--report", str(tmp_path / "report"), "--json"]
    scored = CliRunner().invoke(
        evaluate_command, [bundle, *document["held_out_recordings"], *report], catch_exceptions=False
    )
    again = json.loads(scored.stdout)
    assert again["metrics"][0]["value"] == pytest.approx(document["metrics"][0]["value"])
    assert again["trained_on_groups"] == []
    assert (tmp_path / "report" / "index.html").exists()
