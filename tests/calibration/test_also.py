"""Side streams in a recipe: calibrated on, written into the contract, decoded with, verified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.also import side_streams
from calibration.calibrate import calibrate
from calibration.datasets import DATASETS
from calibration.datasets.dataset import Dataset
from calibration.evaluate import evaluate
from calibration.recipe import recipe_from
from calibration.streams import contract_stream
from calibration.windows import examples_of
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import PreprocessConfig
from streamkit.recording import Recording, Signal, read_recording
from streamkit.types import StreamSpec
from streamkit.verify import compare, offline_answer, over_memory
from tests.calibration import toy

PUPIL = StreamSpec(name="pupil", type="Gaze", ch_names=("left", "right"), sfreq=20.0, unit="mm")
ALSO = {
    "name": "pupil",
    "ch_names": ["right"],
    "preprocess": {"stages": [{"kind": "scale"}]},
    "delay": 0.06,
}


def with_pupil(recording: Recording, seed: int) -> Recording:
    """Add a slow stream whose right channel says which class a marker is of, half a second after it."""
    rng = np.random.default_rng(seed)
    begin, end = recording.span
    stamps = begin - 0.5 + np.arange(round((end - begin + 1) * 20)) / 20 + 0.0001
    data = rng.standard_normal((len(stamps), 2)) * 0.1 + 3
    for event in recording.events():
        data[(stamps >= event.stamp) & (stamps < event.stamp + 0.3), 1] += event.label == "2"
    return replace(recording, signals=(*recording.signals, Signal(PUPIL, data.astype(np.float32), stamps)))


def read(path: Path, options: toy.ToyOptions):
    return (with_pupil(recording, k) for k, recording in enumerate(toy.read(path, options)))


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(DATASETS, "toy", Dataset("toy", "noise", "nowhere", "none", "anything", toy.ToyOptions, read))
    return recipe_from(toy.document(data={"options": {"signal": 0.0, "n_events": 20}}) | {"also": [ALSO]}, "test")


def test_a_side_stream_is_calibrated_on_decoded_with_and_verified(recipe, tmp_path: Path):
    result = calibrate(recipe, None, tmp_path / "bundle", tmp_path / "held-out")
    (side,) = result.bundle.contract.also
    assert (side.stream.name, side.stream.ch_names, side.stream.sfreq) == ("pupil", ("right",), 20.0)
    assert side.preprocess.stages[0].mean == pytest.approx((3.3,), abs=0.3)
    assert result.bundle.contract.processed.ch_names == ("a", "b", "c", "right")
    # The primary stream holds nothing but noise.
    assert result.scores[0].value > 0.95
    (held,) = result.held_out_recordings
    again = evaluate(result.bundle, [read_recording(held)], backend="onnxruntime")
    assert again.scores[0].value == pytest.approx(result.scores[0].value, abs=1e-9)
    live = over_memory(result.bundle.path, held, "onnxruntime")
    verdict = compare(offline_answer(result.bundle.path, held, "onnxruntime"), live, toy.SFREQ)
    assert verdict.passed, verdict


def test_examples_hold_the_newest_value_that_is_due(recipe):
    recordings = [with_pupil(toy.recording(k, toy.ToyOptions(n_events=3)), k) for k in range(2)]
    plain = recipe.model_copy(update={"also": (recipe.also[0].model_copy(update={"preprocess": PreprocessConfig()}),)})
    sides = side_streams(recordings, plain)
    found = examples_of(recordings, contract_stream(recordings, plain), PreprocessConfig(), plain, sides)
    assert found.X.shape == (6, 4, 30)
    eeg, pupil = recordings[0].signals
    due = eeg.stamps[found.last[0] - 29 : found.last[0] + 1] - 0.06
    expected = [pupil.data[np.flatnonzero(pupil.stamps <= stamp)[-1], 1] for stamp in due]
    np.testing.assert_array_equal(found.X[0, 3], expected)


def test_a_side_stream_that_no_recording_has_is_missed(recipe):
    with pytest.raises(RecordingError, match="a signal stream named 'pupil'"):
        side_streams([toy.recording(0, toy.ToyOptions())], recipe)


def test_an_optional_one_may_be_missing_from_some_recordings(recipe):
    optional = recipe.model_copy(update={"also": (recipe.also[0].model_copy(update={"optional": True}),)})
    without = toy.recording(0, toy.ToyOptions(n_events=4))
    recordings = [without, with_pupil(toy.recording(1, toy.ToyOptions(n_events=4)), 1)]
    sides = side_streams(recordings, optional)
    spec = contract_stream(recordings, optional)
    plain = [side.model_copy(update={"preprocess": PreprocessConfig()}) for side in sides]
    found = examples_of(recordings, spec, PreprocessConfig(), optional, plain)
    assert found.recording.tolist() == [1] * 4
    assert found.left_out == {"invalid samples": 4}


def test_a_key_that_also_does_not_have_is_named():
    with pytest.raises(ConfigError, match=r"unknown key 'also\.0\.delai'\. Did you mean 'delay'\?"):
        recipe_from(toy.document() | {"also": [{"name": "pupil", "delai": 1}]}, "test")
