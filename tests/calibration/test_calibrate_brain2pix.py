"""Recipes of Brain2Pix: a bundle that takes voxels and paints the frame that was on the screen (simulated)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from apps.commands.verify import command
from calibration.brain2pix.recorded import material_of
from calibration.brain2pix.settings import PUBLISHED
from calibration.calibrate import CalibrationResult, calibrate, read_recordings
from calibration.calibrate_brain2pix import settings_of
from calibration.evaluate import evaluate
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe, shipped_recipes
from models.brain2pix_readin import FixedRF
from streamkit.bundle import load_bundle
from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig
from streamkit.preprocess.pick import PickSettings
from streamkit.recording import read_recording
from streamkit.replay import Replay
from tests.calibration.replayed import said_live

FEW = (
    '{ "parts.train.runs" = 2, "parts.train.frames" = 70, "parts.validation.runs" = 1, "parts.validation.frames" = 40, '
    '"parts.test.runs" = 1, "parts.test.frames" = 120, "noise.sd" = 0.2, "areas" = ['
    '{ name = "V1", voxels = 60, size = 0.03, slope = 0.08 }, { name = "V2", voxels = 40, size = 0.05, slope = 0.1 }] }'
)
TINY = ["model.args.widths=[8, 16, 16]", "model.args.d_widths=[8, 16]", "train.epochs=4", "train.lr=0.003"]
TINY += ["evaluate.permutations=20", "evaluate.bootstrap=50", "evaluate.n_way=8", "train.batch_size=8"]


def small(*further: str, name: str = "brain2pix-small") -> Recipe:
    return load_recipe(name, [f"data.options.set={FEW}", *TINY, *further])


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    folder = tmp_path_factory.mktemp("painted")
    return calibrate(small(), None, folder / "bundle", held_out_dir=folder / "held")


def test_the_shipped_recipes_are_whole() -> None:
    names = [name for name in shipped_recipes() if name.startswith("brain2pix")]
    assert len(names) == 4
    for name in names:
        recipe = load_recipe(name)
        assert (recipe.target.kind, recipe.train.method) == ("image", "brain2pix")
        assert (recipe.window.n_times, recipe.window.tmin) == (5, 3.5)


def test_the_published_recipes_ask_for_the_published_training() -> None:
    settings, further = settings_of(load_recipe("brain2pix"))
    assert settings == PUBLISHED.but(scaling="none")
    assert not further
    learned, _ = settings_of(load_recipe("brain2pix-learned"))
    assert learned == PUBLISHED.but(scaling="none", network="learned", batch_size=12)


def test_a_bundle_takes_voxels_as_they_are_and_paints_straight_pictures(painted: CalibrationResult) -> None:
    bundle = load_bundle(painted.bundle.path)
    assert bundle.contract.output.kind == "image"
    assert bundle.contract.output.shape == (3, 32, 32)
    assert len(bundle.contract.stream.ch_names) == 100
    assert painted.parity <= 1e-4
    assert painted.held_out == ("test-1",)
    assert bundle.provenance.simulated
    assert "feature loss: oriented filters" in bundle.provenance.note
    found = {score.name: score for score in painted.scores}
    assert {"8-way identification", "pixel correlation", "SSIM", "MSE"} <= set(found)
    assert found["8-way identification"].value > 2 / 8


def test_evaluate_says_what_calibrate_said(painted: CalibrationResult) -> None:
    held = [read_recording(path) for path in painted.held_out_recordings]
    found = evaluate(painted.bundle, held, backend="onnxruntime")
    by_name = {score.name: score.value for score in painted.scores}
    assert [score.name for score in found.scores] == list(by_name)[: len(found.scores)]
    for score in found.scores:
        assert score.value == pytest.approx(by_name[score.name], abs=1e-3)


def test_reports_of_bundles_count_shots(painted: CalibrationResult) -> None:
    held = read_recording(painted.held_out_recordings[0])
    shots = len(set(held.markers[0].columns["shot"]))
    assert 8 <= shots < 20
    found = evaluate(painted.bundle, [held], backend="onnxruntime").scores
    for score in (*painted.scores, *found):
        assert score.n == shots, score.name
        assert "shots as the recording says" in score.note
    assert load_bundle(painted.bundle.path).contract.output.chance == painted.scores[0].chance == 1 / 8


def test_without_recorded_shots_so_many_frames_in_a_row_are_one_and_the_report_says_it(
    painted: CalibrationResult,
) -> None:
    held = read_recording(painted.held_out_recordings[0])
    plain = replace(held, markers=tuple(replace(each, columns={}) for each in held.markers))
    for score in evaluate(painted.bundle, [plain], backend="onnxruntime").scores:
        assert score.n == np.ceil(119 / 15)
        assert "a shot is 15 frames in a row" in score.note


def test_live_decoding_says_what_offline_says(painted: CalibrationResult) -> None:
    words = [str(painted.bundle.path), str(painted.held_out_recordings[0]), "--json", "--backend", "onnxruntime"]
    found = CliRunner().invoke(command, [*words, "--over", "memory"], standalone_mode=False)
    assert found.exception is None, found.exception
    report = json.loads(found.stdout)
    assert report["passed"], report
    assert report["live"] == report["expected"] == 119


def test_a_window_holds_the_volumes_that_the_frame_moved_four_to_eight_volumes_on() -> None:
    recipe = small().model_copy(update={"preprocess": PreprocessConfig()})
    recordings = read_recordings(recipe, None, Progress())
    test = material_of(recipe, recordings).test
    (run,) = [recording for recording in recordings if recording.meta.group == "test-1"]
    voxels = run.signal().data
    for row, label in enumerate(test.label):
        frame = int(label.removesuffix(".png").rpartition("-")[2])  # which is also the number of its volume
        np.testing.assert_array_equal(test.windows(np.array([row]))[0], voxels[frame + 4 : frame + 9].T)
        shown = np.round(255 * run.stimulus_arrays[label]).astype(np.uint8)
        np.testing.assert_array_equal(test.frames[test.frame[row]], shown)
    assert test.shift == 4
    assert test.label[0] == "test-1-00001.png"


def test_voxels_that_look_nowhere_are_left_out_inside_the_bundle(tmp_path: Path) -> None:
    how = "{ channels = [4], pools = [2], frames = 8, epochs = 6, least = 0.1 }"
    names = ("model.args.fields=estimated", f"model.args.estimation={how}")
    made = calibrate(small(*names, "train.epochs=1"), None, tmp_path / "bundle")
    contract = load_bundle(made.bundle.path).contract
    assert len(contract.stream.ch_names) == 100
    (pick,) = [stage for stage in contract.preprocess.stages if isinstance(stage, PickSettings)]
    assert 0 < len(pick.ch_names) < 100


@pytest.mark.parametrize(
    "further",
    [("model.args.learned=true",), ("model.name=brain2pix_shen",), ("model.name=brain2pix_dense",)],
    ids=["learned", "shen", "dense"],
)
def test_every_network_becomes_a_bundle(tmp_path: Path, further: tuple[str, ...]) -> None:
    made = calibrate(small(*further, "train.epochs=1"), None, tmp_path / "bundle")
    assert made.parity <= 1e-4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.name=v1_cnn", r"expected one of brain2pix, brain2pix_shen, brain2pix_dense"),
        ("model.args.synthetic=true", r"'synthetic' is not said there"),
        ("model.args.wdths=[8]", r"takes no 'wdths'"),
        ("model.args.widths=[8, 8, 8, 8, 8, 8]", r"multiples of 64"),
        ("split.cv=k-fold", r"is not cross-validated"),
        ("window.gaps=hold", r"films are read with gaps left out"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        calibrate(small(override), None, tmp_path / "bundle")


def test_method_and_target_belong_together() -> None:
    with pytest.raises(ConfigError, match=r"'brain2pix' needs target kind 'image', not 'signal'"):
        small("target.kind=signal", "target.stream=x")


def test_the_graph_of_a_bundle_makes_its_own_images(painted: CalibrationResult) -> None:
    from calibration.network import builder_of

    graph = painted.bundle.graphs["decoder"]
    network = builder_of(graph.builder)(**graph.builder_args)
    assert isinstance(network.readin, FixedRF)
    assert graph.inputs[0].shape == (None, 100, 5)


@pytest.mark.lsl
@pytest.mark.slow
def test_a_replayed_scanner_gives_pictures_on_a_stream_of_their_own(painted: CalibrationResult, unique_id: str) -> None:
    recording = read_recording(painted.held_out_recordings[0])
    replay = Replay(recording, base=unique_id, speed=8.0, stop=recording.span[0] + 30.0, wait_for_consumers=20.0)
    said = said_live(painted, replay, "movie-small-fmri", "movie-small-frames", unique_id)
    assert said.type == "Image"
    assert 0 <= said.values.min() <= said.values.max() <= 1
    assert len(said.values) >= 20
    assert (np.diff(said.stamps) > 0).all()
