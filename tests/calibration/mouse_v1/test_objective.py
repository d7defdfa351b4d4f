"""Losses and scores of mouse V1 are what their definitions say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.metrics import Draws, squared_differences
from calibration.mouse_v1.objective import fooled, poisson, roughness, ssim_loss, stimulus_loss, told_apart
from calibration.mouse_v1.scores import MSE, PIXELS, SSIML, differences, rows_of, score, stretched
from calibration.ssim import inside, ssim
from streamkit.errors import BadInput
from tests.calibration.mouse_v1.mice import pictures

SHOWN = pictures(12, 5)
OTHER = pictures(12, 6)


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(each)) for each in arrays]


def test_similarity_is_that_of_scikit_image_where_windows_lie_within() -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="not run: scikit-image is not installed")
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    for a, b in zip(SHOWN[:4, 0], OTHER[:4, 0], strict=True):
        _, whole = metrics.structural_similarity(a, b, full=True, **settings)
        found = ssim(*tensors(a[None, None], b[None, None]))
        assert float(found) == pytest.approx(whole[5:-5, 5:-5].mean(), abs=2e-4)  # without what hangs over the edge


def test_a_small_picture_gets_the_largest_odd_window_that_fits() -> None:
    assert inside(12, 11).shape == (2, 12)
    small = SHOWN[:, :, :8, :9]
    np.testing.assert_allclose(ssim(*tensors(small, small)).numpy(), 1, rtol=1e-5)


def test_the_ssim_loss_is_half_of_what_similarity_lacks() -> None:
    likeness = ssim(*tensors(stretched(SHOWN), stretched(OTHER)))
    torch.testing.assert_close(ssim_loss(*tensors(SHOWN, OTHER)), (1 - likeness) / 2)
    assert pytest.approx(0.323) == (1 - 0.354) / 2  # of the report's GAN


def test_brightness_and_contrast_do_not_count() -> None:
    torch.testing.assert_close(
        ssim_loss(*tensors(3 * OTHER - 1, SHOWN)), ssim_loss(*tensors(OTHER, SHOWN)), atol=1e-4, rtol=0
    )


def test_the_stimulus_losses_are_told_apart() -> None:
    made, shown = tensors(OTHER, SHOWN)
    likeness = ssim(*tensors(stretched(OTHER), stretched(SHOWN)))
    expected = -(((likeness + 1) / 2 + 1e-6).log()).mean()
    torch.testing.assert_close(stimulus_loss(made, shown, "ssim"), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stimulus_loss(made, shown, "mse"), ((made - shown) ** 2).mean())
    torch.testing.assert_close(stimulus_loss(made, shown, "mae"), (made - shown).abs().mean())
    r = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(OTHER, SHOWN, strict=True)]
    wanted = float(((made - shown) ** 2).mean()) + 1 - np.mean(r)
    assert float(stimulus_loss(made, shown, "correlation")) == pytest.approx(wanted, rel=1e-4)


def test_the_poisson_likelihood_is_highest_at_the_responses() -> None:
    responses = torch.tensor([[1.0, 2.0, 5.0]])
    best = poisson(responses, responses)
    assert best < poisson(responses * 1.1, responses)
    assert best < poisson(responses * 0.9, responses)
    assert torch.isfinite(poisson(torch.zeros(1, 3), responses))


def test_rough_filters_cost_more_than_smooth_ones_however_strong() -> None:
    rows, columns = np.mgrid[:9, :9] - 4.0
    smooth, rough = tensors(*np.float32([np.exp(-(rows**2 + columns**2) / 8), (-1) ** (rows + columns)])[:, None, None])
    assert roughness(smooth) < 0.2 * roughness(rough)
    torch.testing.assert_close(roughness(5 * smooth), roughness(smooth))


def test_the_adversaries_pull_in_opposite_directions() -> None:
    sure, fooling = torch.full((4,), 8.0), torch.full((4,), -8.0)
    torch.manual_seed(0)
    assert fooled(sure) < 1e-3 < fooled(fooling)
    assert told_apart(sure, fooling, 0.0) < 1e-3 < told_apart(fooling, sure, 0.0)
    labels = torch.stack([told_apart(sure, fooling, 0.05) for _ in range(20)])
    assert 0 < labels.mean() < 0.05**2  # labels are drawn within .05 of what is right


def test_errors_of_all_pairs_are_those_of_each_pair() -> None:
    found = squared_differences(SHOWN, OTHER)
    for a in (0, 5):
        for b in (1, 7):
            assert found[a, b] == pytest.approx(float(((SHOWN[a] - OTHER[b]) ** 2).mean()), rel=1e-5)


def test_every_score_has_its_chance_and_its_permutations() -> None:
    found = score(OTHER, SHOWN, Draws(50, 100), n_way=4)
    assert set(found) == {SSIML, MSE, PIXELS, "4-way identification"}
    for items in found.values():
        assert items.each.shape == (12,)
        assert np.percentile(items.null, 1) <= items.chance + 0.05
        assert len(items.null) > 5
    assert found["4-way identification"].chance == 0.25
    assert found[MSE].lower
    assert not found[PIXELS].lower


def test_a_decoder_with_one_seed_is_compared_with_one_of_several() -> None:
    draws = Draws(30, 30)
    once, twice = [score(OTHER, SHOWN, draws)], [score(SHOWN, SHOWN, draws)] * 2
    lines = differences("a − b", once, twice, draws)
    assert {line["seeds"] for line in lines} == {2}
    assert next(line["value"] for line in lines if line["metric"].startswith(PIXELS)) > 0.5
    assert len(rows_of("a", once, draws)) == 4


@pytest.mark.parametrize(
    ("made", "said"),
    [(OTHER[:3], "expected the same shape"), (np.full_like(OTHER, np.nan), "finite numbers")],
)
def test_what_cannot_be_scored_is_refused(made: np.ndarray, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        score(made, SHOWN, Draws(5, 5))
