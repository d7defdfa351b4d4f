"""The losses of spikes to video are the two published ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.spikes2video.material import Stages
from calibration.spikes2video.objective import band, gaussian, ssim, video_losses, weights_of
from calibration.spikes2video.settings import PUBLISHED

ETA = (1.0, 2.0, 5.0)


def clips(seed: int = 0, n: int = 2, frames: int = 45) -> torch.Tensor:
    return torch.rand((n, 3, frames, 12, 12), generator=torch.Generator().manual_seed(seed))


def by_hand(a: np.ndarray, b: np.ndarray, window: int) -> float:
    """Mean similarity of two planes, pixel by pixel."""
    at = np.arange(window) - window // 2
    weights = np.exp(-(at**2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    total = []
    for row in range(a.shape[0]):
        for col in range(a.shape[1]):
            sums = np.zeros(5)
            for i, down in enumerate(at):
                for j, right in enumerate(at):
                    if 0 <= row + down < a.shape[0] and 0 <= col + right < a.shape[1]:
                        p, q = a[row + down, col + right], b[row + down, col + right]
                        sums += weights[i, j] * np.array([p, q, p * p, q * q, p * q])
            mean_a, mean_b, aa, bb, ab = sums
            c1, c2 = 0.01**2, 0.03**2
            above = (2 * mean_a * mean_b + c1) * (2 * (ab - mean_a * mean_b) + c2)
            total.append(above / ((mean_a**2 + mean_b**2 + c1) * (aa - mean_a**2 + bb - mean_b**2 + c2)))
    return float(np.mean(total))


@pytest.mark.parametrize("window", [4, 11])
def test_similarity_is_that_of_its_definition(window: int) -> None:
    a, b = (np.random.default_rng(seed).random((9, 8)) for seed in (1, 2))
    given = [torch.from_numpy(each).float()[None, None, None] for each in (a, b)]
    assert ssim(*given, window=window).item() == pytest.approx(by_hand(a, b, window), abs=1e-5)


def test_a_clip_is_like_itself_and_less_like_another() -> None:
    a, b = clips(0), clips(1)
    torch.testing.assert_close(ssim(a, a), torch.ones(2, 45))
    assert ssim(a, b).max() < 0.5
    torch.testing.assert_close(ssim(a, b), ssim(b, a))


def test_every_frame_is_measured_by_itself() -> None:
    a, b = clips(0, 1), clips(0, 1)
    b[:, :, 7] = clips(3, 1)[:, :, 7]
    found = ssim(a, b)[0]
    assert found[7] < 0.5
    torch.testing.assert_close(torch.cat([found[:7], found[8:]]), torch.ones(44))


def test_the_window_adds_up_to_one() -> None:
    assert gaussian(4).sum() == pytest.approx(1)
    np.testing.assert_allclose(band(9, 4).sum(1)[2:-1], 1, rtol=1e-6)


def test_a_frame_counts_by_its_stage_and_all_of_them_175() -> None:
    weights = weights_of(Stages(), ETA)
    assert weights[[0, 5, 15]].tolist() == [1, 2, 5]
    assert weights.sum().item() == 175


def test_the_normalised_form_is_that_of_the_code() -> None:
    seen, shown, weights = clips(0), clips(1), weights_of(Stages(), ETA)
    found = video_losses(seen, shown, weights, PUBLISHED)
    likeness = (weights * ssim(seen, shown)).sum(1).mean()
    expected = 1 - likeness / 175 + (seen - shown).square().mean()
    torch.testing.assert_close(found["loss"], expected)


def test_the_paper_s_form_sums_over_frames_and_pixels() -> None:
    seen, shown, weights = clips(0), clips(1), weights_of(Stages(), ETA)
    found = video_losses(seen, shown, weights, PUBLISHED.but(loss="paper"))
    each = (weights * (1 - ssim(seen, shown))).sum(1) + (seen - shown).square().flatten(1).sum(1)
    torch.testing.assert_close(found["loss"], each.mean())
    assert found["loss"] > 100 * video_losses(seen, shown, weights, PUBLISHED)["loss"]


def test_a_cue_that_is_wrong_costs_less_than_dots_that_are() -> None:
    shown = clips(1)
    costs = []
    for frame in (0, 5, 15):
        seen = shown.clone()
        seen[:, :, frame] = clips(2)[:, :, frame]
        costs.append(video_losses(seen, shown, weights_of(Stages(), ETA), PUBLISHED)["ssim"].item())
    assert costs[1] == pytest.approx(2 * costs[0], rel=0.2)
    assert costs[2] == pytest.approx(5 * costs[0], rel=0.2)


def test_gradients_reach_what_is_seen() -> None:
    seen = clips(0).requires_grad_()
    video_losses(seen, clips(1), weights_of(Stages(), ETA), PUBLISHED)["loss"].backward()
    assert seen.grad is not None
    assert torch.isfinite(seen.grad).all()
    assert seen.grad.abs().sum() > 0
