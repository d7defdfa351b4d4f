"""Published recordings, causal filters, groups held out: the figures a recipe has to reach."""

from __future__ import annotations

import pytest

from calibration import calibrate, load_recipe

pytestmark = [pytest.mark.data, pytest.mark.slow]
QUICK = ["evaluate.bootstrap=100"]


def test_the_p300_of_one_person_is_found_in_a_run_left_out(real_data, tmp_path):
    result = calibrate(load_recipe("p300-muse", QUICK), real_data / "ntx_muse", tmp_path / "bundle")
    auc = result.cross_validation[0]
    assert (auc.name, auc.n) == ("auc", 1160)
    assert auc.value >= 0.67
    assert auc.p < 0.01
    assert result.scores[0].value > 0.6


def test_grip_force_follows_band_power_in_a_block_left_out(real_data, tmp_path):
    result = calibrate(load_recipe("grip-force", QUICK), real_data / "pynm_ecog", tmp_path / "bundle")
    assert result.cross_validation[0].value >= 0.44
    assert result.cross_validation[0].ci95[0] > 0


def test_three_flickers_are_told_apart_in_recordings_left_out(real_data, tmp_path):
    result = calibrate(load_recipe("ssvep-gdf", QUICK), real_data / "ssvep_exo_gdf", tmp_path / "bundle")
    assert result.cross_validation[0].value >= 0.85
    assert any("CCA" in score.name for score in result.scores)
