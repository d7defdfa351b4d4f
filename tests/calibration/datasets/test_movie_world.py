"""Films in a simulated scanner: photographs that stay apart, voxels that see where they look, blood that is late."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from calibration.datasets import DATASETS
from calibration.datasets.movie_config import Film, load_movie
from calibration.datasets.movie_frames import film_of, reflected
from calibration.datasets.movie_recording import centres_in, recording_of
from calibration.datasets.movie_world import MovieWorld, gamma, response, simulate, world_of
from calibration.datasets.world_config import WorldOptions
from streamkit.errors import BadInput, ConfigError
from streamkit.recording import RecordingMeta, read_recording, write_recording

SMALL = {
    "parts.train.runs": 2,
    "parts.train.frames": 60,
    "parts.validation.runs": 1,
    "parts.validation.frames": 20,
    "parts.test.runs": 1,
    "parts.test.frames": 20,
    "areas": [{"name": "V1", "voxels": 40, "size": 0.03}, {"name": "V2", "voxels": 20, "size": 0.08, "contrast": 0.5}],
}


@cache
def world(**noise: float) -> MovieWorld:
    return simulate(load_movie("movie-small", {**SMALL, **{f"noise.{key}": value for key, value in noise.items()}}))


def test_every_run_is_a_recording_and_no_photograph_is_in_two_parts() -> None:
    recordings = list(DATASETS["movie_world"].read("", {"world": "movie-small", "set": SMALL}))
    assert [recording.meta.group for recording in recordings] == ["train-1", "train-2", "validation-1", "test-1"]
    assert all(recording.meta.simulated for recording in recordings)
    shown = {recording.meta.group: set(recording.markers[0].columns["photograph"]) for recording in recordings}
    assert not (shown["train-1"] | shown["train-2"]) & (shown["validation-1"] | shown["test-1"])
    assert not shown["validation-1"] & shown["test-1"]


def test_a_photograph_in_two_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="photograph 'moon' is in two parts"):
        load_movie("movie-small", {"parts.train.photographs": ["moon"]})


def test_frames_and_volumes_are_stamped_so_that_nothing_is_known_early() -> None:
    recording = world().recording("test-1")
    signal, markers = recording.signal(), recording.markers[0]
    assert signal.spec.sfreq == pytest.approx(1 / 0.7)
    assert signal.stamps[0] == pytest.approx(0.7)
    assert markers.stamps[0] == pytest.approx(0.7)  # frame 1; frame 0 would have no volume before it
    assert len(markers.labels) == 19
    assert len(signal.stamps) == 20 + 12
    assert set(markers.labels) == set(recording.stimulus_arrays)


def test_a_voxel_answers_to_the_place_where_it_looks_some_volumes_later() -> None:
    quiet = world(sd=0.0, shared=0.0)
    voxels, run = quiet.voxels, "train-1"
    frames = quiet.shown(run).frames
    bright = ~voxels.contrast
    columns, rows = np.floor((voxels.centre[bright] + 0.5) * 32).astype(int).T
    weights = voxels.weight[bright].sum((2, 3))
    seen = np.einsum("ncv,vc->nv", frames[:, :, rows, columns].astype(float), weights)
    answers = quiet.recorded(run)[:, bright]
    r = {
        lag: np.median([np.corrcoef(seen[:, k], answers[lag : lag + 60, k])[0, 1] for k in range(seen.shape[1])])
        for lag in range(12)
    }
    assert max(r, key=r.get) in (6, 7)
    assert r[max(r, key=r.get)] > 0.75 > r[0]


def test_weights_of_a_field_add_up_and_its_middle_is_its_centre() -> None:
    voxels = world().voxels
    np.testing.assert_allclose(voxels.weight.sum((1, 2, 3)), 1, atol=1e-4)
    grey = voxels.weight.sum(1)[:40]
    inner = np.hypot(*voxels.centre[:40].T) < 0.3
    place = (np.arange(32) + 0.5) / 32 - 0.5
    found = np.stack([(grey.sum(1) * place).sum(1), (grey.sum(2) * place).sum(1)], 1)
    np.testing.assert_allclose(found[inner], voxels.centre[:40][inner], atol=0.02)


def test_places_are_dense_in_the_middle() -> None:
    distance = np.hypot(*simulate(load_movie("movie-small")).voxels.centre.T)
    inner, outer = (distance < 0.12).sum() / 0.12**2, (distance > 0.36).sum() / (0.48**2 - 0.36**2)
    assert inner > 3 * outer
    assert distance.max() <= 0.48


def test_answers_have_the_scale_that_noise_is_measured_in() -> None:
    quiet = world(sd=0.0, shared=0.0)
    train = np.concatenate([quiet.answers(run) for run in ("train-1", "train-2")])
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(train.std(0), 1, atol=1e-9)
    noisy = world(signal=0.0).recorded("train-1")
    assert noisy.std() == pytest.approx(np.hypot(0.6, 0.2), rel=0.1)


def test_without_signal_nothing_tells_what_was_shown() -> None:
    silent = world(signal=0.0)
    other = simulate(silent.config.model_copy(update={"noise": silent.config.noise}))
    np.testing.assert_array_equal(silent.recorded("test-1"), other.recorded("test-1"))
    r = np.corrcoef(silent.recorded("train-1")[8:68].T, silent.answers("train-1")[8:68].T)[:60, 60:]
    assert abs(np.diag(r).mean()) < 0.05


def test_runs_that_were_watched_again_are_averaged() -> None:
    again = simulate(load_movie("movie-small", {**SMALL, "parts.test.repeats": 16, "noise.signal": 0.0}))
    assert again.recorded("test-1").std() == pytest.approx(world(signal=0.0).recorded("test-1").std() / 4, rel=0.2)
    assert again.recording("test-1").meta.details["repeats"] == 16


def test_the_response_of_blood_rises_late_and_undershoots() -> None:
    config = load_movie("movie-small").haemodynamics
    times = np.arange(0, 20, 0.01)
    rise = gamma(times, 4.6, 1.6)
    assert times[rise.argmax()] == pytest.approx(4.6, abs=0.02)
    middle = (rise * times).sum() / rise.sum()
    assert np.sqrt((rise * (times - middle) ** 2).sum() / rise.sum()) == pytest.approx(1.6, rel=0.02)
    kernel = response(config, 0.7)
    assert kernel[0] == 0
    assert kernel.min() < 0
    assert kernel[kernel > 0].sum() == pytest.approx(1)


def test_the_same_seed_makes_the_same_world_and_another_does_not() -> None:
    options = {"world": "movie-small", "set": SMALL}
    first, again = (world_of(Path(), WorldOptions(**options)) for _ in range(2))
    np.testing.assert_array_equal(first.recorded("train-1"), again.recorded("train-1"))
    other = simulate(first.config, seed=5)
    assert np.abs(other.recorded("train-1") - first.recorded("train-1")).max() > 0.1


def test_a_shot_drifts_over_one_photograph() -> None:
    shown = film_of(Film(side=16), ("astronaut", "moon"), 40, np.random.default_rng(0))
    assert shown.frames.shape == (40, 3, 16, 16)
    for number in np.unique(shown.shot):
        own = shown.shot == number
        assert len(set(shown.photograph[own])) == 1
    within = np.abs(np.diff(shown.frames.astype(float), axis=0)).mean((1, 2, 3))
    cut = np.diff(shown.shot) > 0
    assert within[cut].mean() > 2 * within[~cut].mean() > 0


def test_a_window_turns_back_at_the_edges() -> None:
    room = np.array([10, 0])
    assert reflected(np.array([3.0, 5.0]), room).tolist() == [3, 0]
    assert reflected(np.array([12.0, 5.0]), room).tolist() == [8, 0]
    assert reflected(np.array([-2.0, 5.0]), room).tolist() == [2, 0]


def test_where_voxels_look_survives_the_disk(tmp_path) -> None:
    recording = world().recording("validation-1")
    read = read_recording(write_recording(recording, tmp_path / "run"))
    names = recording.signal().spec.ch_names
    np.testing.assert_allclose(centres_in(read, names), world().voxels.centre, atol=1e-5)
    np.testing.assert_allclose(centres_in(read, names[::-1]), world().voxels.centre[::-1], atol=1e-5)


def test_names_and_centres_that_are_not_those_of_the_voxels_are_refused() -> None:
    with pytest.raises(BadInput, match="a name for each voxel"):
        recording_of(
            "x", np.zeros((5, 3)), ["a", "b"], 0.7, np.zeros((2, 3, 4, 4), np.uint8), np.zeros((3, 2)), RecordingMeta()
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"film.shot": [9, 3]}, "smaller number, then a greater one"),
        ({"areas": [{"name": "V1", "voxels": 2, "size": 0.1}] * 2}, "a name is there more than once"),
        ({"noise.sound": 1}, "Valid keys there: memory, sd, shared, signal"),
    ],
)
def test_a_wrong_world_is_refused_with_its_key(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_movie("movie-small", changes)


def test_a_world_nobody_named_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="no world was named"):
        list(DATASETS["movie_world"].read("", {}))
