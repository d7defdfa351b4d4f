"""Similarity and squared error of clips, against the loss that was trained on and against other clips."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.metrics import Draws
from calibration.spikes2video.content import Scenes
from calibration.spikes2video.fidelity import LOSS, MSE, SHIFTS, SSIM, fidelity, similarity_of_frames
from calibration.spikes2video.objective import video_losses, weights_of
from calibration.spikes2video.settings import PUBLISHED
from tests.calibration.spikes2video.clips import trials

RNG = np.random.default_rng(0)
DRAWS = Draws(50, 200, 0)


def test_the_clips_themselves_are_as_near_as_can_be() -> None:
    shown = trials()
    found = fidelity(Scenes.of(shown.video, shown), DRAWS)
    np.testing.assert_allclose(found[SSIM].each, 1.0, atol=1e-5)
    np.testing.assert_allclose(found[MSE].each, 0.0, atol=1e-9)
    np.testing.assert_allclose(found[LOSS].each, 0.0, atol=1e-5)
    assert (found[SSIM].null < 0.999).all()
    assert [items.lower for items in found.values()] == [False, True, True]
    assert {len(items.null) for items in found.values()} == {7}  # as many as eight conditions have others


def test_the_objective_is_the_loss_that_was_trained_on() -> None:
    torch = pytest.importorskip("torch")
    shown = trials(2)
    seen = np.clip(shown.video + RNG.normal(0, 0.1, shown.video.shape), 0, 1).astype(np.float32)
    found = fidelity(Scenes.of(seen, shown), DRAWS)[LOSS]
    weights = weights_of(shown.stages, PUBLISHED.eta)
    loss = video_losses(torch.from_numpy(seen), torch.from_numpy(shown.video), weights, PUBLISHED)["loss"]
    assert found.each.mean() == pytest.approx(float(loss), rel=1e-4)


def test_conditions_of_fewer_trials_weigh_as_much() -> None:
    shown = trials()
    kept = np.ones(len(shown), bool)
    kept[1:4] = False
    some = shown[kept]
    seen = np.clip(some.video + RNG.normal(0, 0.2, some.video.shape), 0, 1)
    found = fidelity(Scenes.of(seen, some), DRAWS)
    by_hand = [((seen[rows] - some.video[rows]) ** 2).mean() for _, rows in some.rows_of_conditions()]
    np.testing.assert_allclose(found[MSE].each, by_hand, rtol=1e-4)


def test_the_mean_clip_is_near_and_yet_at_chance() -> None:
    shown = trials()
    mean = np.broadcast_to(shown.video.mean(0), shown.video.shape)
    found = fidelity(Scenes.of(mean, shown), DRAWS)
    for items in found.values():
        assert items.each.mean() == pytest.approx(items.chance, rel=1e-5)


def test_nulls_are_at_most_as_many_as_the_permutations() -> None:
    shown = trials()
    few = fidelity(Scenes.of(shown.video, shown), Draws(10, 3, 0))
    assert {len(items.null) for items in few.values()} == {3}
    none = fidelity(Scenes.of(shown.video, shown), Draws(10, 0, 0))
    assert {len(items.null) for items in none.values()} == {0}
    assert SHIFTS == 20


def test_similarity_is_frame_by_frame() -> None:
    shown = trials(1).video
    seen = shown.copy()
    seen[:, :, 4] = 0
    found = similarity_of_frames(seen, shown)
    assert found.shape == shown.shape[:1] + shown.shape[2:3]
    assert (found[:, 4] < 0.5).all()
    np.testing.assert_allclose(np.delete(found, 4, axis=1), 1.0, atol=1e-5)
