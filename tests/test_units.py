"""Units mean the same in a file, on the wire and in a stage."""

from __future__ import annotations

import pylsl
import pytest

from streamkit.lsl.discovery import spec_from
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.recording.xdf_xml import spec_of_header
from streamkit.types import StreamSpec
from streamkit.units import MIXED, PER_VOLT, canonical_unit


def described(*units: str) -> pylsl.StreamInfo:
    info = pylsl.StreamInfo("amp", "EEG", len(units), 100.0, "float32", "unit-test")
    channels = info.desc().append_child("channels")
    for k, unit in enumerate(units):
        channel = channels.append_child("channel")
        channel.append_child_value("label", f"E{k}")
        channel.append_child_value("unit", unit)
    return info


@pytest.mark.parametrize(
    ("units", "expected"), [(("uV", "microvolts"), "uV"), (("uV", "V"), MIXED), (("", ""), ""), (("uV", ""), MIXED)]
)
def test_a_file_and_the_live_stream_have_the_same_unit(units: tuple[str, ...], expected: str) -> None:
    info = described(*units)
    assert spec_from(info).unit == expected
    assert spec_of_header(info.as_xml()).unit == expected


@pytest.mark.parametrize("spelling", ["-6", "uV", "Microvolt"])
def test_a_stage_converts_from_whatever_the_contract_accepts(spelling: str) -> None:
    spec = StreamSpec(ch_names=("a",), sfreq=100.0, unit=spelling)
    stage = {"kind": "unit", "to": "V"}
    assert Preprocessor(spec, PreprocessConfig.model_validate({"stages": [stage]})).out.unit == "volts"


def test_the_units_of_potential_are_spelt_canonically() -> None:
    assert [canonical_unit(unit) for unit in PER_VOLT] == list(PER_VOLT)
