"""Simulated electrodes on visual cortex: what the file says is what the recordings have."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from calibration.datasets import DATASETS
from calibration.datasets.ecog_pictures import CATEGORIES, draw
from calibration.datasets.ecog_world_config import load_ecog_world
from calibration.datasets.world_config import load_world, shipped_worlds
from streamkit.errors import ConfigError
from streamkit.recording import Recording

FEW = {"subjects": 2, "images.exemplars": 3, "images.views": 2, "images.repeats": 2}
SIGNAL = ("Pole_occipital", "S_collat_transv_post", "G_oc-temp_lat-fusifor", "G_oc-temp_med-Parahip", "G_temporal_inf")


@cache
def recordings(*changes: tuple[str, object]) -> tuple[Recording, ...]:
    return tuple(DATASETS["ecog_world"].read("visual-ecog", {"set": FEW | dict(changes)}))


def regions(recording: Recording) -> list[str]:
    return list(recording.meta.details["electrodes"]["region"])


def epochs(recording: Recording) -> dict[str, np.ndarray]:
    """Trials ``(n, n_times, n_chans)`` by label."""
    signal, found = recording.signal(), dict[str, list[np.ndarray]]()
    for event in recording.events():
        first = round(event.stamp * signal.spec.sfreq)
        found.setdefault(event.label, []).append(signal.data[first : first + 175])
    return {label: np.stack(trials) for label, trials in found.items()}


def test_a_block_shows_one_thing_of_every_category_in_all_its_views() -> None:
    for recording in recordings():
        columns = recording.markers[0].columns
        assert set(columns["category"]) == set(CATEGORIES)
        assert {f"block-{number}" for number in columns["exemplar"]} == {recording.meta.group}
        assert len(recording.events()) == 5 * 2 * 2
        assert set(recording.stimulus_arrays) == {event.label for event in recording.events()}


def test_no_image_is_in_two_blocks_of_a_subject() -> None:
    own = [set(each.stimulus_arrays) for each in recordings() if each.meta.subject == "s01"]
    assert len(own) == 3
    assert sum(map(len, own)) == len(set.union(*own))


def test_it_says_that_it_is_simulated_and_where_every_electrode_is() -> None:
    for recording in recordings():
        assert recording.meta.simulated
        said = recording.meta.details["electrodes"]
        assert len(said["region"]) == len(said["position"]) == recording.signal().spec.n_chans
        assert {label for label, told in zip(said["region"], said["selective"], strict=True) if told} == set(SIGNAL)
    left, right = (np.array(recordings()[k].meta.details["electrodes"]["position"])[:, 0] for k in (3, 0))
    assert np.mean(right > 0) > 0.8
    assert np.mean(left < 0) > 0.8


def test_the_same_seed_gives_the_same_samples_and_another_others() -> None:
    again = tuple(DATASETS["ecog_world"].read("visual-ecog", {"set": FEW}))
    other = tuple(DATASETS["ecog_world"].read("visual-ecog", {"set": FEW, "seed": 3}))
    np.testing.assert_array_equal(again[0].signal().data, recordings()[0].signal().data)
    assert not np.array_equal(other[0].signal().data[:50, :3], recordings()[0].signal().data[:50, :3])


def test_without_noise_and_signal_all_images_evoke_the_same_and_some_regions_nothing() -> None:
    silent = recordings(("signal.silent", True), ("signal.gain_sd", 0.0), ("signal.signal", 0.0))[0]
    trials = np.concatenate(list(epochs(silent).values()))
    np.testing.assert_allclose(trials, trials[:1].repeat(len(trials), 0), atol=1e-3)
    loud = np.abs(trials[0]).max(0) > 1
    assert {label for label, has in zip(regions(silent), loud, strict=True) if has} == {*SIGNAL, "G_temporal_middle"}


def test_answers_have_the_strengths_that_the_file_states() -> None:
    silent = recordings(("signal.silent", True), ("signal.gain_sd", 0.0))[0]
    means = np.stack([trials.mean(0) for trials in epochs(silent).values()])
    told = (means - means.mean(0)) / 50.0
    for label, stated in (("G_oc-temp_med-Parahip", 0.7), ("G_temporal_inf", 0.35), ("G_temporal_middle", 0.0)):
        at = [k for k, each in enumerate(regions(silent)) if each == label]
        assert np.sqrt((told[:, :, at] ** 2).mean()) == pytest.approx(stated, rel=0.6, abs=1e-4)


def test_noise_is_as_loud_as_stated_and_bad_electrodes_louder() -> None:
    quiet = recordings(("signal.signal", 0.0), ("signal.gain_sd", 0.0))[0]
    names = quiet.signal().spec.ch_names
    bad = [names.index(name) for name in quiet.meta.details["electrodes"]["bad"]]
    front = [k for k, label in enumerate(regions(quiet)) if label.startswith("G_front") and k not in bad]
    rms = quiet.signal().data.std(0)
    assert rms[front] == pytest.approx(50, rel=0.3)
    assert len(bad) == 1
    assert rms[bad[0]] > 4 * 50


def test_only_the_first_subjects_have_electrodes_in_a_region_that_says_so() -> None:
    many = tuple(DATASETS["ecog_world"].read("visual-ecog", {"set": FEW | {"subjects": 3}}))
    assert ["G_rectus" in regions(each) for each in many] == [True] * 6 + [False] * 3


def test_views_are_of_one_thing_and_things_of_one_kind_differ() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.uniform(size=(2, 6))
    for category in CATEGORIES:
        first, same = (draw(category, one, 0, 32, rng) for _ in range(2))
        np.testing.assert_array_equal(first, same)
        assert not np.array_equal(first, draw(category, one, 1, 32, rng))
        assert not np.array_equal(first, draw(category, other, 0, 32, rng))


def test_every_image_has_one_contrast_but_for_what_is_clipped() -> None:
    images = np.stack(list(recordings()[0].stimulus_arrays.values()))
    assert images.std((1, 2, 3)).max() < 0.205
    assert images.std((1, 2, 3)).min() > 0.12
    assert images.mean((1, 2, 3)) == pytest.approx(0.5, abs=0.05)


def test_one_subject_can_be_asked_for() -> None:
    found = list(DATASETS["ecog_world"].read("visual-ecog", {"set": FEW, "subject": "s02"}))
    assert {each.meta.subject for each in found} == {"s02"}
    own = [each for each in recordings() if each.meta.subject == "s02"]
    np.testing.assert_array_equal(found[0].signal().data, own[0].signal().data)
    with pytest.raises(ConfigError, match=r"subject 's09' is not in world 'visual-ecog'; there are s01, s02"):
        list(DATASETS["ecog_world"].read("visual-ecog", {"set": FEW, "subject": "s09"}))


def test_wrong_keys_and_worlds_of_another_kind_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"signal\.nois.*Valid keys there: bad, bad_factor"):
        load_ecog_world("visual-ecog", {"signal.nois": 1})
    with pytest.raises(ConfigError, match="category 'ships' cannot be drawn"):
        load_ecog_world("visual-ecog", {"images.categories": ["faces", "ships"]})
    with pytest.raises(ConfigError, match=r"no world 'demo'.*visual-ecog"):
        load_ecog_world("demo")
    with pytest.raises(ConfigError, match="no world 'visual-ecog'"):
        load_world("visual-ecog")
    assert "visual-ecog" not in shipped_worlds()
