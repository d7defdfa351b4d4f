from __future__ import annotations

import pytest

from calibration import calibrate, evaluate
from calibration.datasets import DATASETS
from calibration.recipe import recipe_from
from streamkit.bundle import load_bundle
from streamkit.errors import ContractMismatch
from streamkit.recording import read_recording
from tests.calibration import toy


@pytest.fixture(autouse=True)
def toy_dataset(monkeypatch):
    monkeypatch.setitem(DATASETS, "toy", toy.TOY)


@pytest.fixture
def calibrated(tmp_path):
    classes = {"2": "bump", "*": "rest"}  # neither sorted, nor without overlap: "*" fits "2" too
    recipe = recipe_from(toy.document(target={"kind": "class", "classes": classes}), "test")
    return calibrate(recipe, None, tmp_path / "bundle", held_out_dir=tmp_path / "held")


def respelt(recording, **changes):
    signal = recording.signals[0]
    spec = signal.spec.model_copy(update=changes)
    return type(recording)((type(signal)(spec, signal.data, signal.stamps),), recording.markers, meta=recording.meta)


def test_the_order_of_the_classes_outlives_the_file(calibrated):
    bundle = load_bundle(calibrated.bundle.path)
    assert list(bundle.contract.output.classes) == ["2", "*"]
    assert bundle.contract.output.labels == ("bump", "rest")
    found = evaluate(bundle, [read_recording(calibrated.held_out_recordings[0])])
    assert found.scores[0].value == pytest.approx(calibrated.scores[0].value, abs=1e-9)
    assert found.scores[0].value > 0.9


def test_a_unit_spelt_otherwise_is_the_same_unit(calibrated):
    recording = respelt(read_recording(calibrated.held_out_recordings[0]), unit="uV")
    assert evaluate(calibrated.bundle, [recording]).scores[0].value > 0.9


def test_missing_channels_are_named(calibrated):
    recording = respelt(read_recording(calibrated.held_out_recordings[0]), ch_names=("a", "b", "x"))
    with pytest.raises(ContractMismatch, match="1 of 3 expected are missing: c"):
        evaluate(calibrated.bundle, [recording])


def test_a_stream_of_another_name_is_found_by_its_channels(calibrated):
    recording = respelt(read_recording(calibrated.held_out_recordings[0]), name="another amplifier")
    assert evaluate(calibrated.bundle, [recording]).scores[0].value > 0.9
