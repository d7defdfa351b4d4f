"""Which way a clip moves, against clips whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.spikes2video.material import Stages
from calibration.spikes2video.motion import angle, mean_angle, mean_flow, turn
from streamkit.errors import BadInput, MissingPackage
from tests.calibration.spikes2video.clips import COLOURS, DIRECTIONS, STAGES, clip


def drifting(directions: np.ndarray) -> np.ndarray:
    return np.stack([clip(0, COLOURS[0], each, size=32) for each in directions]).astype(np.float32) / 255


@pytest.mark.parametrize("direction", [*DIRECTIONS, 0.0, 180.0])
def test_a_drifting_pattern_goes_where_it_was_sent(direction: float) -> None:
    pytest.importorskip("cv2", reason="not run: OpenCV is not installed")
    found = angle(mean_flow(drifting(np.array([direction])), STAGES))
    assert turn(found, direction) < 12


def test_only_the_stimulus_counts() -> None:
    pytest.importorskip("cv2", reason="not run: OpenCV is not installed")
    moving = drifting(np.array([90.0]))
    other = moving.copy()
    other[:, :, STAGES.frames("cue")] = np.random.default_rng(0).random(other[:, :, STAGES.frames("cue")].shape)
    np.testing.assert_array_equal(mean_flow(moving, STAGES), mean_flow(other, STAGES))


def test_a_still_clip_has_no_direction() -> None:
    pytest.importorskip("cv2", reason="not run: OpenCV is not installed")
    still = np.repeat(drifting(np.array([90.0]))[:, :, :1], STAGES.n_frames, axis=2)
    assert np.isnan(angle(mean_flow(still, STAGES))).all()


def test_a_stimulus_of_two_frames_is_refused() -> None:
    with pytest.raises(BadInput, match="stimulus of 2 frames has none 2 after another"):
        mean_flow(np.zeros((1, 3, 4, 8, 8)), Stages(1, 1, 2))


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(MissingPackage, match=r"streamkit\[video\]"):
        mean_flow(drifting(np.array([90.0])), STAGES)


def test_up_is_ninety_degrees() -> None:
    np.testing.assert_allclose(angle(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -2.0], [-1.0, 0.0]])), [90, 0, -90, 180])


def test_a_turn_is_the_shorter_way_round() -> None:
    np.testing.assert_allclose(turn(np.array([170.0, 90, -90, 0]), np.array([-170.0, -90, -30, 0])), [20, 180, 60, 0])


def test_the_mean_of_directions_goes_round_the_circle() -> None:
    mean, spread = mean_angle(np.array([175.0, -175.0, np.nan]))
    assert turn(np.array(mean), np.array(180.0)) < 1e-9
    assert spread == pytest.approx(5.0, abs=0.02)
    assert all(np.isnan(mean_angle(np.array([np.nan]))))
