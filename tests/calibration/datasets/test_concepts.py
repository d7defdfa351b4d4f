"""A simulated world whose groups have several images of each concept, repeats, and images nobody is shown."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("skimage")

from calibration.datasets.photographs import shrink
from calibration.datasets.things import concept_of
from calibration.datasets.world import World, simulate
from calibration.datasets.world_config import load_world, shipped_worlds
from streamkit.errors import ConfigError

SMALL = {
    "groups.train.n_patches": 6,
    "groups.train.exemplars": 3,
    "groups.validation.n_patches": 2,
    "groups.test.n_patches": 4,
    "groups.test.exemplars": 3,
    "groups.test.repeats": 5,
}


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(load_world("concepts", SMALL))


def test_every_exemplar_of_the_training_is_shown_once(world: World) -> None:
    shown = [event.label for event in world.recordings["train"].events()]
    assert len(shown) == len(set(shown)) == 18
    assert set(Counter(concept_of(label) for label in shown).values()) == {3}


def test_the_test_shows_one_image_of_each_concept_again_and_again(world: World) -> None:
    recording = world.recordings["test"]
    shown = Counter(event.label for event in recording.events())
    assert len(shown) == 4
    assert set(shown.values()) == {5}
    assert {concept_of(label) for label in shown} == {concept_of(label) for label in recording.stimulus_arrays}
    assert len(recording.stimulus_arrays) == 12


def test_repeats_come_in_random_order(world: World) -> None:
    shown = [event.label for event in world.recordings["test"].events()]
    assert shown != sorted(shown)
    assert len({tuple(shown[k : k + 4]) for k in range(0, 20, 4)}) > 1


def test_exemplars_of_a_concept_are_alike_and_not_the_same(world: World) -> None:
    images = world.recordings["train"].stimulus_arrays
    coarse = {label: shrink(image[0], 8).ravel() for label, image in images.items()}
    labels = list(coarse)
    r = np.corrcoef(np.stack([coarse[label] for label in labels]))
    same = np.array([[concept_of(a) == concept_of(b) for b in labels] for a in labels])
    others = ~np.eye(len(labels), dtype=bool)
    assert r[same & others].mean() > r[~same].mean() + 0.3
    assert r[others].max() < 1


def test_concepts_are_said_with_the_markers(world: World) -> None:
    (markers,) = world.recordings["test"].markers
    assert markers.columns["concept"] == [concept_of(label) for label in markers.labels]


def test_no_concept_is_in_two_groups(world: World) -> None:
    found = [{concept_of(label) for label in each.stimulus_arrays} for each in world.recordings.values()]
    assert sum(map(len, found)) == len(set.union(*found))


def test_more_cannot_be_shown_than_there_are() -> None:
    with pytest.raises(ConfigError, match="shown = 4 of exemplars = 3"):
        load_world("concepts", {**SMALL, "groups.test.shown": 4})


@pytest.mark.parametrize("name", [name for name in shipped_worlds() if name != "concepts"])
def test_other_worlds_show_each_patch_once_in_the_order_they_were_drawn(name: str) -> None:
    config = load_world(name)
    assert all((group.exemplars, group.repeats, group.shown) == (1, 1, None) for group in config.groups.values())
    few = {f"groups.{group}.n_patches": 3 for group in config.groups}
    recording = simulate(load_world(name, few)).recordings["train"]
    assert [event.label for event in recording.events()] == list(recording.stimulus_arrays)
