"""From the recordings of a recipe to the trials of each subject."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from calibration.calibrate import read_recordings
from calibration.image2ecog.material import Electrodes, Material
from calibration.image2ecog.recordings import electrodes_of, material_of, subjects_of
from calibration.image2ecog.split import split
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from streamkit.errors import BadInput, ConfigError
from streamkit.preprocess import PreprocessConfig
from streamkit.recording import Recording
from tests.calibration.image2ecog.toy import SETTINGS, subject

FEW = {"subjects": 2, "images.exemplars": 3, "images.views": 2, "images.repeats": 2}


@cache
def recipe() -> Recipe:
    found = load_recipe("image2ecog-small")
    options = {"world": "visual-ecog", "set": FEW}
    return found.model_copy(update={"data": found.data.model_copy(update={"options": options})})


@cache
def recordings() -> tuple[Recording, ...]:
    return tuple(read_recordings(recipe(), None, Progress()))


@cache
def material() -> Material:
    return subjects_of(recipe(), recordings(), 32)[0]


def test_every_trial_has_its_image_category_and_thing() -> None:
    one = material()
    assert one.Y.shape[0] == 3 * 5 * 2 * 2
    assert one.Y.shape[2] == 100
    assert (one.sfreq, one.unit, one.subject, one.simulated) == (125, "microvolts", "s01", True)
    assert one.images.shape == (30, 3, 32, 32)
    for label, category, thing in zip(one.labels, one.category, one.thing, strict=True):
        kind, which = label.split("_")
        assert one.categories[category] == kind
        assert thing == 3 * category + int(which[0])
    assert one.repeats() == 2
    assert len(set(one.group)) == 3


def test_subjects_are_apart() -> None:
    one, other = subjects_of(recipe(), recordings(), 32)
    assert (one.subject, other.subject) == ("s01", "s02")
    assert one.labels == other.labels


def test_trials_are_baseline_corrected_windows_of_the_recording() -> None:
    one = material()
    first = recordings()[0]
    event = first.events()[0]
    assert one.labels[one.image[0]] == event.label
    slow = one.Y[0].mean(0)
    assert np.isfinite(slow).all()


def test_regions_and_positions_come_with_the_recording() -> None:
    said = recordings()[0].meta.details["electrodes"]
    assert list(material().electrodes.region) == said["region"]
    np.testing.assert_array_equal(material().electrodes.position, said["position"])


def test_channels_that_are_picked_keep_their_regions() -> None:
    names = recordings()[0].signal().spec.ch_names
    picked = electrodes_of(recordings()[0], (names[4], names[1]))
    said = recordings()[0].meta.details["electrodes"]["region"]
    assert picked.region == (said[4], said[1])


def test_without_regions_they_are_unknown() -> None:
    bare = replace(recordings()[0], meta=recordings()[0].meta.model_copy(update={"details": {}}))
    found = electrodes_of(bare, bare.signal().spec.ch_names)
    assert set(found.region) == {""}
    assert np.isnan(found.position).all()
    short = {"electrodes": {"region": ["a"]}}
    wrong = replace(bare, meta=bare.meta.model_copy(update={"details": short}))
    with pytest.raises(ConfigError, match="names 1 regions"):
        electrodes_of(wrong, wrong.signal().spec.ch_names)


def test_a_split_of_images_is_one_between_groups_of_recordings() -> None:
    parts = split(material(), SETTINGS.but(size=32))
    groups = {name: {material().thing[material().image[k]] for k in rows} for name, rows in vars(parts).items()}
    assert not groups["test"] & groups["train"]


def test_a_scale_that_is_to_be_fitted_is_refused() -> None:
    fitted = PreprocessConfig.model_validate({"stages": [{"kind": "scale"}]})
    with pytest.raises(ConfigError):
        material_of(recipe().model_copy(update={"preprocess": fitted}), recordings()[:3], 32)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="trials Y"):
        replace(subject(), image=subject().image[:3])
    with pytest.raises(BadInput, match="need a label, a category and a thing each"):
        replace(subject(), labels=("a",))
    with pytest.raises(BadInput, match="hold values that are no numbers"):
        replace(subject(), Y=np.where(np.arange(40) == 3, np.nan, subject().Y))
    with pytest.raises(BadInput, match="need as many regions and positions"):
        Electrodes(("a", "b"), ("x",), np.zeros((2, 3)))
