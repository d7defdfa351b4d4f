"""Bad channels, signal to noise and scale, all judged on the trials they are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.image2ecog.channels import bad_channels, fit_standard, snr
from calibration.image2ecog.fit import fit_image2ecog
from calibration.image2ecog.split import split
from streamkit.errors import BadInput
from tests.calibration.image2ecog.toy import SETTINGS, subject, with_bad_channel


def test_a_channel_of_far_too_much_variance_is_left_out() -> None:
    bad = bad_channels(with_bad_channel(subject(), 8, 10.0).Y)
    assert np.flatnonzero(bad).tolist() == [8]
    assert not bad_channels(subject().Y).any()


def test_of_ten_channels_the_published_rule_never_leaves_one_out() -> None:
    loud = with_bad_channel(subject(), 8, 1e4).Y
    assert bad_channels(loud[:, :11]).any()
    assert not bad_channels(loud[:, :10]).any()


def test_the_rule_looks_at_training_trials_alone() -> None:
    material = subject()
    parts = split(material, SETTINGS)
    Y = material.Y.copy()
    Y[parts.test, 8] *= 100.0
    changed = replace(material, Y=Y)
    standard = fit_image2ecog(changed, SETTINGS.but(epochs=1, classifier_epochs=1)).standard
    untouched = fit_standard(material.Y[parts.train], material.image[parts.train], SETTINGS)
    np.testing.assert_array_equal(standard.kept, untouched.kept)
    np.testing.assert_array_equal(standard.std, untouched.std)


def test_signal_to_noise_ranks_channels_that_tell_images_apart_above_the_others() -> None:
    ratio = snr(subject().Y, subject().image)
    assert ratio[:6].min() > ratio[6:].max()
    assert abs(ratio[6:]).max() < 0.02


def test_signal_to_noise_is_that_of_the_forward_model() -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(400), 20)
    evoked = 0.7 * rng.standard_normal((400, 1, 1))
    Y = evoked[image] + rng.standard_normal((len(image), 1, 1))
    assert snr(Y, image)[0] == pytest.approx(0.49, rel=0.1)


def test_signal_to_noise_needs_repeats() -> None:
    with pytest.raises(BadInput, match="two images that were shown more than once"):
        snr(subject().Y[:5], np.arange(5))


def test_only_the_best_channels_are_kept_when_asked() -> None:
    standard = fit_standard(subject().Y, subject().image, SETTINGS.but(channels=6))
    assert standard.kept.tolist() == [0, 1, 2, 3, 4, 5]


def test_training_trials_come_out_standardised_and_dead_channels_are_dropped() -> None:
    dead = subject().Y.copy()
    dead[:, 3] = 1.0
    standard = fit_standard(dead, subject().image, SETTINGS)
    assert 3 not in standard.kept
    Z = standard.apply(dead)
    assert Z.dtype == np.float32
    np.testing.assert_allclose(Z.mean((0, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(Z.std((0, 2)), 1, rtol=1e-3)
