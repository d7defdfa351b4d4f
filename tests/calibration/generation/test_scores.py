"""The eight scores: closed forms, chance, and what is not run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torchvision

from calibration.features import FEATURES
from calibration.generation import METRICS, score_generation
from calibration.generation.likeness import Pairs, correlation_distance, pixel_correlation, score_pairs, similarity
from calibration.metrics import Draws
from streamkit.errors import BadInput, ConfigError
from tests.calibration.features.nets import made, pictures, saved

DRAWS = Draws(bootstrap=200, permutations=20)
PIXEL = ("PixCorr", "SSIM")


def blobs(n: int, side: int = 48, seed: int = 0) -> np.ndarray:
    """Different smooth images, ``(n, 3, side, side)``."""
    coarse = np.random.default_rng(seed).random((n, 3, 6, 6), np.float32)
    return np.repeat(np.repeat(coarse, side // 6, axis=2), side // 6, axis=3)


def by_name(scores):
    return {each.metric.name: each for each in scores}


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    """AlexNet with weights at random: not those of the paper."""
    return saved(made(torchvision.models.alexnet), tmp_path_factory.mktemp("w") / "random.pth")


def test_an_image_is_like_itself():
    image = blobs(1)[0]
    assert pixel_correlation(image, image) == pytest.approx(1)
    assert similarity(image, image) == pytest.approx(1)
    assert correlation_distance(image, image) == pytest.approx(0)


def test_an_image_is_the_opposite_of_its_negative():
    image = blobs(1)[0]
    assert pixel_correlation(image, 1 - image) == pytest.approx(-1)
    assert correlation_distance(image, -3 * image + 2) == pytest.approx(2)
    assert similarity(image, 1 - image) < 0.5


def test_a_constant_image_is_like_nothing():
    flat, image = np.full((3, 20, 20), 0.5, np.float32), blobs(1)[0]
    assert pixel_correlation(flat, image) == 0
    assert correlation_distance(flat, image) == 1


def test_pixels_are_compared_at_the_published_size():
    image = blobs(1, side=48)[0]
    large = torch.nn.functional.interpolate(torch.from_numpy(image)[None], (425, 425), mode="bilinear")[0].numpy()
    assert pixel_correlation(image, large) == pytest.approx(1, abs=1e-4)
    assert similarity(image, large) > 0.999


def test_ssim_is_that_of_the_formula_for_a_shift_of_brightness():
    flat = np.full((1, 425, 425), 0.4, np.float32)
    c1 = 0.01**2
    expected = (2 * 0.4 * 0.6 + c1) / (0.4**2 + 0.6**2 + c1)
    assert similarity(flat, flat + np.float32(0.2)) == pytest.approx(expected, abs=1e-5)


def test_identical_images_score_as_high_as_can_be_and_chance_is_beside():
    shown = blobs(6)
    scores = by_name(score_generation(shown, shown, draws=DRAWS))
    for name in PIXEL:
        score = scores[name].score
        assert score.value == pytest.approx(1)
        assert score.ci95 == (pytest.approx(1), pytest.approx(1))
        assert score.chance < 0.8
        assert scores[name].network == "none, pixels at 425 x 425"


def test_without_weights_six_scores_are_not_run_and_say_which_file_they_want():
    shown = blobs(3)
    rows = [each.row() for each in score_generation(shown, shown, draws=DRAWS)]
    assert [row["name"] for row in rows] == [each.name for each in METRICS]
    missing = [row for row in rows if row["status"] != "run"]
    assert len(missing) == 6
    for row in missing:
        assert row["status"].startswith("not run: weights missing (")
        assert "value" not in row
        assert "https://" in row["status"]
    json.dumps(rows, allow_nan=False)


def test_two_way_identification_of_distinct_images_is_perfect_and_names_its_network(alexnet):
    shown = blobs(8)
    weights = {"alexnet_features_4": alexnet, "alexnet_features_11": alexnet}
    scores = by_name(score_generation(shown, shown, weights, draws=DRAWS))
    for name in ("AlexNet(2)", "AlexNet(5)"):
        row = scores[name].row()
        assert (row["value"], row["chance"], row["ci95"]) == (1.0, 0.5, [1.0, 1.0])
        assert row["status"] == "run"
        assert "of alexnet" in row["network"]
        assert row["weights"].startswith("random.pth sha256:")
        assert row["weights_published"] is False
    assert scores["CLIP"].score is None


def test_two_way_identification_of_shuffled_images_is_at_chance(alexnet):
    shown = blobs(24)
    shuffled = np.random.default_rng(3).permutation(24)
    scores = by_name(score_generation(shown[shuffled], shown, {"alexnet_features_11": alexnet}, draws=DRAWS))
    score = scores["AlexNet(5)"].score
    assert score.ci95[0] < 0.5 < score.ci95[1]
    assert score.chance == 0.5
    assert scores["PixCorr"].score.ci95[0] < scores["PixCorr"].score.chance < scores["PixCorr"].score.ci95[1]


def test_several_paintings_of_one_image_count_as_one_image():
    shown = blobs(4)
    own = np.repeat(np.arange(4), 3)
    scores = by_name(score_generation(shown[own], shown, of=own, draws=DRAWS))
    assert scores["PixCorr"].score.value == pytest.approx(1)
    assert scores["PixCorr"].score.n == 12


def test_the_interval_resamples_images_and_not_paintings():
    rng = np.random.default_rng(0)
    level = rng.random(10)
    own = np.repeat(np.arange(10), 50)
    pairs = Pairs(level[own], np.zeros(10), own)
    score = score_pairs("x", pairs, lambda a, b: float(a), Draws(2000))
    spread = level.std() / np.sqrt(10)
    assert score.ci95[1] - score.ci95[0] == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_an_image_painted_often_counts_once():
    own = np.array([0, 0, 0, 1])
    score = score_pairs("x", Pairs(np.array([1.0, 1.0, 1.0, 0.0]), np.zeros(2), own), lambda a, b: float(a), Draws(200))
    assert (score.value, score.chance, score.n) == (0.5, 0.5, 4)
    assert score.ci95[0] <= score.value <= score.ci95[1]


def test_chance_is_the_mean_over_pairs_that_do_not_belong_together():
    pairs = Pairs(np.arange(4.0), np.arange(4.0), np.arange(4))
    score = score_pairs("x", pairs, lambda a, b: float(a == b), Draws(10))
    assert (score.value, score.chance) == (1.0, 0.0)


@pytest.mark.slow
def test_distances_are_those_of_features(tmp_path):
    whole = made(torchvision.models.resnet50)
    torch.save(whole.state_dict(), tmp_path / "swav.pth")
    shown = blobs(3)
    painted = np.clip(shown + 0.2 * pictures(3, 48), 0, 1)
    score = by_name(score_generation(painted, shown, {"swav_avgpool": tmp_path / "swav.pth"}, draws=DRAWS))["SwAV"]
    from calibration.features import extract

    a, b = (extract(x, "swav_avgpool", tmp_path / "swav.pth") for x in (painted, shown))
    expected = np.mean([1 - np.corrcoef(p, q)[0, 1] for p, q in zip(a, b, strict=True)])
    assert score.score.value == pytest.approx(expected, rel=1e-5)
    assert score.metric.better == "lower"


def test_what_does_not_fit_is_refused():
    shown = blobs(3)
    with pytest.raises(BadInput, match="expected some for two different ones or more"):
        score_generation(shown[:1], shown[:1])
    with pytest.raises(BadInput, match="the place of its own among those shown"):
        score_generation(shown, shown, of=np.array([0, 1, 3]))
    with pytest.raises(ConfigError, match="no metric looks through 'alexnet'"):
        score_generation(shown, shown, {"alexnet": "w.pth"})
    with pytest.raises(BadInput, match=r"nowhere\.pth is no file"):
        score_generation(shown, shown, {"swav_avgpool": "nowhere.pth"})


def test_every_network_of_the_table_is_an_encoder_with_its_source():
    for metric in METRICS:
        assert (metric.features in FEATURES) == (metric.kind in ("two-way", "distance"))
    assert len(METRICS) == 8
