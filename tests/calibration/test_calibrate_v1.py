"""Recipes whose decoder is of mouse V1: bundles that show a picture for every presentation, live as offline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

pytest.importorskip("skimage", reason="not run: scikit-image has the photographs")

from apps.commands.verify import command
from calibration.calibrate import CalibrationResult, calibrate
from calibration.calibrate_v1 import settings_of
from calibration.evaluate import evaluate
from calibration.mouse_v1.features import Classifier
from calibration.mouse_v1.settings import (
    CNN,
    ENCODER,
    GAN,
    SMALL_CNN,
    SMALL_ENCODER,
    SMALL_FEATURES,
    SMALL_GAN,
    SMALL_LATENTS,
    FeatureSettings,
    LatentSettings,
)
from calibration.recipe import Recipe, load_recipe, shipped_recipes
from streamkit.bundle import load_bundle
from streamkit.errors import ConfigError
from streamkit.recording import read_recording
from streamkit.replay import Replay
from tests.calibration.replayed import said_live

FEW = (
    "data.options.set={ units = { luminance = 40, simple = 24, complex = 16 }, groups = { "
    'train = { photographs = ["camera", "coins", "moon"], n_patches = 120 }, '
    'validation = { photographs = ["rocket"], n_patches = 10 }, '
    'test = { photographs = ["coffee", "chelsea"], n_patches = 12, repeats = 2 } } }'
)
TINY_GAN = (
    "{ channels = [8, 8], kernels = [3, 3], readin = 8, context = [2, 4], critic = [4], critic_kernels = [5], "
    'select = "ssim", guided_by = "small" }'
)
TINY = ["evaluate.permutations=20", "evaluate.bootstrap=50", "evaluate.n_way=6", "train.epochs=2", FEW]


def small(name: str, *further: str) -> Recipe:
    return load_recipe(name, [*TINY, *further])


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("cnn")
    recipe = small("mouse-v1-cnn-small", "model.args.channels=[16,12,8,8,8]", "train.epochs=30", "train.lr=0.003")
    return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("gan")
    recipe = small("mouse-v1-gan-small", f"model.args={TINY_GAN}", "train.epochs=1")
    return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


@pytest.fixture(scope="module")
def sdvae(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    """Around an autoencoder with weights at random, read from a folder as the published ones are."""
    diffusers = pytest.importorskip("diffusers", reason="not run: diffusers is not installed")
    folder = tmp_path_factory.mktemp("sdvae")
    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    vae = diffusers.AutoencoderKL(block_out_channels=(8,) * 4, norm_num_groups=4, sample_size=64, **blocks)
    vae.save_pretrained(str(folder / "vae"))
    given = (f"model.args.weights={folder / 'vae'}", "model.args.accept_licence=true", "model.args.hidden=[32]")
    recipe = small("mouse-v1-sdvae-small", *given)
    return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    """Around two strided convolutions at random, in the place of the classifier."""
    folder = tmp_path_factory.mktemp("resnet")
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 12, 4, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(12, 12, 4, 2, 1))
    classifier = torch.nn.Sequential(*layers).eval().requires_grad_(False)
    sizes = ("model.args.side=32", "model.args.widths=[16,8]", "model.args.refined=[[8,3]]")
    sizes += ("model.args.inverter_steps=4",)
    recipe = small("mouse-v1-resnet-small", "model.args.weights=theirs.pth", *sizes)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("calibration.calibrate_v1.open_classifier", lambda _, side: Classifier(classifier, side))
        return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


@pytest.fixture(scope="module")
def inverted(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("inverted")
    recipe = small("mouse-v1-inversion-small", "model.args.channels=6", "model.args.steps=12", "train.epochs=3")
    return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


def test_the_shipped_recipes_ask_for_the_published_and_the_small_settings() -> None:
    wanted = {"cnn": (CNN, SMALL_CNN), "gan": (GAN, SMALL_GAN), "inversion": (ENCODER, SMALL_ENCODER)}
    wanted |= {"sdvae": (LatentSettings(), SMALL_LATENTS), "resnet": (FeatureSettings(), SMALL_FEATURES)}
    assert sum(name.startswith("mouse-v1") for name in shipped_recipes()) == 10
    for name, (full, tiny) in wanted.items():
        assert settings_of(load_recipe(f"mouse-v1-{name}"))[0] == full
        assert settings_of(load_recipe(f"mouse-v1-{name}-small"))[0] == tiny


def test_a_bundle_shows_a_picture_from_black_to_white(cnn: CalibrationResult) -> None:
    bundle = load_bundle(cnn.bundle.path)
    assert bundle.contract.output.kind == "image"
    assert bundle.contract.output.shape == (1, 18, 32)
    assert cnn.parity <= 1e-4
    assert bundle.provenance.simulated
    assert cnn.held_out == ("test",)
    found = {score.name: score for score in cnn.scores}
    assert cnn.scores[0].name == "6-way identification"
    assert found["pixel correlation"].value > 0.1
    assert {"pixel correlation, ridge decoder", "pixel correlation, mean training image"} <= set(found)


def test_evaluate_says_what_calibrate_said(cnn: CalibrationResult) -> None:
    held = [read_recording(path) for path in cnn.held_out_recordings]
    found = evaluate(cnn.bundle, held, backend="onnxruntime")
    by_name = {score.name: score.value for score in cnn.scores}
    assert len(found.answers.values) == 24
    for score in found.scores:
        assert score.value == pytest.approx(by_name[score.name], abs=1e-3)


def test_the_gan_is_trained_with_its_encoder_and_can_be_taken_up_again(tmp_path: Path) -> None:
    recipe = small("mouse-v1-gan-small", f"model.args={TINY_GAN}", "train.epochs=1")
    kept = tmp_path / "resume" / "bundle"
    made, written = [], []
    for name in ("one", "two"):
        made.append(calibrate(recipe, None, tmp_path / name, resume=tmp_path / "resume"))
        written.append({path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()})
    assert {path.name for path in kept.iterdir()} == {"encoder", "decoder"}
    assert made[0].scores[0].value == made[1].scores[0].value
    assert written[0] == written[1]
    assert made[0].parity <= 1e-4


def test_the_inverted_encoder_runs_as_long_as_there_is_time(inverted: CalibrationResult) -> None:
    runner = inverted.bundle.contract.runner
    assert runner.kind == "iterative"
    assert (runner.max_steps, runner.budget_ms, runner.answer) == (12, 400.0, "shown")
    assert inverted.parity <= 1e-4
    opened = inverted.bundle.open_runner("onnxruntime")
    try:
        recording = read_recording(inverted.held_out_recordings[0])
        window = np.ascontiguousarray(recording.signal().data[:1].T[None], np.float32)
        few, many = (opened.infer(window, 0, steps) for steps in (1, 12))
        assert opened.steps == 12
    finally:
        opened.close()
    assert few.shape == many.shape == (1, 18, 32)
    assert many.min() >= 0
    assert many.max() <= 1
    assert np.abs(few - many).max() > 0.01


@pytest.mark.parametrize("made", ["sdvae", "resnet"])
def test_what_somebody_else_s_network_paints_is_in_the_bundle(made: str, request: pytest.FixtureRequest) -> None:
    result: CalibrationResult = request.getfixturevalue(made)
    assert result.parity <= 1e-4
    assert result.bundle.contract.output.shape == (1, 18, 32)
    held = [read_recording(path) for path in result.held_out_recordings]
    by_name = {score.name: score.value for score in result.scores}
    found = evaluate(result.bundle, held, backend="onnxruntime")
    for score in found.scores:
        assert score.value == pytest.approx(by_name[score.name], abs=1e-3)


@pytest.mark.parametrize("made", ["cnn", "inverted", "gan", "sdvae", "resnet"])
def test_live_decoding_says_what_offline_says(made: str, request: pytest.FixtureRequest) -> None:
    result: CalibrationResult = request.getfixturevalue(made)
    words = [str(result.bundle.path), str(result.held_out_recordings[0]), "--json", "--backend", "onnxruntime"]
    found = CliRunner().invoke(command, [*words, "--over", "memory"], standalone_mode=False)
    assert found.exception is None, found.exception
    report = json.loads(found.stdout)
    assert report["passed"], report
    assert report["live"] == report["expected"] == 24


@pytest.mark.parametrize(
    ("name", "override", "said"),
    [
        ("mouse-v1-cnn-small", "model.name=linear", r"'linear' does not go with train\.method 'mouse-v1'"),
        ("mouse-v1-cnn-small", "model.args.chanels=[3]", r"takes no 'chanels'"),
        ("mouse-v1-cnn-small", "model.args.decoder=gan", r"'decoder' is not said there"),
        ("mouse-v1-gan-small", "model.args.guided_by=tiny", r"'tiny' was given, expected published or small"),
        ("mouse-v1-inversion-small", "model.args.readout=linear", r"only an encoder with the Gaussian readout"),
        ("mouse-v1-cnn-small", 'data.options.animal=""', r"a bundle decodes one animal"),
        ("mouse-v1-sdvae-small", "train.epochs=1", r"weights is not given: .* CreativeML OpenRAIL-M.* MIT"),
        ("mouse-v1-sdvae-small", "model.args.weights=vae", r"is under CreativeML OpenRAIL-M.*: read it, and accept it"),
        ("mouse-v1-resnet-small", "train.epochs=1", r"weights is not given: .*resnet50-11ad3fa6\.pth"),
        ("mouse-v1-cnn-small", "split.validation=0.2", r"split\.validation names no group"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_training(
    tmp_path: Path, name: str, override: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        calibrate(small(name, override), None, tmp_path / "bundle")


def test_method_and_target_belong_together() -> None:
    with pytest.raises(ConfigError, match=r"'mouse-v1' needs target kind 'image'"):
        load_recipe("mouse-v1-cnn-small", ["target.kind=signal", "target.stream=x", "window.mode=hop", "window.hop=1"])


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.parametrize("made", ["cnn", "inverted", "gan", "sdvae", "resnet"])
def test_a_replayed_stream_gives_images_on_a_stream_of_their_own(
    made: str, request: pytest.FixtureRequest, unique_id: str
) -> None:
    result: CalibrationResult = request.getfixturevalue(made)
    recording = read_recording(result.held_out_recordings[0])
    replay = Replay(recording, base=unique_id, speed=4.0, wait_for_consumers=20.0)
    said = said_live(result, replay, "v1-spikes", "v1-pictures", unique_id)
    assert said.type == "Image"
    assert said.values.shape[1:] == (1, 18, 32)
    assert said.values.min() >= 0
    assert said.values.max() <= 1
    assert len(said.values) >= 15
