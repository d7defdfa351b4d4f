"""The dots world shows what it says and answers as it says; everything here is simulated."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from calibration.datasets import DATASETS
from calibration.datasets.dots_clips import cue_mask, discs, sheet, sheet_size, unsheet
from calibration.datasets.dots_config import load_dots
from calibration.datasets.dots_recording import DARK, region_of
from calibration.datasets.dots_world import DotsWorld, simulate
from calibration.datasets.world_config import shipped_worlds
from calibration.spikes2video.material import REGIONS, Stages
from streamkit.errors import ConfigError
from streamkit.recording import read_recording, write_recording

FEW = {"groups": {"train": 2, "validation": 1, "test": 1}}


@cache
def world(name: str = "dots") -> DotsWorld:
    return simulate(load_dots(name, FEW))


def loud(**changes: object) -> DotsWorld:
    return simulate(load_dots("dots", {**FEW, "spikes.base": 1e5, "spikes.tuned": 1000.0, **changes}))


def test_both_worlds_are_as_the_paper_s_task() -> None:
    assert set(shipped_worlds("dots")) == {"dots", "dots-fresh", "dots-small"}
    assert world("dots-small").videos.shape[1:] == (3, 45, 16, 16)
    for name in ("dots", "dots-fresh"):
        found = world(name)
        assert len(found.conditions) == 64
        assert found.stages == Stages(5, 10, 30)
        assert found.videos.shape[1:] == (3, 45, 32, 32)
        assert dict(zip(*np.unique(found.region, return_counts=True), strict=True)) == {
            "PFC": 30, "FEF": 30, "LIP": 30, "MT": 20, "IT": 10, "V4": 20,
        }  # fmt: skip
        assert tuple(dict.fromkeys(found.region.tolist())) == REGIONS
        assert set(found.conditions.direction) == {90, 30, -30, -90}


def test_only_cue_colour_and_direction_differ_between_conditions() -> None:
    clips, conditions = world().videos, world().conditions
    same_dots = (conditions.colour == conditions.colour[0]).all(1) & (conditions.direction == conditions.direction[0])
    np.testing.assert_array_equal(clips[same_dots][:, :, 15:], np.broadcast_to(clips[:1, :, 15:], (4, 3, 30, 32, 32)))
    start = clips[(conditions.colour == conditions.colour[0]).all(1)][:, :, 15]
    assert (start == start[:1]).all()
    same_cue = conditions.cue == 2
    assert (clips[same_cue][:, :, :15] == clips[same_cue][:1, :, :15]).all()
    assert len({clip[:, 10].tobytes() for clip in clips}) == 4


@pytest.mark.parametrize("direction", [90, 30, -30, -90])
def test_dots_move_as_their_direction_says(direction: float) -> None:
    found = world()
    row = int(np.flatnonzero(found.conditions.direction == direction)[0])
    frames = found.videos[row].max(0).astype(float)
    spectrum = [np.fft.fft2(frames[k] - frames[k].mean()) for k in (16, 22)]
    shifted = np.fft.ifft2(spectrum[1] * spectrum[0].conj()).real
    down, right = (((at + 16) % 32) - 16 for at in np.unravel_index(shifted.argmax(), shifted.shape))
    radians = np.deg2rad(direction)
    assert abs(right - 6 * np.cos(radians)) <= 1
    assert abs(-down - 6 * np.sin(radians)) <= 1


def test_dots_are_of_their_colour() -> None:
    found = world()
    for row in range(0, 64, 4):
        stimulus = found.videos[row, :, 15:].reshape(3, -1) / 255
        brightest = stimulus[:, stimulus.max(0).argmax()]
        np.testing.assert_allclose(brightest, found.conditions.colour[row], atol=0.01)


def test_cues_are_four_different_shapes() -> None:
    masks = np.stack([cue_mask(k, 32) for k in range(4)])
    assert ((masks > 0.5).mean((1, 2)) > 0.05).all()
    assert np.corrcoef(masks.reshape(4, -1))[np.triu_indices(4, 1)].max() < 0.95


def test_a_dot_at_the_edge_comes_back_on_the_other_side() -> None:
    mask = discs(np.array([[0.0, 16.0]]), 2.0, 32)
    assert mask[0, 16] > 0.9
    assert mask[31, 16] > 0.9
    assert mask[16].max() == 0


def test_fresh_clips_start_elsewhere_and_are_dealt_out_in_turn() -> None:
    found = world("dots-fresh")
    clips = found.videos.reshape(64, 12, *found.videos.shape[1:])
    assert len({clip.tobytes() for clip in clips[0]}) == 12
    shown = np.concatenate(
        [found.shown(group).clip[found.shown(group).condition == 3] for group in found.config.groups]
    )
    assert shown.tolist() == [0, 1, 2, 3]


def test_regions_are_tuned_to_what_the_file_says_and_to_nothing_else() -> None:
    found = loud()
    conditions, stimulus = found.conditions, slice(17, 45)
    for region in found.config.regions:
        rates = found.rates[:, :, found.region == region.name]
        for what in ("cue", "colour", "direction"):
            when = slice(7, 15) if what == "cue" else stimulus
            cell = conditions.cell(what)
            means = np.stack([rates[cell == value][:, when].mean((0, 1)) for value in range(4)])
            spread = np.sqrt(means.var(0).mean())
            expected = getattr(region, what) * 1000 * found.config.spikes.sustained
            assert spread == pytest.approx(expected, rel=0.1, abs=1e-6)


def test_without_signal_all_conditions_have_the_same_rates() -> None:
    silent = loud(**{"noise.signal": 0.0})
    assert np.ptp(silent.rates, axis=0).max() < 1e-9
    assert loud().rates.mean((0, 1)) == pytest.approx(silent.rates.mean((0, 1)), rel=0.02)


def test_counts_are_poisson_around_the_rates() -> None:
    found = simulate(
        load_dots("dots", {"groups": {"train": 60}, "noise.gain_sd": 0.0, "clip.colours": [[1, 0, 0], [0, 1, 0]]})
    )
    trials = found.trials("train")
    rows = trials.condition == 5
    expected = found.rates[5] * 0.1
    assert trials.X[rows].mean(0).mean() == pytest.approx(expected.mean(), rel=0.01)
    busy = expected > 0.2
    assert (trials.X[rows].var(0, ddof=1)[busy] / expected[busy]).mean() == pytest.approx(1, abs=0.05)


def test_sites_of_a_region_share_a_gain() -> None:
    steady, wavering = (
        simulate(load_dots("dots", {**FEW, "noise.gain_sd": sd, "noise.signal": 0.0})).trials("train").X
        for sd in (0.0, 0.5)
    )

    def shared(X: np.ndarray) -> float:
        return float(np.corrcoef(X[:, :, :15].sum((1, 2)), X[:, :, 15:30].sum((1, 2)))[0, 1])

    assert shared(steady) < 0.3 < 0.9 < shared(wavering)


def test_the_recording_says_what_the_trials_say() -> None:
    found = world()
    recording, trials = found.recording("test"), found.trials("test")
    assert recording.meta.simulated
    assert recording.meta.group == "test"
    signal, (events,) = recording.signal(), recording.markers
    assert signal.spec.sfreq == 10
    assert signal.spec.unit == "counts"
    np.testing.assert_array_equal(region_of(signal.spec.ch_names), trials.region)
    for k in (0, 7, 63):
        # A count is stamped with the end of its bin.
        inside = (signal.stamps > events.stamps[k] + 0.05) & (signal.stamps < events.stamps[k] + 4.55)
        np.testing.assert_array_equal(signal.data[inside], trials.X[k])
        clip = unsheet(np.rint(recording.stimulus_arrays[events.labels[k]] * 255).astype(np.uint8), 45)
        np.testing.assert_array_equal(clip, found.videos[trials.shown[k]])
        assert events.columns["direction"][k] == found.conditions.direction[trials.condition[k]]


def test_with_frames_every_frame_and_the_dark_are_events() -> None:
    found = world()
    recording = found.recording("test", frames=True)
    frames = recording.markers[1]
    assert len(frames.labels) == 64 * 46
    assert frames.labels[45] == DARK
    assert recording.stimulus_arrays[DARK].max() == 0
    shown = found.shown("test")
    for k in (0, 8, 20, 44):
        np.testing.assert_array_equal(
            np.rint(recording.stimulus_arrays[frames.labels[k]] * 255), found.videos[shown.row[0]][:, k]
        )
        assert frames.stamps[k] == pytest.approx(shown.onsets[0] + k / 10)
    assert not set(recording.markers[0].labels) & set(recording.stimulus_arrays)


def test_it_survives_being_written(tmp_path: Path) -> None:
    recording = world().recording("test")
    back = read_recording(write_recording(recording, tmp_path / "test"))
    np.testing.assert_array_equal(back.signal().data, recording.signal().data)
    assert back.markers[0].columns["colour"] == recording.markers[0].columns["colour"]
    assert back.meta.details["stages"] == [5, 10, 30]


def test_a_sheet_is_undone() -> None:
    clip = np.arange(3 * 45 * 4 * 5).reshape(3, 45, 4, 5)
    assert sheet_size(45) == (5, 9)
    assert sheet(clip).shape == (3, 20, 45)
    np.testing.assert_array_equal(unsheet(sheet(clip), 45), clip)
    np.testing.assert_array_equal(sheet(clip)[:, 4:8, 10:15], clip[:, 11])


def test_the_seed_changes_spikes_and_the_data_set_passes_it_on() -> None:
    options = {"world": "dots", "set": FEW}
    first, again, other = (
        next(iter(DATASETS["dots_world"].read("", {**options, "seed": seed}))).signal().data for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first[: len(other)] != other[: len(first)]).any()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("spikes.bin", 0.03, "does not fit a whole number of times"),
        ("noise.sgnal", 1.0, r"noise\.sgnal.*Valid keys there: gain_sd, signal"),
        ("groups", {"train": 0}, "1 or more trials"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_dots("dots", {key: value})


def test_finer_bins_lie_under_the_same_frames() -> None:
    coarse, fine = loud(), loud(**{"spikes.bin": 0.02})
    assert fine.trials("test").size == (225, 140)
    assert fine.trials("test").sfreq == pytest.approx(50)
    np.testing.assert_allclose(fine.rates.reshape(64, 45, 5, 140).mean(2), coarse.rates, rtol=1e-9)
