"""The simulated V1: retinotopic, split by photograph, silent without signal, the same for the same seed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

pytest.importorskip("skimage", reason="not run: scikit-image has the photographs")

from calibration.datasets import DATASETS
from calibration.datasets.v1_config import load_v1
from calibration.datasets.v1_world import V1World, looks_at, simulate
from streamkit.errors import ConfigError

FEW = {
    "units.luminance": 24,
    "units.simple": 16,
    "units.complex": 8,
    "groups.train.n_patches": 30,
    "groups.validation.n_patches": 8,
    "groups.test.n_patches": 6,
}


@cache
def world(**changes: float) -> V1World:
    return simulate(load_v1("v1", FEW | {key.replace("__", "."): value for key, value in changes.items()}))


def test_the_shipped_world_has_two_mice_of_2000_units() -> None:
    config = load_v1("v1")
    assert config.units.n == 2000
    assert config.animals == ("m1", "m2")
    assert (config.sheet.height, config.patches.size) == (18, 32)


def test_no_photograph_is_in_two_groups() -> None:
    found = {name: {each.photograph for each in stimuli} for name, stimuli in world().stimuli.items()}
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    with pytest.raises(ConfigError, match="photograph 'coffee' is in the groups 'validation' and 'test'"):
        load_v1("v1", {"groups.validation.photographs": ["coffee"]})


def test_pictures_are_wide_and_of_one_contrast() -> None:
    images = world().images("train")
    assert images.shape == (30, 1, 18, 32)
    assert images.min() >= 0
    assert images.max() <= 1
    deviations = images.std((1, 2, 3))
    assert deviations.max() < 0.21  # clipping takes from pictures of few bright spots, and never adds
    assert np.median(deviations) > 0.19


def test_every_test_picture_is_shown_as_often_as_the_world_says() -> None:
    assert np.bincount(world().order["test"]).tolist() == [10] * 6
    assert world().counts("test", "m1").shape == (60, 48)


def test_neighbours_on_the_sheet_look_at_neighbouring_places() -> None:
    config = world().config
    mouse = world().mice["m1"]
    without = looks_at(config, mouse.coordinates)
    assert np.abs(mouse.population.centre - without).mean() < 2
    near = looks_at(config, np.array([[450.0, 800.0], [450.0, 850.0], [450.0, 900.0]]))
    np.testing.assert_allclose(np.diff(near, axis=0)[0], np.diff(near, axis=0)[1])
    assert np.linalg.norm(np.diff(near, axis=0)[0]) == pytest.approx(1.0, abs=0.1)  # 50 of 1,600 µm: one of 32 pixels


def test_mice_differ_and_see_the_same() -> None:
    first, second = (world().recording("train", animal) for animal in ("m1", "m2"))
    assert first.markers[0].labels == second.markers[0].labels
    assert not np.array_equal(first.signal().data, second.signal().data)
    assert first.meta.simulated
    assert (first.meta.subject, first.meta.group) == ("m1", "train")
    assert len(first.meta.details["coordinates"]) == 48


def test_without_signal_every_picture_is_answered_alike() -> None:
    silent = world(noise__signal=0.0).expected("test", "m1")
    assert np.ptp(silent, axis=0).max() == 0
    told = world().expected("test", "m1")
    assert told.std(0).mean() > 0.3
    np.testing.assert_allclose(world().expected("train", "m1").mean(), silent.mean(), rtol=0.15)


def test_counts_vary_around_what_is_expected() -> None:
    found, expected = world().counts("test", "m1"), world().expected("test", "m1")
    means = np.stack([found[world().order["test"] == k].mean(0) for k in range(6)])
    assert np.corrcoef(means.ravel(), expected.ravel())[0, 1] > 0.9


def test_a_mouse_can_be_chosen_and_a_strange_one_is_refused() -> None:
    options = {"world": "v1", "set": FEW}
    found = list(DATASETS["v1_world"].read("", {**options, "animal": "m2"}))
    assert [each.meta.name for each in found] == ["v1-m2-train", "v1-m2-validation", "v1-m2-test"]
    with pytest.raises(ConfigError, match=r"no mouse 'm3' in this world\. Mice: m1, m2"):
        list(DATASETS["v1_world"].read("", {**options, "animal": "m3"}))


def test_the_same_seed_gives_the_same_counts() -> None:
    one, other, third = (simulate(world().config, seed).counts("validation", "m1") for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)
