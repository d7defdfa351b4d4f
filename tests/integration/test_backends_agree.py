"""One decoder of real recordings, every backend that is here: the same answers, and int8 as good as it says."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from calibration import CalibrationResult, Evaluation, calibrate, evaluate, load_recipe
from calibration.datasets import DATASETS
from calibration.effect import Run
from calibration.quantize import Quantized, quantize
from streamkit.bundle import load_bundle
from streamkit.bundle.manifest import read_manifest
from streamkit.inference import BACKENDS, Wish
from streamkit.inference.settings import TOLERANCES
from streamkit.recording import Recording, read_recording
from tests.command_line import run

pytestmark = [pytest.mark.data, pytest.mark.slow]

QUICK = ["split.cv=none", "evaluate.bootstrap=200", "evaluate.permutations=200"]
NETWORKS = {
    "linear": [],
    "eegnet": ["model.name=eegnet", "model.args={}", "train.method=gradient", "train.epochs=6", "train.batch_size=32"],
}


@pytest.fixture(scope="module", params=NETWORKS)
def calibrated(
    request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> CalibrationResult:
    out = tmp_path_factory.mktemp(request.param)
    recipe = load_recipe("p300-muse", [*QUICK, *NETWORKS[request.param]])
    return calibrate(recipe, real_data / "ntx_muse", out / "bundle", out / "held-out")


@pytest.fixture(scope="module")
def held_out(calibrated: CalibrationResult) -> Recording:
    (folder,) = calibrated.held_out_recordings
    return read_recording(folder)


@pytest.fixture(scope="module")
def quantized(
    calibrated: CalibrationResult, held_out: Recording, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Quantized:
    options = {"subject": 1, "session": 1, "right_aux": False}
    everything = DATASETS["muse_p300"].read(real_data / "ntx_muse", options)
    setting = [recording for recording in everything if recording.meta.group in calibrated.trained_on]
    out = tmp_path_factory.mktemp("int8") / "bundle"
    return quantize(calibrated.bundle, setting, out, [held_out], calls=5, cadence=0.0)


def here() -> list[str]:
    return [row.name for row in BACKENDS.values() if "cpu" in row.precisions and row.available("cpu")[0]]


def auc_of(found: Evaluation) -> float:
    assert found.scores[0].name == "auc"
    return found.scores[0].value


def test_every_backend_gives_the_same_answers_to_a_recording(
    calibrated: CalibrationResult, held_out: Recording
) -> None:
    names = here()
    assert {"torch", "onnxruntime"} <= set(names)  # what calibration itself needs
    found = {
        name: evaluate(calibrated.bundle, [held_out], backend=Wish(name, "cpu", threads=1), strict=True)
        for name in names
    }
    assert {each.backend for each in found.values()} == set(names)
    for one, other in combinations(found.values(), 2):
        assert abs(auc_of(one) - auc_of(other)) < 0.002
        np.testing.assert_array_equal(one.answers.y, other.answers.y)
        np.testing.assert_allclose(one.answers.values, other.answers.values, atol=TOLERANCES["float32"])
    assert found[names[0]].scores[0].n == 195


def int8_runs(quantized: Quantized) -> list[Run]:
    return [run for run in quantized.runs if run.precision == "int8"]


def test_int8_runs_wherever_it_can_and_is_as_good_as_it_says(
    quantized: Quantized, calibrated: CalibrationResult, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = calibrated.held_out_recordings
    able = [name for name in here() if "int8" in BACKENDS[name].precisions["cpu"]]
    assert [run.backend for run in int8_runs(quantized)] == able
    for each in int8_runs(quantized):
        words = ("--backend", each.backend, "--precision", "int8", "--threads", "1", "--strict-backend", "--json")
        assert run("evaluate", quantized.bundle.path, folder, *words) == 0
        report = json.loads(capsys.readouterr().out)
        said = {metric["name"]: metric for metric in report["metrics"]}
        for effect in each.effects:
            assert said[effect.name]["value"] == effect.reduced
            assert said[effect.name]["n"] == effect.n == 195
            assert effect.ci95[0] <= effect.reduced - effect.full <= effect.ci95[1]


def test_the_bundle_states_the_worse_effect(quantized: Quantized) -> None:
    bundle = load_bundle(quantized.bundle.path)
    stated = read_manifest(bundle.path).graphs["decoder"].reduced["int8"].effect
    assert stated in [run.effects for run in int8_runs(quantized)]
    assert stated[0].reduced == min(run.effects[0].reduced for run in int8_runs(quantized))
    assert stated[0].chance == 0.5


def test_the_runtimes_agree_in_int8_about_as_well_as_int8_agrees_with_float32(
    quantized: Quantized, held_out: Recording
) -> None:
    found = {
        (each.backend, each.precision): evaluate(
            quantized.bundle, [held_out], backend=Wish(each.backend, "cpu", each.precision, 1), strict=True
        )
        for each in quantized.runs
        if each.precision in ("float32", "int8")
    }
    for one, other in combinations(found.values(), 2):
        assert abs(auc_of(one) - auc_of(other)) < 0.02
        said = np.corrcoef(one.answers.values[:, 1], other.answers.values[:, 1])[0, 1]
        assert said > 0.98
