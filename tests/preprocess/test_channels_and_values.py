"""pick, rereference, unit, scale: the right values, and errors that help."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.preprocess.units import potential_unit
from streamkit.types import Chunk, StreamSpec

SPEC = StreamSpec(name="amp", ch_names=("Fz", "Cz", "Pz", "EOG1"), sfreq=100.0, unit="uV")
DATA = np.array([[1, 2, 6, 100], [4, 0, 2, 200]], np.float32)


def after(*stages: dict, spec: StreamSpec = SPEC) -> tuple[StreamSpec, np.ndarray]:
    preprocessor = Preprocessor(spec, PreprocessConfig.model_validate({"stages": list(stages)}))
    return preprocessor.out, preprocessor.process(Chunk(DATA, np.array([0.0, 0.01]))).data


def test_pick_takes_channels_in_the_order_named():
    out, data = after({"kind": "pick", "ch_names": ["Pz", "Fz"]})
    assert out.ch_names == ("Pz", "Fz")
    np.testing.assert_array_equal(data, [[6, 1], [2, 4]])


def test_average_reference_subtracts_the_mean_of_all_channels():
    _, data = after({"kind": "rereference"})
    np.testing.assert_allclose(data, DATA - DATA.mean(axis=1, keepdims=True))


def test_average_reference_of_some_channels_leaves_the_others():
    _, data = after({"kind": "rereference", "ch_names": ["Fz", "Cz", "Pz"]})
    np.testing.assert_allclose(data, [[-2, -1, 3, 100], [2, -2, 0, 200]])


def test_named_reference_subtracts_the_mean_of_the_named_channels():
    _, data = after({"kind": "rereference", "ref": ["Fz", "Cz"], "ch_names": ["Pz"]})
    np.testing.assert_allclose(data, [[1, 2, 4.5, 100], [4, 0, 0, 200]])


@pytest.mark.parametrize(
    ("unit", "to", "factor"),
    [("uV", "V", 1e-6), ("V", "microvolts", 1e6), ("µV", "mV", 1e-3), ("μV", "nV", 1e3), ("millivolt", "uv", 1e3)],
)
def test_units_of_potential_convert(unit, to, factor):
    out, data = after({"kind": "unit", "to": to}, spec=SPEC.model_copy(update={"unit": unit}))
    np.testing.assert_allclose(data, DATA * factor, rtol=1e-6)
    assert out.unit == potential_unit(to)


@pytest.mark.parametrize(
    ("unit", "says"), [("counts", "'counts' is not a potential"), ("", "does not say its unit"), ("N", "'N'")]
)
def test_other_units_do_not_convert(unit, says):
    with pytest.raises(ConfigError, match=rf"stage 1 \(unit\).*{says}.*volts"):
        after({"kind": "unit", "to": "uV"}, spec=SPEC.model_copy(update={"unit": unit}))


def test_scale_standardises():
    out, data = after({"kind": "scale", "mean": [1, 2, 3, 4], "std": [1, 2, 4, 8]})
    np.testing.assert_allclose(data, (DATA - [1, 2, 3, 4]) / [1, 2, 4, 8])
    assert out.unit == "sd"


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ({"kind": "scale"}, r"stage 1 \(scale\): has no mean and std yet"),
        ({"kind": "scale", "mean": [1, 2], "std": [1]}, "mean has 2 values, expected 1 or one for each of 4 channels"),
        ({"kind": "pick", "ch_names": ["Fz", "cz"]}, r"stage 1 \(pick\): there is no channel 'cz': did you mean 'Cz'"),
        ({"kind": "pick", "ch_names": ["EOG"]}, "did you mean 'EOG1'"),
        ({"kind": "pick", "ch_names": ["Q"]}, "no channel 'Q': the stream has Fz, Cz, Pz, EOG1"),
        ({"kind": "pick", "ch_names": ["Fz", "Fz"]}, "may be named once"),
        ({"kind": "pick", "ch_names": []}, "at least one channel"),
        ({"kind": "rereference", "ref": ["M1"]}, r"stage 1 \(rereference\): there is no channel 'M1'"),
    ],
)
def test_settings_that_do_not_fit_the_stream_are_refused(stage, says):
    with pytest.raises(ConfigError, match=says):
        after(stage)


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ({"kind": "bandpas", "low": 1, "high": 2}, "bandpass"),
        ({"kind": "bandpass", "lo": 1, "high": 2}, "lo"),
        ({"kind": "bandpass", "low": -1, "high": 2}, "greater than 0"),
        ({"kind": "scale", "mean": [0], "std": [0]}, "greater than 0"),
    ],
)
def test_wrong_keys_and_values_are_refused(stage, says):
    with pytest.raises(ValidationError, match=says):
        after(stage)


def test_a_config_survives_json():
    config = PreprocessConfig.model_validate(
        {"stages": [{"kind": "pick", "ch_names": ["Fz"]}, {"kind": "scale", "mean": [0.1], "std": [1 / 3]}]}
    )
    assert PreprocessConfig.model_validate_json(config.model_dump_json()) == config
