"""Coarse and fine images, slow and fast signals."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.image2ecog.frequency import BANDS, cell, filtered_images, filtered_signals
from streamkit.errors import ConfigError
from tests.calibration.image2ecog.toy import subject

SFREQ = 200.0


def waves() -> np.ndarray:
    times = np.arange(200) / SFREQ
    return np.stack([np.sin(2 * np.pi * f * times) for f in (8, 60)])[None].astype(np.float32)


def test_signals_are_parted_at_the_edge_without_a_shift() -> None:
    low, high = (filtered_signals(waves(), band, SFREQ) for band in BANDS)
    inner = slice(40, -40)
    np.testing.assert_allclose(low[0, 0, inner], waves()[0, 0, inner], atol=0.02)
    np.testing.assert_allclose(high[0, 1, inner], waves()[0, 1, inner], atol=0.02)
    assert abs(low[0, 1, inner]).max() < 0.02
    assert abs(high[0, 0, inner]).max() < 0.02


@pytest.mark.parametrize("sfreq", [60.0, 40.0])
def test_an_edge_at_or_above_half_the_rate_is_refused(sfreq: float) -> None:
    with pytest.raises(ConfigError, match=rf"cut at 30 Hz, which must lie below half their rate, {sfreq / 2:g} Hz"):
        filtered_signals(waves(), "low", sfreq)


def test_an_epoch_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="too short to filter"):
        filtered_signals(waves()[:, :, :10], "low", SFREQ)


def test_coarse_and_fine_parts_add_up_to_the_image() -> None:
    images = subject().images
    coarse, fine = (filtered_images(images, band) for band in BANDS)
    np.testing.assert_allclose(coarse + fine - 0.5, images, atol=1e-5)
    rough = filtered_images(images, "low", 60.0)
    assert rough.std() < 0.5 * coarse.std() < 0.5 * images.std() * 1.001


def test_the_width_follows_the_size_of_the_image() -> None:
    point = np.zeros((1, 1, 112, 112), np.float32)
    point[0, 0, 56, 56] = 1
    row = filtered_images(point, "low")[0, 0, 56]
    x = np.arange(112) - 56
    assert np.sqrt((row * x**2).sum() / row.sum()) == pytest.approx(2.0, rel=0.05)


def test_a_pair_changes_images_and_signals_and_nothing_else() -> None:
    made = cell(subject(), "high", "low")
    assert made.labels == subject().labels
    np.testing.assert_array_equal(made.image, subject().image)
    assert not np.array_equal(made.images, subject().images)
    assert not np.array_equal(made.Y, subject().Y)
