from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.recipe import recipe_from
from calibration.streams import contract_stream
from calibration.targets import class_of, fit_image, values_at
from calibration.windows import examples_of, window_config
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import PreprocessConfig
from streamkit.recording import Signal
from streamkit.types import StreamSpec
from tests.calibration import toy


def made(kind: str, **sections):
    recipe = recipe_from(toy.document(**sections), "test")
    recordings = [toy.recording(k, toy.ToyOptions(kind=kind)) for k in range(2)]
    return recipe, recordings, contract_stream(recordings, recipe)


def test_event_windows_are_the_samples_after_each_event():
    recipe, recordings, spec = made("class")
    found = examples_of(recordings, spec, PreprocessConfig(), recipe)
    assert found.X.shape == (80, 3, 30)
    assert np.array_equal(found.X[0], recordings[0].signals[0].data[50:80].T)
    assert list(np.unique(found.groups)) == ["run-0", "run-1"]
    assert [str(k + 1) for k in found.y] == found.labels.tolist()


def test_channels_are_picked_by_name_in_the_order_asked_for():
    recipe, recordings, spec = made("class", stream={"ch_names": ["c", "a"]})
    found = examples_of(recordings, spec, PreprocessConfig(), recipe)
    assert spec.ch_names == ("c", "a")
    assert np.array_equal(found.X[0], recordings[0].signals[0].data[50:80, [2, 0]].T)


def test_only_events_that_name_a_class_cut_windows():
    recipe, _, _ = made("class")
    assert window_config(recipe).events == ("1", "2")


def test_a_signal_target_is_the_newest_value_at_the_windows_end():
    hop = {"mode": "hop", "n_times": 10, "hop": 5}
    recipe, recordings, spec = made("signal", window=hop, target={"kind": "signal", "stream": "force"})
    found = examples_of(recordings[:1], spec, PreprocessConfig(), recipe)
    assert np.allclose(found.y[:, 0], recordings[0].signals[1].data[9::5, 0][: len(found)])


def test_target_values_are_never_from_the_future():
    stamps = np.arange(5.0)
    signal = Signal(StreamSpec(name="t", ch_names=("v",), sfreq=1.0), np.arange(5.0)[:, None], stamps)
    assert values_at(signal, np.array([0.0, 1.9, 3.0]), [0], 0.0).ravel().tolist() == [0, 1, 3]
    assert values_at(signal, np.array([3.0]), [0], 2.0).ravel().tolist() == [2.5]


def test_an_image_target_is_the_stimulus_of_the_label():
    target = {"kind": "image", "size": 8, "grey": True}
    recipe, recordings, spec = made("image", target=target)
    found = examples_of(recordings, spec, PreprocessConfig(), recipe)
    assert np.array_equal(found.y[3], recordings[0].stimulus_arrays[found.labels[3]])


def test_invalid_windows_are_left_out_and_counted():
    recipe, recordings, spec = made("class")
    signal = recordings[0].signals[0]
    broken = signal.data.copy()
    broken[60] = np.nan
    recordings[0] = replace(recordings[0], signals=(replace(signal, data=broken),))
    found = examples_of(recordings, spec, PreprocessConfig(), recipe)
    assert len(found) == 79
    assert found.left_out == {"invalid samples": 1}


def test_recordings_of_two_kinds_are_refused():
    recipe, recordings, _ = made("class")
    other = recordings[1].signals[0]
    faster = replace(other, spec=other.spec.model_copy(update={"sfreq": 200.0}))
    with pytest.raises(RecordingError, match=r"toy-1: sfreq of stream 'toy' is 200\.0, but toy-0 has 100\.0"):
        contract_stream([recordings[0], replace(recordings[1], signals=(faster,))], recipe)


def test_an_unknown_channel_is_named():
    with pytest.raises(ConfigError, match="'z' is not in stream 'toy', which has a, b, c"):
        made("class", stream={"ch_names": ["z"]})


def test_no_event_of_the_target_is_an_error_that_says_so():
    recipe, recordings, spec = made("class", target={"kind": "class", "classes": {"x": "X", "y": "Y"}})
    with pytest.raises(RecordingError, match="no window with a target"):
        examples_of(recordings, spec, PreprocessConfig(), recipe)


@pytest.mark.parametrize(
    ("window", "why"),
    [
        (
            {"n_times": 100_000},
            "80 incomplete. A window is 1000 s long (n_times 100000 at 100 Hz) and begins 0 s after",
        ),
        (
            {"n_times": 10, "tmin": 3000.0},
            "80 incomplete. A window is 0.1 s long (n_times 10 at 100 Hz) and begins 3000",
        ),
        ({"n_times": 10, "tmin": -3000.0}, "80 late. A window is 0.1 s long"),
        ({"n_times": 2000, "baseline": [-2.0, 0.0]}, "74 incomplete, 6 late. A window is 20 s long"),
    ],
)
def test_windows_beyond_the_recordings_are_said_to_be(window: dict, why: str):
    recipe, recordings, spec = made("class", window={"mode": "event", **window})
    with pytest.raises(RecordingError, match="no window with a target") as refused:
        examples_of(recordings, spec, PreprocessConfig(), recipe)
    assert f"(toy-0, toy-1); left out: {why}" in str(refused.value)
    assert str(refused.value).endswith("; the recordings are 21.0 s long")


def test_a_label_belongs_to_the_first_pattern_that_fits():
    assert class_of("face_07", {"face_*": "face", "*": "other"}) == "face"
    assert class_of("house", {"face_*": "face"}) is None


def test_images_are_made_grey_by_luma_and_resized_without_leaving_their_range():
    image = np.zeros((3, 64, 64), np.float32)
    image[1] = 1.0
    grey = fit_image(image, (1, 16, 16))
    assert grey.shape == (1, 16, 16)
    assert grey == pytest.approx(0.587, abs=1e-3)
    assert fit_image(grey, (3, 16, 16)).shape == (3, 16, 16)
