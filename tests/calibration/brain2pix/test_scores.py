"""Scores count shots, know their chance, and compare networks in pairs (simulated)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from calibration.brain2pix.looks import ORIENTED, Look, clip_vectors, looks_of, of_video, pixels
from calibration.brain2pix.scores import (
    MSE,
    PIXEL,
    SSIM,
    Beside,
    Scores,
    differences,
    frame_r,
    over_frames,
    rows_of,
    score,
    squared,
    ssim_of,
)
from calibration.metrics import Draws, pearson
from streamkit.errors import BadInput
from tests.calibration.brain2pix.toy import film

DRAWS = Draws(50, 200, 0)


def beside(noise: float) -> Beside:
    movie = film(2, 5)
    shown, rng = movie.shown(), np.random.default_rng(0)
    seen = np.clip(shown + noise * rng.standard_normal(shown.shape), 0, 1).astype(np.float32)
    return Beside(seen, shown, movie.shot)


@cache
def scores(noise: float) -> Scores:
    return score(beside(noise), DRAWS, (ORIENTED,), 8)


def test_the_frames_themselves_score_best() -> None:
    found = scores(0.0)
    assert found[SSIM].each.min() == pytest.approx(1, abs=1e-5)
    assert found[PIXEL].each.min() == pytest.approx(1, abs=1e-6)
    assert found[MSE].each.max() == pytest.approx(0, abs=1e-9)
    assert found["oriented filters r"].each.min() == pytest.approx(1, abs=1e-6)
    assert found["8-way identification"].each.min() == 1


def test_noise_makes_every_score_worse() -> None:
    for name, items in scores(0.3).items():
        better = scores(0.0)[name].each.mean()
        worse = items.each.mean() > better if items.lower else items.each.mean() < better
        assert worse or name == "8-way identification", name  # which is perfect for both


def test_pictures_of_other_shots_sit_at_chance() -> None:
    whole = beside(0.0)
    order = np.random.default_rng(1).permutation(len(np.unique(whole.shot)))
    members = whole.members
    rows = np.concatenate(
        [members[other][np.arange(len(own)) % len(members[other])] for own, other in zip(members, order, strict=True)]
    )
    found = score(Beside(whole.seen[rows], whole.shown, whole.shot), DRAWS, (ORIENTED,), 8)
    lines = {line["metric"]: line for line in rows_of("mixed", [found], DRAWS)}
    for metric in (SSIM, PIXEL, MSE, "oriented filters r"):
        assert lines[metric]["p"] > 0.02, metric
    assert lines["8-way identification"]["chance"] == pytest.approx(1 / 8)


def test_an_item_is_a_shot() -> None:
    whole = beside(0.1)
    assert len(scores(0.1)[PIXEL].each) == len(np.unique(whole.shot))
    first = np.flatnonzero(whole.shot == whole.shot[0])
    by_hand = np.mean([pearson(whole.seen[k].ravel(), whole.shown[k].ravel()) for k in first])
    assert scores(0.1)[PIXEL].each[0] == pytest.approx(by_hand, abs=1e-6)
    assert scores(0.1)[PIXEL].permuted == "shots"


def test_structural_similarity_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 24, 24)).astype(np.float32), rng.random((2, 3, 24, 24)).astype(np.float32)
    b = 0.5 * a + 0.5 * b
    expected = [
        metrics.structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=0
        )
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(ssim_of(a, b), expected, atol=1e-5)


def test_correlation_over_frames_is_the_mean_over_values() -> None:
    whole = beside(0.2)
    a, b = pixels(whole.seen).astype(float), pixels(whole.shown).astype(float)
    by_hand = np.nanmean([pearson(a[:, k], b[:, k]) for k in range(a.shape[1])])
    assert np.diag(over_frames(whole.seen, whole.shown, pixels)).mean() == pytest.approx(by_hand, abs=1e-6)
    np.testing.assert_allclose(np.diag(squared(whole.seen, whole.shown, pixels)), np.square(a - b).mean(1), atol=1e-6)
    np.testing.assert_allclose(np.diag(frame_r(whole.seen, whole.shown, pixels))[0], pearson(a[0], b[0]), atol=1e-6)


def test_lines_have_chance_interval_and_student_s_t() -> None:
    for line in rows_of("network", [scores(0.1), scores(0.2)], DRAWS):
        assert line["chance"] is not None
        assert line["ci95"][0] <= line["value"] <= line["ci95"][1]
        assert line["p"] < 0.05
        assert line["p_t"] is None or line["p_t"] < 0.05  # none where every shot scores the same
        assert line["seeds"] == 2


def test_differences_are_paired_and_count_the_shots_won() -> None:
    for line in differences("good − bad", [scores(0.4)], [scores(0.1)], DRAWS):
        if line["metric"].startswith("8-way"):
            continue
        lower = "MSE" in line["metric"] or "distance" in line["metric"]
        assert (line["value"] < 0) == lower
        assert line["wins"] == 1
        assert line["p_binomial"] < 0.01


def test_any_network_for_clips_sees_the_clip_that_ends_with_each_frame() -> None:
    class Last(torch.nn.Module):
        def forward(self, clip: torch.Tensor) -> torch.Tensor:
            assert clip.shape[1:] == (3, 4, 8, 8)
            return clip[:, :, -1].flatten(1) + 10 * clip[:, :, 0].flatten(1)

    pictures = film(1).shown()[:6]
    found = of_video(Last(), "a toy", 4, 8).vectors(pictures)
    same = torch.nn.functional.interpolate(torch.from_numpy(pictures), (8, 8), mode="bilinear").flatten(1).numpy()
    first = same[[0, 0, 0, 0, 1, 2]]
    np.testing.assert_allclose(found, same + 10 * first, atol=1e-5)
    assert clip_vectors(Last(), 4, 8, pictures).shape == found.shape
    with pytest.raises(BadInput, match="without a name"):
        of_video(Last(), "")


def test_alexnet_is_looked_through_where_its_weights_are(tmp_path) -> None:
    assert [look.name for look in looks_of()] == ["oriented filters"]
    names = [look.name for look in looks_of({"alexnet": tmp_path / "file.pth"})]
    assert names == ["AlexNet pool2", "AlexNet pool5", "AlexNet fc6", "oriented filters"]
    with pytest.raises(BadInput, match="'c3d', expected 'alexnet'"):
        looks_of({"c3d": tmp_path})


def test_one_shot_cannot_be_scored() -> None:
    movie = film(1)[np.arange(3)]
    with pytest.raises(BadInput, match="two shots at least"):
        Beside(movie.shown(), movie.shown(), movie.shot)


def test_a_look_of_ones_own_is_named_in_the_result() -> None:
    halves = Look("halves", lambda pictures: pixels(pictures)[:, ::2])
    assert {"halves r", "halves distance", "halves r over frames"} <= set(score(beside(0.1), DRAWS, (halves,)))
