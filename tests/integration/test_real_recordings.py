"""Published recordings, causal filters, groups held out: what each recipe has to reach, and live equals offline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from apps.commands.verify import command as verify
from calibration import CalibrationResult, calibrate, load_recipe

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(420)]


@dataclass(frozen=True)
class Job:
    """One recipe on one folder of recordings."""

    recipe: str
    folder: str
    events: int


JOBS = {
    job.recipe: job
    for job in (
        Job("p300-muse", "ntx_muse", 195),
        Job("uci-s1-match", "uci_eeg", 20),
        Job("ssvep-gdf", "ssvep_exo_gdf", 24),
        Job("grip-force", "pynm_ecog", 73),
        Job("v4-images", "v4_cowley", 240),
    )
}


class Calibrated(dict[str, CalibrationResult]):
    """Each recipe, calibrated once, when a test first asks for it."""

    def __init__(self, data: Path, out: Path) -> None:
        super().__init__()
        self.data, self.out = data, out

    def __missing__(self, name: str) -> CalibrationResult:
        recipe, out = load_recipe(name, ["evaluate.bootstrap=200"]), self.out / name
        self[name] = calibrate(recipe, self.data / JOBS[name].folder, out / "bundle", out / "held-out")
        return self[name]


@pytest.fixture(scope="module")
def calibrated(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    return Calibrated(real_data, tmp_path_factory.mktemp("calibrated"))


def test_the_p300_of_one_person_is_found_in_a_run_left_out(calibrated: Calibrated) -> None:
    auc = calibrated["p300-muse"].cross_validation[0]
    assert (auc.name, auc.n) == ("auc", 1160)
    assert auc.value >= 0.67
    assert auc.p < 0.01


def test_a_repeated_picture_is_told_from_a_first_one_in_a_person_left_out(
    calibrated: Calibrated,
) -> None:
    auc = calibrated["uci-s1-match"].cross_validation[0]
    assert (auc.name, auc.n) == ("auc", 200)
    assert auc.value >= 0.82


def test_three_flickers_are_told_apart_beside_cca(calibrated: Calibrated) -> None:
    result = calibrated["ssvep-gdf"]
    assert result.cross_validation[0].value >= 0.85
    assert any("CCA" in score.name for score in result.scores)


def test_grip_force_follows_band_power_in_a_block_left_out(calibrated: Calibrated) -> None:
    pearson = calibrated["grip-force"].cross_validation[0]
    assert pearson.value >= 0.44
    assert pearson.ci95[0] > 0


def test_pictures_seen_by_v4_are_identified_among_a_hundred(calibrated: Calibrated) -> None:
    result = calibrated["v4-images"]
    score = result.scores[0]
    assert score.name == "100-way identification"
    assert score.value > score.chance == 0.01
    assert score.p < 0.001
    mean_image = next(s for s in result.scores if s.name == "100-way identification, mean training image")
    assert score.ci95[0] > mean_image.value


def verdict(result: CalibrationResult, *options: str) -> dict[str, object]:
    (recording,) = result.held_out_recordings
    run = CliRunner().invoke(
        verify, [str(result.bundle.path), str(recording), "--json", *options], obj={}, catch_exceptions=False
    )
    answer: dict[str, object] = json.loads(run.stdout)
    return answer | {"exit_status": run.exit_code}


@pytest.mark.parametrize("name", JOBS)
def test_live_equals_offline_on_the_held_out_part(name: str, calibrated: Calibrated) -> None:
    report = verdict(calibrated[name], "--over", "memory", "--backend", "onnxruntime")
    assert report["exit_status"] == 0
    assert report["passed"]
    assert report["bit_equal_on_repeat"]
    assert report["expected"] == report["live"] == JOBS[name].events
    assert (report["missed"], report["duplicated"], report["unexpected"]) == (0, 0, 0)
    assert float(str(report["max_abs"])) <= 1e-5


@pytest.mark.lsl
def test_live_equals_offline_over_lsl_for_a_continuous_decoder(calibrated: Calibrated) -> None:
    report = verdict(calibrated["grip-force"])
    assert report["exit_status"] == 0
    assert report["live"] == 73
    assert (report["missed"], report["duplicated"]) == (0, 0)
    assert float(str(report["max_abs"])) <= 1e-5
