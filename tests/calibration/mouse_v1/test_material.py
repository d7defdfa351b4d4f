"""Presentations, their scales, and what a recipe makes of recordings; all data are simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("skimage", reason="not run: scikit-image has the photographs")

from calibration.calibrate import read_recordings
from calibration.mouse_v1.material import Responses, material_of
from calibration.mouse_v1.scaling import image_scale, response_scale
from calibration.papers import mouse_v1
from calibration.papers.mouse_v1 import (
    MOUSE_V1,
    RECIPES,
    known_at,
    material_in,
    systems_of,
    world_in,
)
from calibration.papers.paper import Request
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from calibration.tables.table import Table
from streamkit.errors import BadInput
from tests.calibration.mouse_v1.mice import animal, trained

FEW = (
    "data.options.set={ units = { luminance = 12, simple = 8, complex = 4 }, groups = { "
    'train = { photographs = ["camera"], n_patches = 12 }, validation = { photographs = ["rocket"], n_patches = 4 }, '
    'test = { photographs = ["coffee"], n_patches = 5, repeats = 3 } } }'
)


def recipe() -> Recipe:
    return load_recipe("mouse-v1-cnn-small", [FEW, 'data.options.animal=""'])


def test_repeats_are_averaged_once_and_for_all() -> None:
    test = animal().test
    mean = test.by_image()
    assert len(mean) == 24
    assert set(mean.repeats) == {4}
    np.testing.assert_allclose(mean.X[3], test.X[test.shown == 3].mean(0), rtol=1e-6)
    np.testing.assert_allclose(mean.by_image().X, mean.X)
    np.testing.assert_array_equal(mean.y, test.images)


def test_uneven_averages_are_weighted_by_their_repeats() -> None:
    single = Responses(np.array([[1.0], [4.0]], np.float32), np.zeros((1, 1, 2, 2), np.float32), np.zeros(2, np.intp))
    uneven = replace(single, repeats=np.array([3, 1]))
    assert uneven.by_image().X.tolist() == [[1.75]]


def test_what_does_not_fit_together_is_refused() -> None:
    images = np.zeros((2, 1, 4, 4), np.float32)
    with pytest.raises(BadInput, match="a row below m for each of n responses"):
        Responses(np.zeros((3, 5), np.float32), images, np.array([0, 1, 2]))


def test_responses_keep_their_mean_and_lose_their_deviation_by_training_alone() -> None:
    train, test = animal().train, animal().test
    scale = response_scale(train)
    np.testing.assert_allclose(scale(train.X).std(0), 1, rtol=1e-4)
    assert scale(train.X).mean() > 0.5
    assert not np.allclose(scale(test.X).std(0), 1, rtol=1e-3)
    full = response_scale(train, "standard")
    np.testing.assert_allclose(full(train.X).mean(0), 0, atol=1e-5)
    assert response_scale(train, "standard, positive")(test.X).min() == 0
    assert full(test.X).min() < 0


def test_all_pixels_have_one_scale() -> None:
    train = animal().train
    scale = image_scale(train)
    standard = scale(train.y)
    assert standard.mean() == pytest.approx(0, abs=1e-4)
    assert standard.std() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(scale.back(standard), train.y, atol=1e-5)


def test_a_share_of_the_neurons_and_of_the_data() -> None:
    some = animal().only(np.array([3, 5]))
    np.testing.assert_array_equal(some.test.X, animal().test.X[:, [3, 5]])
    part = animal().with_share(0.25, seed=1)
    assert len(part.train) == 40
    np.testing.assert_array_equal(part.train.X, animal().with_share(0.25, seed=1).train.X)


def test_recordings_and_the_world_give_the_same_material() -> None:
    given = recipe()
    recorded = material_of(given, read_recordings(given, None, Progress()))
    direct = material_in(given, world_in(given, {}))
    assert recorded.simulated
    assert [each.name for each in recorded.animals] == ["m1", "m2"]
    for one, other in zip(recorded.animals, direct.animals, strict=True):
        for part in ("train", "validation", "test"):
            a, b = getattr(one, part), getattr(other, part)
            np.testing.assert_array_equal(a.X, b.X)
            np.testing.assert_allclose(a.y, b.y, atol=1e-6)
        assert one.coordinates.shape == (24, 2)
        assert not set(one.train.names) & set(one.test.names)


def test_the_paper_is_whole() -> None:
    assert MOUSE_V1.name == "mouse-v1"
    assert "noise" in MOUSE_V1.experiments
    for scale in ("small", "full"):
        assert load_recipe(RECIPES[scale]).train.method == "mouse-v1"
        systems = systems_of(scale)
        assert (systems.cnn.decoder, systems.gan.decoder) == ("cnn", "gan")
    assert systems_of("full").gan.readin == 480
    assert MOUSE_V1.seeds_of("main", Request("small")) == (0, 1, 2, 3, 4)
    assert MOUSE_V1.seeds_of("channels", Request("small")) == (0, 1)
    assert MOUSE_V1.seeds_of("channels", Request("small", seeds=(7,))) == (7,)


def test_experiments_are_run_one_by_one_and_say_what_they_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(name: str) -> Recipe:
        return load_recipe(name, [FEW])

    monkeypatch.setattr(mouse_v1, "load_recipe", few)
    names = ("encoders", "pretrained", "noise")
    silent = replace(Request("small"), seeds=(0,))
    monkeypatch.setattr(
        mouse_v1,
        "noise",
        lambda known, *_: Table(
            [
                {
                    "row": "a",
                    "metric": "m",
                    "value": 1.0,
                    "chance": 0.0,
                    "ci95": [0.0, 1.0],
                    "signal": known(0.5).gain_sd,
                    "decoder": "x",
                }
            ]
        ),
    )
    found = list(MOUSE_V1.run(silent, names, Progress()))
    assert [each.name for each in found] == list(names)
    assert all(line["simulated"] for each in found for line in each.rows)
    assert found[2].rows[0]["signal"] == 0.15


def test_without_recordings_the_full_scale_says_where_they_are() -> None:
    found = list(MOUSE_V1.run(Request("full"), ("main", "noise"), Progress()))
    assert len(found) == 2
    assert all("give --data PATH" in each.why_not for each in found)


def test_the_noise_curve_trains_anew_at_every_signal_but_its_own() -> None:
    given = recipe()
    same, other = (known_at(given, trained(), signal) for signal in (1.0, 0.0))
    assert same.trained is trained()
    assert other.trained is not trained()
    assert len(other.trained.material.animals) == 1
    assert np.ptp(other.expected, axis=0).max() == 0
    assert same.expected.shape == (5, 24)
    assert same.gain_sd == 0.15
