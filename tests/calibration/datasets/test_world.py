"""The simulated world: seeded, honest about noise, no photograph on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from calibration.datasets import DATASETS, responses
from calibration.datasets.eeg_mixture import CH_NAMES, background, positions
from calibration.datasets.fields import draw
from calibration.datasets.oracle import identification_ceiling, log_likelihoods
from calibration.datasets.photographs import PHOTOGRAPHS, cut, load_grey, locate
from calibration.datasets.world import World, generator, simulate, write_world
from calibration.datasets.world_config import Patches, WorldConfig, load_world, shipped_worlds
from streamkit.errors import ConfigError, MissingPackage, RecordingError
from streamkit.recording import Recording

SMALL = {
    "name": "small",
    "seed": 5,
    "streams": ["spikes"],
    "groups": {
        "train": {"photographs": ["camera", "astronaut"], "n_patches": 60},
        "test": {"photographs": ["chelsea"], "n_patches": 40},
    },
    "units": {"luminance": 24, "simple": 12, "complex": 4, "evoked": 20.0},
}


def small(**changes: object) -> WorldConfig:
    return WorldConfig.model_validate({**SMALL, **changes})


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(small())


def counts_per_patch(recording: Recording, n_bins: int = 35) -> np.ndarray:
    signal = recording.signal()
    first = np.searchsorted(signal.stamps, recording.markers[0].stamps + 1e-6)
    return np.stack([signal.data[at : at + n_bins].sum(axis=0) for at in first])


def test_one_seed_gives_one_world_and_another_seed_another(world: World) -> None:
    again, other = simulate(small()), simulate(small(), seed=6)
    for group, recording in world.recordings.items():
        np.testing.assert_array_equal(recording.signal().data, again.recordings[group].signal().data)
        assert recording.markers[0].labels == again.recordings[group].markers[0].labels
        assert not np.array_equal(recording.signal().data, other.recordings[group].signal().data)
    assert other.config.seed == 6


def test_each_purpose_has_random_numbers_of_its_own(world: World) -> None:
    with_eeg = simulate(small(streams=["spikes", "eeg"]))
    np.testing.assert_array_equal(
        with_eeg.recordings["test"].signal("small-spikes").data, world.recordings["test"].signal().data
    )


def test_the_recording_says_what_it_is(world: World) -> None:
    recording = world.recordings["test"]
    spec = recording.signal().spec
    assert (spec.type, spec.unit, spec.sfreq, spec.n_chans) == ("Spikes", "counts", 100, 40)
    assert recording.signal().data.dtype == np.float32
    assert recording.meta.simulated
    assert recording.meta.group == "test"
    assert len(recording.events()) == 40
    assert recording.markers[0].labels[0].startswith("chelsea_")
    assert set(recording.stimulus_arrays) == set(recording.markers[0].labels)
    image = recording.stimulus_arrays[recording.markers[0].labels[0]]
    assert image.shape == (1, 32, 32)
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1


def test_onsets_are_half_a_second_apart_and_a_count_is_stamped_with_the_end_of_its_bin(world: World) -> None:
    recording = world.recordings["test"]
    np.testing.assert_allclose(np.diff(recording.markers[0].stamps), 0.5)
    np.testing.assert_allclose(recording.signal().stamps[:3], [0.01, 0.02, 0.03])
    assert recording.signal().stamps[-1] > recording.markers[0].stamps[-1] + 1


def test_no_photograph_is_shown_in_two_groups(world: World) -> None:
    shown = {name: set(r.markers[0].columns["photograph"]) for name, r in world.recordings.items()}
    assert shown == {"train": {"camera", "astronaut"}, "test": {"chelsea"}}


@pytest.mark.parametrize("name", sorted(shipped_worlds()))
def test_shipped_worlds_share_no_photograph_between_groups(name: str) -> None:
    groups = load_world(name).groups
    photographs = [photograph for group in groups.values() for photograph in group.photographs]
    assert len(photographs) == len(set(photographs))
    assert {"train", "validation", "test"} <= set(groups)


def test_a_photograph_in_two_groups_is_refused() -> None:
    groups = {**SMALL["groups"], "test": {"photographs": ["camera"], "n_patches": 5}}
    with pytest.raises(ValueError, match=r"photograph 'camera' is in the groups 'train' and 'test'"):
        small(groups=groups)


def test_all_photographs_are_found_in_the_installed_packages() -> None:
    for name in PHOTOGRAPHS:
        assert load_grey(name).min() >= 0
        assert min(load_grey(name).shape) >= 300


def test_patches_have_one_contrast_and_enough_of_it_before() -> None:
    patches = cut("chelsea", Patches(scales=(96,)))
    assert len({p.name for p in patches}) == len(patches) > 10
    assert all(p.image.mean() == pytest.approx(0.5, abs=0.05) for p in patches)
    assert all(0.15 < p.image.std() < 0.21 for p in patches)
    assert len(cut("chelsea", Patches(scales=(96,), min_contrast=0.2))) < len(patches)


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibration.datasets.photographs.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"scikit-learn.*pip install 'streamkit\[images\]'"):
        locate("china")


def test_counts_are_poisson_around_the_true_rates() -> None:
    config = small(noise={"gain_sd": 0.0})
    made = simulate(config)
    rate = responses.rates(config, made.presentations["train"])
    counts = made.recordings["train"].signal().data
    expected = rate * config.units.bin
    assert counts.sum() == pytest.approx(expected.sum(), rel=4 / np.sqrt(expected.sum()))
    fano = ((counts - expected) ** 2).sum() / expected.sum()
    assert fano == pytest.approx(1, abs=0.04)


def test_the_mean_response_to_the_training_stimuli_is_one(world: World) -> None:
    np.testing.assert_allclose(world.presentations["train"].response.mean(axis=0), 1, rtol=1e-6)
    course = responses.envelope(world.config.units, world.config.presentation)
    assert course[course > 0].mean() == pytest.approx(1)
    assert course[:4].max() == 0


def test_with_signal_counts_tell_the_patches_apart(world: World) -> None:
    assert identification_ceiling(world, n_way=20) > 0.5


def test_with_zero_signal_counts_say_nothing_about_the_patches() -> None:
    made = simulate(small(noise={"signal": 0.0, "gain_sd": 0.0}))
    recording = made.recordings["train"]
    counts = counts_per_patch(recording)
    images = np.stack([recording.stimulus_arrays[label].ravel() for label in recording.markers[0].labels])
    rng = np.random.default_rng(0)
    observed = strongest_link(counts, images)
    null = [strongest_link(counts[rng.permutation(len(counts))], images) for _ in range(99)]
    assert np.mean(np.array(null) >= observed) > 0.01
    assert np.ptp(made.presentations["test"].response) == 0
    assert identification_ceiling(made, n_way=20) == pytest.approx(1 / 20)


def strongest_link(counts: np.ndarray, images: np.ndarray) -> float:
    """Norm of the cross-correlation of counts and the pixels averaged down, a test statistic for dependence."""
    standard = (counts - counts.mean(0)) / np.maximum(counts.std(0), 1e-9)
    pixels = images - images.mean(0)
    return float(np.linalg.norm(standard.T @ pixels))


def test_the_same_statistic_finds_the_dependence_when_there_is_signal(world: World) -> None:
    recording = world.recordings["train"]
    counts = counts_per_patch(recording)
    images = np.stack([recording.stimulus_arrays[label].ravel() for label in recording.markers[0].labels])
    rng = np.random.default_rng(0)
    null = [strongest_link(counts[rng.permutation(len(counts))], images) for _ in range(99)]
    assert strongest_link(counts, images) > max(null)


def test_the_ceiling_rises_with_the_signal() -> None:
    ceilings = [identification_ceiling(simulate(small(noise={"signal": signal}))) for signal in (0.0, 0.1, 0.3, 1.0)]
    assert ceilings == sorted(ceilings)
    assert ceilings[0] == pytest.approx(0.05)


def test_the_ceiling_needs_spikes_and_enough_stimuli(world: World) -> None:
    with pytest.raises(ConfigError, match="the group 'test' has 40 stimuli; choose 2 to 40"):
        identification_ceiling(world, n_way=41)
    with pytest.raises(ConfigError, match="has no spikes"):
        log_likelihoods(simulate(small(streams=["eeg"])))


def test_fields_cover_the_patch_and_complex_cells_do_not_know_the_sign_of_contrast() -> None:
    population = draw(small().units, 32, generator(1, "fields"))
    np.testing.assert_allclose(np.linalg.norm(population.even, axis=(1, 2)), 1, rtol=1e-5)
    assert (np.abs(population.even).max(axis=0) > 0.01).mean() > 0.9
    image = np.random.default_rng(0).uniform(0, 1, (1, 32, 32)).astype(np.float32)
    drive, inverted = population.drive(image), population.drive(1 - image)
    energetic = np.array(population.kind) == "complex"
    np.testing.assert_allclose(drive[:, energetic], inverted[:, energetic], rtol=1e-3)
    assert (drive[:, ~energetic] * inverted[:, ~energetic] == 0).all()
    assert (drive >= 0).all()


def test_the_eeg_mixture_has_the_channels_rate_and_size_it_states() -> None:
    made = simulate(small(streams=["eeg"]))
    recording = made.recordings["test"]
    signal = recording.signal()
    assert len(CH_NAMES) == 63
    assert CH_NAMES[:2] + CH_NAMES[-3:] == ("Fp1", "Fp2", "O1", "Oz", "O2")
    assert (signal.spec.ch_names, signal.spec.sfreq, signal.spec.unit) == (CH_NAMES, 250, "microvolts")
    assert signal.data.shape == (22 * 250, 63)
    assert signal.data.dtype == np.float32
    eeg = made.config.eeg
    stated = np.sqrt(eeg.background**2 + eeg.alpha**2 + eeg.evoked**2)
    assert 0.6 * stated < signal.data.std() < 1.5 * stated


def test_the_eeg_background_falls_with_frequency_and_alpha_sits_at_the_back() -> None:
    eeg = small().eeg
    noise = background(eeg.model_copy(update={"alpha": 0.0}), 20000, np.random.default_rng(0))
    power = (np.abs(np.fft.rfft(noise, axis=0)) ** 2).mean(axis=1)
    freqs = np.fft.rfftfreq(20000, 1 / 250)
    slope = np.polyfit(np.log(freqs[(freqs > 2) & (freqs < 60)]), np.log(power[(freqs > 2) & (freqs < 60)]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)
    rhythm = background(eeg.model_copy(update={"background": 0.0}), 20000, np.random.default_rng(0)).std(axis=0)
    front, back = positions()[:, 1] > 0.4, positions()[:, 1] < -0.4
    assert rhythm[back].mean() > 3 * rhythm[front].mean()


def test_what_is_written_reads_back_with_its_truth(world: World, tmp_path: Path) -> None:
    folders = write_world(world, tmp_path / "out")
    assert [folder.name for folder in folders] == ["train", "test"]
    back = {r.meta.group: r for r in DATASETS["world"].read(tmp_path / "out")}
    assert list(back) == ["train", "test"]
    for group, recording in back.items():
        np.testing.assert_array_equal(recording.signal().data, world.recordings[group].signal().data)
        label = recording.markers[0].labels[0]
        np.testing.assert_array_equal(stimulus(recording, label), stimulus(world.recordings[group], label))
    truth: Mapping[str, np.ndarray] = load_file(tmp_path / "out" / "truth.safetensors")
    np.testing.assert_array_equal(truth["response/test"], world.presentations["test"].response)
    np.testing.assert_array_equal(truth["fields/even"], world.population.even)
    with pytest.raises(RecordingError, match="already holds a simulated world"):
        write_world(world, tmp_path / "out")


def stimulus(recording: Recording, label: str) -> np.ndarray:
    return recording.stimulus_arrays[label]


def test_a_wrong_key_is_named_with_the_keys_that_would_be_right() -> None:
    with pytest.raises(ConfigError, match=r"noise\.sgnal.*Valid keys there: gain_sd, signal"):
        load_world("demo", {"noise.sgnal": 1})
    with pytest.raises(
        ConfigError, match=r"groups\.test\.n.*Valid keys there: exemplars, n_patches, photographs, repeats, shown"
    ):
        load_world("demo", {"groups.test.n": 1})


def test_an_unknown_world_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"no world 'mars': expected a TOML file or one of .*demo"):
        load_world("mars")
    with pytest.raises(ConfigError, match="no world was named"):
        list(DATASETS["world"].read(""))


def test_too_many_patches_are_refused_with_what_to_do() -> None:
    groups = {"train": {"photographs": ["rocket"], "n_patches": 5000}}
    with pytest.raises(ConfigError, match=r"5000 patches were asked for, but the photographs rocket have \d+"):
        simulate(small(groups=groups))


def test_the_demo_world_is_quick_to_make_and_big_enough() -> None:
    recordings = {r.meta.group: r for r in DATASETS["world"].read("demo")}
    assert 900 <= len(recordings["train"].events()) <= 1500
    assert 100 <= len(recordings["test"].events()) <= 120
    assert recordings["test"].signal().spec.n_chans == 256
    start, stop = recordings["test"].span
    assert 50 < stop - start < 70
