"""A recipe whose target is an embedding gives one bundle that retrieves and predicts, scored on new pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import calibrate
from calibration.brainae.from_recipe import settings_of
from calibration.calibrate import CalibrationResult
from calibration.calibrate_embedding import AVERAGED, held_out_scores
from calibration.datasets import DATASETS
from calibration.evaluate import evaluate
from calibration.features import extract
from calibration.recipe import recipe_from
from calibration.targets import features_of
from calibration.windows import targets_of
from streamkit.bundle import load_bundle
from streamkit.errors import ConfigError
from streamkit.recording import read_recording
from streamkit.types import Event, Window
from streamkit.verify import compare, offline_answer, over_memory
from tests.calibration.brainae import toy as planted
from tests.calibration.toy import SFREQ, TOY, ToyOptions, document, recording

N_EVENTS = 12
ARGS = {
    "embedding": 16, "filters": 4, "kernel": 5, "pool": 5, "dropout": 0.1, "out_act": "identity", "scaling": "standard",
}  # fmt: skip


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "toy", TOY)


def embedding_document(**sections: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "data": {"options": {"kind": "image", "n_events": N_EVENTS, "groups": 3, "signal": 8.0}},
        "window": {"mode": "event", "n_times": 29},
        "target": {"kind": "embedding", "size": 16},
        "model": {"name": "brainae_encoder", "args": ARGS},
        "train": {"method": "brainae", "epochs": 6, "batch_size": 12, "lr": 3e-3},
    }
    merged = {name: {**base.get(name, {}), **sections.get(name, {})} for name in {*base, *sections}}
    return document(**merged) | {"model": merged["model"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("embedding")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "toy", TOY)
        return calibrate(recipe_from(embedding_document(), "test"), None, folder / "bundle", folder / "held-out")


def test_the_bundle_knows_the_held_out_pictures_and_both_ways(made: CalibrationResult) -> None:
    bundle = load_bundle(made.bundle.path)
    labels = bundle.contract.output.labels
    assert set(labels) == {f"image-2-{k}" for k in range(N_EVENTS)}
    assert set(bundle.graphs) == {"encoder", "decoder"}
    tensors = bundle.tensors()
    assert tensors["templates"].shape == tensors["stimulus_features"].shape == (N_EVENTS, ARGS["embedding"])
    assert bundle.contract.encoding is not None
    assert bundle.contract.encoding.labels == labels
    assert bundle.contract.output.chance == pytest.approx(1 / N_EVENTS)
    assert bundle.provenance.held_out == ("run-2",)
    assert bundle.provenance.simulated
    assert made.parity < 1e-4


def test_the_gallery_shows_the_pictures(made: CalibrationResult) -> None:
    gallery = made.bundle.gallery()
    assert gallery is not None
    assert gallery.shape == (N_EVENTS, 1, 16, 16)
    shown = recording(2, ToyOptions(kind="image", n_events=N_EVENTS)).stimulus_arrays
    own = np.stack([shown[label] for label in made.bundle.contract.output.labels])
    blocks = gallery.reshape(N_EVENTS, 8, 2, 8, 2).mean(axis=(2, 4)) / 255
    assert np.corrcoef(own.ravel(), blocks.ravel())[0, 1] > 0.9


def test_every_score_has_chance_interval_and_number(made: CalibrationResult) -> None:
    names = [score.name for score in made.scores]
    assert names == ["retrieval top-1", "retrieval top-5", "encoding r", "encoding MSE"]
    for score in made.scores:
        assert np.isfinite([score.value, score.chance, *score.ci95]).all()
        assert score.n == N_EVENTS
    assert made.scores[0].chance == pytest.approx(1 / N_EVENTS)
    assert (made.report.parent / "encoding.png").is_file()


def test_repeated_pictures_are_found_one_by_one_and_from_their_averages() -> None:
    test = planted.toy().test
    assert test.repeats() > 1
    scores = held_out_scores(recipe_from(embedding_document(), "test"), planted.fitted(), test)
    single, averaged = (next(s for s in scores if s.name == f"{name} top-1") for name in ("retrieval", AVERAGED))
    assert single.n == averaged.n == len(test.by_image())
    assert averaged.value > single.value
    assert averaged.chance == single.chance == pytest.approx(1 / averaged.n)


def test_what_was_held_out_is_verified_and_evaluated(made: CalibrationResult) -> None:
    (folder,) = made.held_out_recordings
    both = (way(made.bundle.path, folder, "onnxruntime") for way in (offline_answer, over_memory))
    verdict = compare(*both, SFREQ)
    assert verdict.passed
    assert verdict.epochs is not None
    assert verdict.epochs.expected == N_EVENTS
    found = evaluate(made.bundle, [read_recording(folder)], backend="onnxruntime")
    for score, again in zip(made.scores, found.scores, strict=True):
        assert (score.name, again.n) == (again.name, score.n)
        assert again.value == pytest.approx(score.value, abs=1e-4)


def test_all_groups_can_be_in_the_gallery(tmp_path: Path) -> None:
    recipe = recipe_from(embedding_document(target={"gallery": "all"}, train={"epochs": 1}), "test")
    bundle = calibrate(recipe, None, tmp_path / "bundle").bundle
    assert len(bundle.contract.output.labels) == 3 * N_EVENTS


def test_the_target_of_an_event_is_the_features_of_its_picture() -> None:
    shown = recording(0, ToyOptions(kind="image", n_events=3))
    target = recipe_from(embedding_document(), "test").target
    events = [Event("image-0-1", 1.0), Event("nobody", 2.0)]
    windows = [Window(np.zeros((29, 3)), event.stamp, 0, event=event) for event in events]
    found = targets_of(shown, windows, target)
    image = features_of(shown, ["image-0-1", "nobody"], (1, 16, 16), "gabor_pyramid")
    np.testing.assert_array_equal(found[0], image["image-0-1"])
    assert found[1] is None
    assert "nobody" not in image
    assert image["image-0-1"].shape == extract(np.zeros((1, 1, 16, 16), np.float32)).shape[1:]


def test_settings_are_the_published_ones_but_for_what_the_recipe_names() -> None:
    settings, loop = settings_of(recipe_from(embedding_document(train={"max_seconds": 5.0}), "test"))
    assert (settings.epochs, settings.batch_size, settings.lr) == (6, 12, 3e-3)
    assert settings.betas == (0.5, 0.999)
    assert settings.tau == 0.07
    assert settings.filters == 4
    assert loop == {"max_seconds": 5.0}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"args": {"filtres": 4}}}, "BrainAE takes no 'filtres'"),
        ({"model": {"args": {"tau": -1}}}, "tau"),
        ({"split": {"cv": "k-fold"}}, "not cross-validated"),
    ],
)
def test_what_brainae_does_not_take_is_said(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_of(recipe_from(embedding_document(**sections), "test"))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"method": "gradient"}}, "belong together"),
        ({"target": {"kind": "image"}}, "belong together"),
        ({"target": {"gallery": "some"}}, "target.gallery"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_from(embedding_document(**sections), "test")


def test_recordings_without_pictures_are_refused_in_words(tmp_path: Path) -> None:
    options = {"kind": "class", "n_events": N_EVENTS, "groups": 3}
    recipe = recipe_from(embedding_document(data={"options": options}), "test")
    with pytest.raises(Exception, match=r"picture|image") as refused:
        calibrate(recipe, None, tmp_path / "bundle")
    assert type(refused.value).__module__ == "streamkit.errors"
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_encoder_of_images_is_refused_with_the_closest(tmp_path: Path) -> None:
    recipe = recipe_from(embedding_document(target={"features": "gabor_piramid"}), "test")
    with pytest.raises(ConfigError, match="gabor_pyramid"):
        calibrate(recipe, None, tmp_path / "bundle")
