"""Recipes whose target is a clip: a bundle that shows it at the trial's end, and one that shows every frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from apps.commands.verify import command
from calibration.calibrate import CalibrationResult, calibrate
from calibration.evaluate import evaluate, run_pipeline
from calibration.recipe import Recipe, load_recipe, shipped_recipes
from streamkit.bundle import load_bundle
from streamkit.errors import ConfigError, RecordingError
from streamkit.recording import read_recording
from streamkit.replay import Replay
from tests.calibration.replayed import said_live
from tests.small import noise_recording

FEW = (
    '{ groups = { train = 5, validation = 1, test = 1 }, "spikes.tuned" = 12.0, '
    '"clip.colours" = [[0.9, 0.2, 0.2], [0.2, 0.3, 0.9]], "clip.directions" = [90, -90] }'
)
TINY = ["model.args.hidden=16", "model.args.base=4"]
TINY += ["evaluate.permutations=20", "evaluate.bootstrap=50", "evaluate.n_way=8"]


def small(name: str, *further: str) -> Recipe:
    return load_recipe(name, [f"data.options.set={FEW}", *TINY, *further])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("clips")
    training = ("train.epochs=20", "train.batch_size=8", "train.lr=0.03", "train.step=8")
    network = ("model.name=spikes2video_mlp", "model.args.mlp_hidden=[32, 64]")
    recipe = small("spikes2video-small", *network, *training)
    return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("frames")
    recipe = small("spikes2video-streaming-small", "train.epochs=2", "model.args.windows=6")
    return calibrate(recipe, None, folder / "bundle", held_out_dir=folder / "held")


def test_the_shipped_recipes_are_whole() -> None:
    names = [name for name in shipped_recipes() if name.startswith("spikes2video")]
    assert len(names) == 4
    for name in names:
        recipe = load_recipe(name)
        assert recipe.target.kind == "video"
        assert (recipe.window.mode == "hop") == ("streaming" in name)


def test_the_published_recipe_asks_for_the_published_network_and_training() -> None:
    from calibration.calibrate_video import settings_of
    from calibration.spikes2video.settings import PUBLISHED

    settings, further = settings_of(load_recipe("spikes2video"))
    assert settings == PUBLISHED.but(scaling="none")
    assert not further


def test_a_bundle_shows_the_whole_clip_at_the_end_of_a_trial(clips: CalibrationResult) -> None:
    bundle = load_bundle(clips.bundle.path)
    assert bundle.contract.output.kind == "image"
    assert bundle.contract.output.shape == (3, 5 * 16, 9 * 16)
    assert clips.parity <= 1e-4
    assert bundle.provenance.simulated
    assert clips.held_out == ("test",)
    found = {score.name: score for score in clips.scores}
    (main, *_) = clips.scores
    assert main.name == "8-way identification"
    assert main.value > 1.5 * main.chance
    assert found["pixel correlation"].value > 0.5
    assert {"cue r", "colour r", "SSIM"} <= set(found)


def test_evaluate_says_what_calibrate_said(clips: CalibrationResult) -> None:
    held = [read_recording(path) for path in clips.held_out_recordings]
    found = evaluate(clips.bundle, held, backend="onnxruntime")
    by_name = {score.name: score.value for score in clips.scores}
    assert found.answers.values.shape[1:] == clips.bundle.contract.output.shape
    for score in found.scores:
        assert score.value == pytest.approx(by_name[score.name], abs=1e-3)


def test_a_streaming_bundle_shows_a_frame_for_every_bin(frames: CalibrationResult) -> None:
    contract = frames.bundle.contract
    assert contract.window.mode == "hop"
    assert contract.window.hop == 1
    assert contract.output.shape == (3, 16, 16)
    assert frames.parity <= 1e-4
    held = [read_recording(path) for path in frames.held_out_recordings]
    found = evaluate(frames.bundle, held, backend="onnxruntime")
    n_bins = len(held[0].signal().stamps)
    assert len(found.answers.values) == n_bins - 44
    by_name = {score.name: score.value for score in frames.scores}
    for score in found.scores:
        assert score.value == pytest.approx(by_name[score.name], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "override", "said"),
    [
        ("spikes2video-small", "model.name=spikes2video_streaming", r"does not go with window\.mode 'event'"),
        ("spikes2video-streaming-small", "model.name=spikes2video", r"expected spikes2video_streaming"),
        ("spikes2video-small", "model.args.hiden=3", r"takes no 'hiden'"),
        ("spikes2video-small", "model.args.regions=['V4']", r"'regions' is not said there"),
        ("spikes2video-small", "split.cv=k-fold", r"is not cross-validated"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_training(
    tmp_path: Path, name: str, override: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        calibrate(small(name, override), None, tmp_path / "bundle")


def test_method_and_target_belong_together() -> None:
    with pytest.raises(ConfigError, match=r"'video' and train\.method 'spikes2video' belong together"):
        load_recipe("spikes2video-small", ["train.method=gradient"])


def test_recordings_without_frames_cannot_train_a_stream(tmp_path: Path) -> None:
    recipe = small("spikes2video-streaming-small", "data.options.frames=false")
    with pytest.raises(RecordingError, match="frame"):
        calibrate(recipe, None, tmp_path / "bundle")


def test_a_stimulus_of_another_size_is_named(clips: CalibrationResult) -> None:
    from calibration.spikes2video.recorded import image_on_screen

    recording = read_recording(clips.held_out_recordings[0])
    label = recording.markers[0].labels[0]
    with pytest.raises(RecordingError, match=r"an image of \(3, 80, 144\), but the bundle shows \(3, 8, 8\)"):
        image_on_screen(recording, label, (3, 8, 8))
    assert image_on_screen(noise_recording(), "a", (3, 8, 8)) is None
    assert np.isfinite(image_on_screen(recording, label, (3, 80, 144))).all()


def verified(result: CalibrationResult, *options: str) -> dict[str, object]:
    words = [str(result.bundle.path), str(result.held_out_recordings[0]), "--json", "--backend", "onnxruntime"]
    found = CliRunner().invoke(command, [*words, *options], standalone_mode=False)
    assert found.exception is None, found.exception
    report: dict[str, object] = json.loads(found.stdout)
    return report


@pytest.mark.parametrize("made", ["clips", "frames"])
def test_live_decoding_says_what_offline_says(made: str, request: pytest.FixtureRequest) -> None:
    report = verified(request.getfixturevalue(made), "--over", "memory")
    assert report["passed"], report
    assert report["live"] == report["expected"] > 10


def test_a_clip_is_there_when_its_last_bin_is_and_a_frame_with_every_bin(
    clips: CalibrationResult, frames: CalibrationResult
) -> None:
    for result, apart in ((clips, 5.0), (frames, 0.1)):
        recording = read_recording(result.held_out_recordings[0])
        runner = result.bundle.open_runner("onnxruntime")
        try:
            said, _ = run_pipeline(result.bundle, runner, recording, load_recipe("spikes2video-small"))
        finally:
            runner.close()
        stamps = np.array([each.stamp for each in said])
        np.testing.assert_allclose(np.diff(stamps), apart, atol=1e-6)
        if result is clips:
            onsets = [event.stamp for event in recording.events()]
            np.testing.assert_allclose(stamps, np.array(onsets) + 4.5, atol=1e-6)


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.parametrize("made", ["clips", "frames"])
def test_a_replayed_stream_gives_images_on_a_stream_of_their_own(
    made: str, request: pytest.FixtureRequest, unique_id: str
) -> None:
    result: CalibrationResult = request.getfixturevalue(made)
    recording = read_recording(result.held_out_recordings[0])
    markers = recording.markers if made == "clips" else ()
    recording = replace(recording, signals=(recording.signal("dots-small-spikes"),), markers=markers)  # what is read
    replay = Replay(recording, base=unique_id, speed=4.0, stop=recording.span[0] + 24.0, wait_for_consumers=20.0)
    said = said_live(result, replay, "dots-small-spikes", "dots-small-trials" if markers else None, unique_id)
    assert said.type == "Image"
    assert said.n_channels == int(np.prod(result.bundle.contract.output.shape))
    assert said.values.min() >= 0
    assert said.values.max() <= 1
    assert len(said.values) >= (4 if made == "clips" else 150)
    assert (np.diff(said.stamps) > 0).all()
