"""The linear readout does exactly the arithmetic it is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.linear import Readout, averaging, build

RNG = np.random.default_rng(0)


def test_weights_set_from_outside_are_applied_to_standardised_bins() -> None:
    model = build(3, 20, (2,), 100.0, n_bins=5).eval()
    x = RNG.standard_normal((4, 3, 20)).astype(np.float32)
    features = x.reshape(4, 3, 5, 4).mean(-1).reshape(4, 15)
    mean, std, weight, bias = features.mean(0), features.std(0), RNG.standard_normal((2, 15)), np.array([0.5, -1.0])
    model.set_standardisation(mean, std)
    model.set_weights(weight, bias)
    expected = (features - mean) / std @ weight.T + bias
    np.testing.assert_allclose(model(torch.from_numpy(x)).detach().numpy(), expected, atol=1e-5)


def test_pool_says_the_same_as_bins() -> None:
    assert build(2, 20, (1,), 100.0, pool=4).n_features == build(2, 20, (1,), 100.0, n_bins=5).n_features == 10


def test_without_bins_every_sample_is_a_feature() -> None:
    model = build(2, 7, (1,), 100.0)
    x = torch.arange(14.0).reshape(1, 2, 7)
    np.testing.assert_array_equal(model.features(x).numpy(), np.arange(14.0)[None])


def test_uneven_bins_use_every_sample_once() -> None:
    bins = averaging(11, 3)
    assert (np.count_nonzero(bins, axis=1) == 1).all()
    np.testing.assert_allclose(bins.sum(0), 1.0, rtol=1e-6)


def test_a_constant_feature_is_only_centred() -> None:
    readout = Readout(2, (1,))
    readout.set_standardisation(np.array([3.0, 0.0]), np.array([0.0, 2.0]))
    np.testing.assert_array_equal(readout.scale.numpy(), [1.0, 0.5])


def test_an_image_comes_out_in_its_shape() -> None:
    assert build(2, 3, (1, 4, 5), 10.0)(torch.zeros(6, 2, 3)).shape == (6, 1, 4, 5)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights of shape \(3, 2\).*expected \(2, 6\) \(n_outputs, n_features\)"):
        build(2, 3, (2,), 10.0).set_weights(np.zeros((3, 2)), np.zeros(2))


def test_more_bins_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n_bins=9 was given, expected 1 to 8 \(n_times\)"):
        build(2, 8, (2,), 10.0, n_bins=9)


def test_bins_and_pool_together_are_refused() -> None:
    with pytest.raises(ValueError, match="n_bins=2 and pool=4 were given, expected one of them"):
        build(2, 8, (2,), 10.0, n_bins=2, pool=4)
