"""A recipe whose target is a response gives a bundle that predicts epochs, and finds pictures by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration import calibrate
from calibration.calibrate import CalibrationResult
from calibration.calibrate_response import settings_of
from calibration.evaluate import evaluate
from calibration.image2ecog.pictures import things_by_label
from calibration.recipe import Recipe, load_recipe, recipe_from
from streamkit.bundle import load_bundle
from streamkit.errors import ConfigError
from streamkit.recording import read_recording
from streamkit.verify import compare, offline_answer, over_memory


def recipe_of(**changes: object) -> Recipe:
    """The small recipe on fewer images, trained less."""
    document = load_recipe("image2ecog-small").model_dump(mode="json", exclude_unset=True)
    world = {"images.exemplars": 3, "images.views": 2, "images.repeats": 3, "signal.signal": 3.0}
    document["data"]["options"] = {"world": "visual-ecog", "subject": ["s01"], "set": world}
    document["split"] = {"held_out": ["block-2"], "validation": ["block-1"]}
    document["train"] |= {"epochs": 4}
    document["model"]["args"] |= {"classifier_epochs": 5}
    for key, value in changes.items():
        table = document
        *path, last = key.split("__")
        for part in path:
            table = table[part]
        table[last] = value
    return recipe_from(document, "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("response")
    return calibrate(recipe_of(), None, folder / "bundle", folder / "held-out")


def test_it_knows_the_held_out_pictures(made: CalibrationResult) -> None:
    bundle = load_bundle(made.bundle.path)
    labels = bundle.contract.output.labels
    assert len(labels) == 10
    assert all(label.split("_")[1][0] == "2" for label in labels)
    assert bundle.contract.encoding is not None
    assert bundle.contract.encoding.labels == labels
    assert bundle.tensors()["stimulus_features"].shape == (10, 3 * 32 * 32)
    assert bundle.provenance.simulated
    assert bundle.provenance.held_out == ("block-2",)
    assert set(bundle.provenance.trained_on) == {"block-0", "block-1"}
    assert made.parity < 1e-3


def test_the_bad_channel_is_no_part_of_the_contract(made: CalibrationResult) -> None:
    recording = read_recording(made.held_out_recordings[0])
    bad = recording.meta.details["electrodes"]["bad"]
    assert not set(bad) & set(made.bundle.contract.stream.ch_names)
    assert len(made.bundle.contract.stream.ch_names) == recording.signal().spec.n_chans - len(bad)


def test_every_score_has_chance_interval_and_number(made: CalibrationResult) -> None:
    names = [score.name for score in made.scores]
    assert names[:4] == ["retrieval top-1", "retrieval top-5", "encoding r", "encoding MSE"]
    assert "r, single trials" in names
    for score in made.scores:
        assert np.isfinite([score.value, score.chance, *score.ci95]).all()
    assert made.scores[0].chance == pytest.approx(0.1)


def test_live_is_offline_and_evaluation_finds_the_same_scores(made: CalibrationResult) -> None:
    (folder,) = made.held_out_recordings
    both = (way(made.bundle.path, folder, "onnxruntime") for way in (offline_answer, over_memory))
    verdict = compare(*both, made.bundle.contract.processed.sfreq)
    assert verdict.passed
    assert verdict.epochs is not None
    assert verdict.epochs.expected == 30
    found = evaluate(made.bundle, [read_recording(folder)], backend="onnxruntime")
    for score, again in zip(made.scores[:4], found.scores, strict=True):
        assert (score.name, again.n) == (again.name, score.n)
        assert again.value == pytest.approx(score.value, rel=1e-3, abs=1e-4)
        for one in (score, again):  # five things in two views each
            assert "bootstrap over things" in one.note
            assert "119 permutations of things" in one.note
            assert one.p >= 1 / 120


def test_things_are_what_the_markers_say_unless_trials_are_split(made: CalibrationResult) -> None:
    recording = read_recording(made.held_out_recordings[0])
    labels = (*made.bundle.contract.output.labels, "unknown.png")
    things = things_by_label(recipe_of(), [recording], labels)
    assert len(set(things.values())) == 6
    assert len({things[label] for label in labels if label.startswith(labels[0].rsplit("_", 1)[0])}) == 1
    by_trial = things_by_label(recipe_of(model__args__split="trial"), [recording], labels)
    assert len(set(by_trial.values())) == len(labels)


def test_every_backend_predicts_the_same_epoch(made: CalibrationResult) -> None:
    label = made.bundle.contract.output.labels[0]
    epochs = []
    for backend in ("onnxruntime", "torch"):
        predictor = made.bundle.open_predictor(backend)
        epochs.append(predictor.predict(label).copy())
        predictor.close()
    np.testing.assert_allclose(epochs[0], epochs[1], rtol=1e-3, atol=1e-2)
    assert epochs[0].shape == (100, len(made.bundle.contract.stream.ch_names))


def test_several_subjects_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"of 2 subjects \(s01, s02\).*--set data.options.subject=s01"):
        calibrate(recipe_of(data__options__subject=["s01", "s02"]), None, tmp_path / "bundle")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__args__head": "scalar"}, "head 'scalar' predicts no epochs"),
        ({"target__size": 16}, "set grey = false and size = 32"),
        ({"model__args__lambda": 1.0}, "image2ecog takes no 'lambda'. It takes model, head"),
        ({"split__held_out": []}, "nothing is left to test on"),
        ({"train__method": "brainae"}, "target kind"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        calibrate(recipe_of(**changes), None, tmp_path / "bundle")


def test_groups_that_share_things_are_refused_unless_the_split_is_said_to_be_by_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calibration.image2ecog.recordings._column", lambda markers, name, k: "same")
    with pytest.raises(ConfigError, match=r"of the things tested are also trained on.*split = 'trial'"):
        calibrate(recipe_of(), None, tmp_path / "bundle")


def test_the_recipes_say_what_the_settings_are() -> None:
    full, _ = settings_of(load_recipe("image2ecog"))
    assert (full.size, full.lr, full.epochs, full.batch_size, full.patience) == (224, 1e-4, 100, 32, 10)
    assert full.split == "image"
    small, _ = settings_of(load_recipe("image2ecog-small"))
    assert small.size == 32
