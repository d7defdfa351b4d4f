"""All scores of a clip, seeds side by side, as lines of a table."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibration.metrics import Draws
from calibration.spikes2video.content import COSINE, CUE, DIRECTION, LEVELS
from calibration.spikes2video.fidelity import LOSS, MSE, SSIM
from calibration.spikes2video.scores import METRICS, averaged, differences, of_seeds, rows_of, score, stacked
from tests.calibration.spikes2video.clips import trials

RNG = np.random.default_rng(0)
DRAWS = Draws(50, 100, 0)
QUICK = (CUE, COSINE, MSE)


def noisy(sd: float) -> np.ndarray:
    shown = trials().video
    return np.clip(shown + RNG.normal(0, sd, shown.shape), 0, 1).astype(np.float32)


def test_every_metric_is_there_at_both_levels() -> None:
    pytest.importorskip("cv2", reason="not run: OpenCV is not installed")
    found = score(noisy(0.1), trials(), DRAWS)
    for level, sizes in zip(LEVELS, (8, 32), strict=True):
        assert set(found[level].items) == set(METRICS) == {CUE, "colour r", COSINE, DIRECTION, SSIM, MSE, LOSS}
        assert found[level].decoded.shape == found[level].condition.shape == (sizes,)


def test_motion_is_left_out_where_it_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    found = score(noisy(0.1), trials(), DRAWS, QUICK)
    assert set(found["single trials"].items) == set(QUICK)
    assert found["single trials"].decoded.size == 0


def test_lines_say_how_many_were_averaged_and_less_noise_is_better() -> None:
    less, more = (stacked([score(noisy(sd), trials(), DRAWS, QUICK) for _ in range(2)]) for sd in (0.05, 0.3))
    rows = rows_of("net", less, trials(), DRAWS)
    json.dumps(rows, allow_nan=False)
    assert {line["row"]: line["averaged"] for line in rows} == {"net, condition means": 4, "net, single trials": 1}
    assert {line["seeds"] for line in rows} == {2}
    for line in differences("net − noisier", more, less, DRAWS):
        sign = -1 if line["metric"].startswith(MSE) else 1
        assert sign * line["value"] > 0
        assert line["p"] < 0.05
    assert len(of_seeds(less, "single trials")[CUE]) == 2


def test_the_fewest_trials_of_a_condition_are_what_is_averaged() -> None:
    shown = trials()
    assert averaged(shown[np.arange(2, len(shown))], "condition means") == 2
    assert averaged(shown, "single trials") == 1
