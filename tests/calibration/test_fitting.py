from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from calibration import closed_form
from calibration.baselines import cca_classes, ridge_images
from calibration.losses import loss_for
from calibration.network import Network
from calibration.sections import TrainSection
from calibration.train import predict, train
from calibration.warm_start import warm_start
from streamkit.errors import ConfigError, StreamkitError

SIZES = {"n_chans": 3, "n_times": 12, "sfreq": 100.0}


def data(n: int = 120, classes: int = 2, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.standard_normal((n, 3, 12)).astype(np.float32)
    X[:, 0, 4] += 1.5 * y
    return X, y


def linear(n_outputs: int, **args):
    return Network("linear", {**SIZES, "out_shape": [n_outputs], **args}).build(0)


def test_lda_in_the_network_decides_as_scikit_learn_does():
    X, y = data()
    module = linear(2)
    closed_form.fit(module, X, y, 2, TrainSection())
    logits = predict(module, X)
    features = X.reshape(len(X), -1).astype(float)
    features = (features - features.mean(0)) / features.std(0)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5]).fit(features, y)
    assert logits[:, 1] - logits[:, 0] == pytest.approx(reference.decision_function(features), abs=1e-4)


@pytest.mark.parametrize("estimator", ["lda", "logistic", "ridge"])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_estimator_finds_classes_that_differ(estimator, classes):
    X, y = data(240, classes)
    module = linear(classes)
    closed_form.fit(module, X, y, classes, TrainSection(estimator=estimator, alpha=1.0))
    assert np.mean(predict(module, X).argmax(1) == y) > 1 / classes + 0.2


def test_ridge_recovers_a_linear_map():
    X, _ = data(400)
    y = (2 * X[:, 1, 3] - X[:, 2, 7] + 5)[:, None]
    module = linear(1)
    closed_form.fit(module, X, y, 1, TrainSection(alpha=1e-3))
    assert predict(module, X) == pytest.approx(y, abs=1e-2)


def test_a_class_without_examples_is_an_error():
    X, y = data()
    with pytest.raises(ConfigError, match="training examples"):
        closed_form.fit(linear(3), X, y, 3, TrainSection())


def test_a_network_that_is_not_linear_cannot_be_solved_for():
    with pytest.raises(ConfigError, match="'linear' or 'tone_power'"):
        closed_form.fit(torch.nn.Flatten(), *data(), 2, TrainSection())


def test_training_overfits_a_few_examples_and_keeps_the_best_weights():
    X, y = data(16)
    history = train(
        linear(2), "class", (X, y), None, TrainSection(method="gradient", epochs=150, lr=0.05, batch_size=8)
    )
    assert history.train[-1] < 0.05
    assert history.best == 149


def test_training_stops_early_and_returns_the_weights_of_the_best_epoch():
    X, y = data(40)
    held = data(40, seed=1)
    module = linear(2)
    settings = TrainSection(method="gradient", epochs=200, patience=5, lr=0.1, weight_decay=0)
    history = train(module, "class", (X, y), held, settings)
    assert len(history.train) == history.best + 6
    loss = loss_for("class", y, 0.0)(torch.from_numpy(predict(module, held[0])), torch.from_numpy(held[1]))
    assert float(loss) == pytest.approx(min(history.validation), abs=1e-6)


def test_the_same_seed_gives_the_same_weights():
    X, y = data(40)
    settings = TrainSection(method="gradient", epochs=3, noise=0.5)
    first, second = linear(2), linear(2)
    train(first, "class", (X, y), None, settings)
    train(second, "class", (X, y), None, settings)
    assert np.array_equal(predict(first, X), predict(second, X))


def test_a_loss_that_is_not_a_number_says_what_to_do():
    X, y = data(40)
    X[0, 0, 0] = np.inf
    with pytest.raises(StreamkitError, match=r"Lower train\.lr"):
        train(linear(2), "class", (X, y), None, TrainSection(method="gradient", epochs=2))


def test_the_image_loss_of_a_perfect_image_is_zero():
    y = np.random.default_rng(0).uniform(size=(8, 1, 6, 6)).astype(np.float32)
    loss = loss_for("image", y, 1.0)
    assert float(loss(torch.from_numpy(y), torch.from_numpy(y))) == pytest.approx(0, abs=1e-6)
    assert float(loss(torch.from_numpy(1 - y), torch.from_numpy(y))) > 2


def test_a_warm_start_makes_an_image_decoder_begin_with_a_picture():
    rng = np.random.default_rng(0)
    y = rng.uniform(size=(300, 1, 8, 8)).astype(np.float32)
    X = np.ascontiguousarray(y.reshape(300, 64, 1))
    args = {"n_chans": 64, "n_times": 1, "out_shape": [1, 8, 8], "sfreq": 4.0, "unflatten": [3, 4, 4]}
    geometry = {"channels": [4], "kernels": [6], "strides": [2], "paddings": [1]}
    module = Network("v1_cnn", {**args, **geometry}).build(0)
    warm_start(module, X, y)
    small = y.reshape(300, 4, 2, 4, 2).mean((2, 4)).reshape(300, -1)
    maps = module.readin[1](torch.from_numpy(X).flatten(1)).detach().numpy()
    assert np.corrcoef(maps[:, :16].ravel(), small.ravel())[0, 1] > 0.99
    assert np.corrcoef(maps[:, 16:32].ravel(), small.ravel())[0, 1] < -0.99


def test_a_warm_start_keeps_how_sure_the_regression_is_of_each_pixel_through_the_normalisation():
    rng = np.random.default_rng(0)
    y = rng.uniform(size=(300, 1, 8, 8)).astype(np.float32)
    X = (y[:, 0, :, :4].reshape(300, 32, 1) + 0.1 * rng.normal(size=(300, 32, 1))).astype(np.float32)  # the left half
    args = {"n_chans": 32, "n_times": 1, "out_shape": [1, 8, 8], "sfreq": 4.0, "unflatten": [2, 4, 4]}
    module = Network("v1_cnn", {**args, "channels": [4], "kernels": [6], "strides": [2], "paddings": [1]}).build(0)
    warm_start(module, X, y, levels=True)
    with torch.no_grad():
        said = module.readin[:2](torch.from_numpy(X)).numpy().reshape(300, 2, 16)
        behind = module.train().readin[:3](torch.from_numpy(X)).numpy()
    centred = (said - said.mean((0, 2), keepdims=True)).reshape(300, 32)
    np.testing.assert_allclose(behind, centred / np.sqrt((centred**2).mean()), atol=0.02)
    spread = behind[:, :16].std(0).reshape(4, 4)
    assert spread[:, 2:].max() < 0.5 * spread[:, :2].min()


def test_a_warm_start_needs_a_read_in():
    with pytest.raises(ConfigError, match="v1_cnn"):
        warm_start(linear(2), *data())


def test_an_unknown_model_or_argument_names_the_closest():
    with pytest.raises(ConfigError, match="Did you mean 'linear'"):
        Network("liner").build(0)
    with pytest.raises(ConfigError, match=r"takes no 'pol'\. Did you mean 'pool'"):
        linear(2, pol=3)
    with pytest.raises(ConfigError, match="cannot be built"):
        linear(2, n_bins=99)


def test_canonical_correlation_finds_the_flicker():
    times = np.arange(256) / 128
    rng = np.random.default_rng(0)
    X = np.stack([np.outer([1, -0.5, 0.2], np.sin(2 * np.pi * f * times + 1)) for f in (7.0, 11.0, 13.0)])
    assert cca_classes(X + rng.standard_normal(X.shape), [7.0, 11.0, 13.0], 128).tolist() == [0, 1, 2]


def test_the_ridge_decoder_reads_images_that_are_linear_in_the_response():
    rng = np.random.default_rng(0)
    y = rng.uniform(size=(200, 1, 4, 4))
    X = (y.reshape(200, 16) @ rng.standard_normal((16, 20)))[..., None].astype(np.float32)
    assert ridge_images(X[:150], y[:150], X[150:]) == pytest.approx(y[150:], abs=0.05)
