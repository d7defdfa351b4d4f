"""Training in both ways: what learns, what stays, and that the planted (simulated) answers are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from calibration.image2ecog.fit import build, fit_image2ecog, loop_settings
from calibration.image2ecog.scores import R, score
from calibration.image2ecog.settings import PUBLISHED, SMALL, Image2EcogSettings
from calibration.image2ecog.split import split
from streamkit.errors import BadInput, ConfigError
from tests.calibration.image2ecog.toy import DRAWS, SETTINGS, fitted, subject

MODELS = pytest.mark.parametrize("model", ["classification-regressor", "end-to-end"])


def channel_r(model: str, signal: float = 1.0, **changes: object) -> tuple[np.ndarray, np.ndarray]:
    found = score(fitted(signal=signal, model=model, **changes), subject(signal=signal))[R]
    return found.channels(), found.null(DRAWS)


@MODELS
def test_things_never_seen_are_predicted_where_there_is_a_signal_and_nowhere_else(model: str) -> None:
    r, null = channel_r(model)
    assert r[:6].mean() > null[:, :6].mean(1).max()
    # One electrode may answer two of five things alike: with those traded, it scores the same.
    assert (r[:6] > np.percentile(null[:, :6], 95, axis=0)).all()
    above = r[6:] - null[:, 6:].mean(0)
    assert abs(above).max() < 0.05


@MODELS
def test_without_a_signal_images_are_not_told_apart_though_the_common_wave_is(model: str) -> None:
    r, null = channel_r(model, signal=0.0)
    assert r.mean() > 0.15
    assert abs((r - null.mean(0)).mean()) < 0.02


def test_the_first_stage_tells_new_things_apart() -> None:
    one = fitted()
    shown = np.unique(subject().image[one.parts.test])
    assert np.mean(one.classify(subject().images[shown]) == subject().category[shown]) > 0.8
    with pytest.raises(ConfigError, match="no classifier"):
        fitted(model="end-to-end").classify(subject().images)


def test_the_backbone_stays_as_the_first_stage_left_it_unless_it_is_to_be_tuned() -> None:
    def moved(finetune: bool) -> bool:
        one = fitted(finetune=finetune, epochs=2)
        pairs = zip(
            one.model.backbone.state_dict().values(), one.classifier.backbone.state_dict().values(), strict=True
        )
        return any(not torch.equal(a, b) for a, b in pairs)

    assert not moved(finetune=False)
    assert moved(finetune=True)
    assert not PUBLISHED.finetune


def test_predictions_are_in_the_unit_of_the_signal() -> None:
    one = fitted()
    said, standard = one.predict(subject().images), one.standardised(subject().images)
    np.testing.assert_allclose(standard * one.standard.std + one.standard.mean, said, rtol=1e-4, atol=1e-3)
    assert said.shape == (40, len(one.standard.kept), 40)
    assert said.std() > 3


def test_nothing_is_fitted_to_tested_trials() -> None:
    material = subject()
    parts = split(material, SETTINGS)
    Y = material.Y.copy()
    Y[parts.test] += 1000.0
    one, other = (fit_image2ecog(each, SETTINGS.but(epochs=2)) for each in (material, replace(material, Y=Y)))
    for a, b in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_scalar_head_predicts_the_mean_of_its_span() -> None:
    one = fitted(head="scalar", span=(0.2, 0.25))
    assert one.predict(subject().images).shape == (40, len(one.standard.kept), 1)
    values = subject().of((0.2, 0.25)).Y
    np.testing.assert_allclose(values[:, :, 0], subject().Y[:, :, 20:26].mean(2), atol=1e-4)
    with pytest.raises(BadInput, match=r"no sample lies between 2 and 3 s; the epoch goes from 0 to 0.39 s"):
        subject().of((2.0, 3.0))
    with pytest.raises(ValueError, match="is for head 'scalar'"):
        SETTINGS.but(span=(0.1, 0.2))


def test_published_settings_are_the_papers() -> None:
    assert (PUBLISHED.lr, PUBLISHED.batch_size, PUBLISHED.epochs, PUBLISHED.patience) == (1e-4, 32, 100, 10)
    assert (PUBLISHED.hidden, PUBLISHED.dropout, PUBLISHED.lambda_mse) == ((512, 256, 128), 0.3, 0.7)
    loop = loop_settings(PUBLISHED, PUBLISHED.epochs, {})
    assert (loop.optimiser, loop.weight_decay, loop.schedule, loop.keep) == ("adam", 0.0, "constant", "best")
    assert sum(p.numel() for p in build(PUBLISHED, 80, 200).parameters()) == 3_372_800
    assert sum(p.numel() for p in build(SMALL, 22, 100).parameters()) < 400_000


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the images are 16 x 16 pixels, and size = 32"):
        fit_image2ecog(subject(), Image2EcogSettings(size=32))


def test_the_same_seed_gives_the_same_weights_and_another_others() -> None:
    a, b, c = (fit_image2ecog(subject(), SETTINGS.but(epochs=1, classifier_epochs=1, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.predict(subject().images), b.predict(subject().images))
    assert not np.array_equal(a.predict(subject().images), c.predict(subject().images))
