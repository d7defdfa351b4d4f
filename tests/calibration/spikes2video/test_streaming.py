"""The streaming form is trained on windows that end anywhere, and shows the frame of the newest bin."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from calibration.spikes2video.objective import video_losses
from calibration.spikes2video.streaming import FittedStream, Stream, fit_streaming, some, stream_of
from streamkit.errors import BadInput
from tests.calibration.spikes2video.clips import STAGES, trials
from tests.calibration.spikes2video.test_fit import SETTINGS, toy

ETA = (1.0, 2.0, 5.0)


@cache
def fitted(epochs: int = 1, windows: int = 4) -> FittedStream:
    settings = SETTINGS.but(windows=windows, epochs=epochs, batch_size=16)
    return fit_streaming(stream_of(toy(6), ETA), stream_of(toy(2, 1), ETA), settings)


def test_a_window_reaches_into_the_trial_before() -> None:
    real = trials(2)
    stream = stream_of(real, ETA, seed=3)
    order = np.random.default_rng(3).permutation(len(real))
    window = stream.windows(slice(4, 5))[0].T  # ends with the fifth bin of the second trial
    np.testing.assert_array_equal(window[-5:], real.X[order[1]][:5])
    np.testing.assert_array_equal(window[:-5], real.X[order[0]][5:])


def test_the_frame_is_that_of_the_newest_bin() -> None:
    real = trials(2)
    stream = stream_of(real, ETA, seed=3)
    order = np.random.default_rng(3).permutation(len(real))
    np.testing.assert_array_equal(stream.shown(slice(4, 5))[0], real.clips(real.shown[order[1:2]])[0, :, 4])
    assert len(stream) == (len(real) - 1) * STAGES.n_frames
    assert stream.weight[: STAGES.n_frames].tolist() == [1] * 3 + [2] * 6 + [5] * 18


def test_windows_are_taken_at_all_places_of_a_trial() -> None:
    stream = stream_of(trials(6), ETA)
    rows = some(stream, 6, 0)
    assert len(rows) == 6 * (len(trials(6)) - 1) == len(set(rows))
    assert set(rows % STAGES.n_frames) == set(range(STAGES.n_frames))
    assert len(some(stream, 0, 0)) == len(stream)


def test_a_window_that_is_not_whole_is_refused() -> None:
    counts = np.zeros((40, 3), np.float32)
    frames = np.zeros((1, 3, 4, 4), np.uint8)
    nothing, one = np.zeros(1, np.intp), np.ones(1, np.float32)
    with pytest.raises(BadInput, match="windows of 27 bins must lie in the stream of 40 whole"):
        Stream(counts, np.array([25]), nothing, frames, one, 27)


def loss(seen: np.ndarray, stream: Stream) -> float:
    """What training makes small, on other windows."""
    pair = [torch.from_numpy(np.ascontiguousarray(each))[:, :, None] for each in (seen, stream.shown())]
    return float(video_losses(*pair, torch.from_numpy(stream.weight)[:, None], SETTINGS)["loss"])


@pytest.mark.slow
def test_it_beats_the_mean_frame_on_new_trials() -> None:
    test, train = stream_of(toy(2, 2), ETA), stream_of(toy(6), ETA)
    guess = np.broadcast_to(train.mean_frame(), test.shown().shape)
    assert loss(fitted(epochs=20, windows=14).predict(test), test) < 0.9 * loss(guess, test)


def test_the_mean_frame_is_that_of_all_windows() -> None:
    train = stream_of(toy(6), ETA)
    np.testing.assert_allclose(train.mean_frame(), train.shown().mean(0), atol=1e-5)
    assert fitted().predict(stream_of(toy(1, 2), ETA)).shape == (7 * STAGES.n_frames, 3, 16, 16)


def test_what_comes_later_does_not_change_a_frame() -> None:
    test = stream_of(toy(2, 2), ETA)
    later = replace(test, counts=test.counts.copy())
    later.counts[60:] += 3
    before = test.last < 60
    seen, other = (fitted().predict(each) for each in (test, later))
    np.testing.assert_array_equal(seen[before], other[before])
    assert np.abs(seen[~before] - other[~before]).max() > 1e-3
