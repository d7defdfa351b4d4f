"""Scores count shots, know their chance, and compare networks in pairs (simulated)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import binom

from calibration.brain2pix.looks import ORIENTED, Look, clip_vectors, looks_of, of_video, pixels
from calibration.brain2pix.material import Shots
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
    table,
)
from calibration.evaluate import Answers
from calibration.evaluate import score as score_answers
from calibration.metrics import Draws, pearson
from calibration.sections import EvaluateSection, TargetSection
from streamkit.errors import BadInput
from streamkit.types import OutputSpec
from tests.calibration.brain2pix.toy import film

DRAWS = Draws(50, 200, 0)
REPEATS = 100


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
    assert scores(0.1)[PIXEL].unit == "shots"


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
    weigh = [np.cov(a[:, k], b[:, k], aweights=whole.weights, ddof=0) for k in range(a.shape[1])]
    by_hand = np.nanmean([pair[0, 1] / np.sqrt(pair[0, 0] * pair[1, 1]) for pair in weigh])
    assert np.diag(table(whole, over_frames(whole, pixels))).mean() == pytest.approx(by_hand, abs=1e-6)
    np.testing.assert_allclose(np.diag(squared(whole.seen, whole.shown, pixels)), np.square(a - b).mean(1), atol=1e-6)
    np.testing.assert_allclose(np.diag(frame_r(whole.seen, whole.shown, pixels))[0], pearson(a[0], b[0]), atol=1e-6)


@pytest.mark.parametrize("lengths", [(8, 8, 8), (60, 3, 3, 3), (40, 30, 5, 5, 5, 5)], ids=str)
def test_perfect_pictures_correlate_by_one_over_frames_however_long_shots_are(lengths: tuple[int, ...]) -> None:
    rng, shot = np.random.default_rng(1), np.repeat(np.arange(len(lengths)), lengths)
    shown = rng.random((len(lengths), 3, 4, 4))[shot] + 0.05 * rng.random((len(shot), 3, 4, 4))
    whole = Beside(shown, shown, shot)
    assert whole.weights.sum() == pytest.approx(1)
    assert np.diag(table(whole, over_frames(whole, pixels))).mean() == pytest.approx(1, abs=1e-5)
    mirrored = Beside(1 - shown, shown, shot)
    assert np.diag(table(mirrored, over_frames(mirrored, pixels))).mean() == pytest.approx(-1, abs=1e-5)


def slow(rng: np.random.Generator, shot: np.ndarray) -> np.ndarray:
    """Pictures ``(n, 3, 12, 12)`` that change little within a shot."""
    size = (3, 12, 12)
    return ((rng.random((shot.max() + 1, *size))[shot] + 0.1 * rng.random((len(shot), *size))) / 1.1).astype(np.float32)


def test_pictures_as_slow_as_shots_that_know_nothing_are_seldom_above_chance() -> None:
    shot, low = np.repeat(np.arange(8), 12), np.zeros(2)
    settings = EvaluateSection(n_way=8, bootstrap=10, permutations=99)
    output = OutputSpec(kind="image", shape=(3, 12, 12))
    target, no = TargetSection(kind="image", size=12, grey=False), np.zeros(len(shot), np.intp)
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        names = np.array([f"{k:03d}" for k in range(len(shot))])
        said = Answers(slow(rng, shot), slow(rng, shot), names, names, no, Shots(shot, said=True))
        found = {one.name: one for one in score_answers(said, target, output, settings, seed)}
        low += [found[name].p < 0.05 for name in ("8-way identification", "pixel correlation")]
    assert (low <= binom.ppf(0.999, REPEATS, 0.05)).all(), low


def test_one_picture_for_everything_is_at_chance_however_long_shots_are() -> None:
    rng, lengths = np.random.default_rng(0), np.repeat([4, 16], 6)
    one, first = rng.random((3, 12, 12)), rng.random((len(lengths), 3, 12, 12))
    at = np.concatenate([np.linspace(0, 1, n) for n in lengths])[:, None, None, None]
    shot = np.repeat(np.arange(len(lengths)), lengths)
    shown = ((1 - at) * first[shot] + at * one).astype(np.float32)  # every shot turns into that picture
    found = score(Beside(np.broadcast_to(one, shown.shape).astype(np.float32), shown, shot), DRAWS, ())
    for metric in (SSIM, PIXEL, MSE):
        assert found[metric].each.mean() == pytest.approx(found[metric].chance, rel=0.06), metric


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
