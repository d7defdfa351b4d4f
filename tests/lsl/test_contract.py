"""What counts as the same stream, and what each difference says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamkit.errors import ContractMismatch
from streamkit.lsl.contract import channel_picks, check, differences
from streamkit.types import StreamSpec
from streamkit.units import canonical_unit, common_unit

EXPECTED = StreamSpec(type="EEG", ch_names=("Fz", "Cz", "Pz"), sfreq=500.0, unit="microvolts")


def found(**changes: Any) -> StreamSpec:
    return EXPECTED.model_copy(update={"name": "amp", **changes})


@pytest.mark.parametrize("unit", ["uV", "µV", "μV", "microvolt", "Microvolts", " uV "])
def test_every_spelling_of_microvolts_is_the_same_unit(unit: str) -> None:
    assert canonical_unit(unit) == "microvolts"
    assert differences(EXPECTED, found(unit=unit)) == ()


def test_more_channels_in_another_order_are_accepted_and_picked() -> None:
    stream = found(ch_names=("Pz", "X", "Fz", "Cz"))
    assert differences(EXPECTED, stream) == ()
    np.testing.assert_array_equal(channel_picks(EXPECTED, stream), [2, 3, 0])
    assert channel_picks(EXPECTED, found()) is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"ch_names": ("Fz", "Cz", "Oz")},
            "channels: 1 of 3 expected are missing: Pz; the stream has 3: Fz, Cz, Oz",
        ),
        ({"ch_names": ("Fz", "Cz", "Pz", "Pz")}, "channels: the stream has more than one called Pz"),
        ({"sfreq": 512.0}, "rate: expected 500 Hz, the stream has 512 Hz"),
        ({"sfreq": 0.0}, "rate: expected 500 Hz, the stream has an irregular rate"),
        ({"unit": "V"}, "unit: expected microvolts, the stream has V"),
        ({"unit": ""}, "unit: expected microvolts, the stream does not say its unit"),
        ({"unit": "mixed"}, "unit: expected microvolts, the stream has mixed"),
    ],
)
def test_each_difference_is_one_line(changes: dict[str, Any], line: str) -> None:
    (said,) = differences(EXPECTED, found(**changes))
    assert said.startswith(line)


def test_a_rate_within_a_thousandth_is_the_same() -> None:
    assert differences(EXPECTED, found(sfreq=500.4)) == ()
    assert differences(EXPECTED, found(sfreq=500.6)) != ()


def test_the_type_is_only_a_hint() -> None:
    assert differences(EXPECTED, found(type="ECoG")) == ()
    assert differences(EXPECTED, found(type="ECoG", unit="V"))[1].startswith("hint: the type is 'ECoG'")


def test_a_contract_without_a_unit_takes_any() -> None:
    assert differences(EXPECTED.model_copy(update={"unit": ""}), found(unit="V")) == ()


def test_refusal_lists_every_difference() -> None:
    with pytest.raises(ContractMismatch) as caught:
        check(EXPECTED, found(sfreq=1.0, unit="V"))
    assert str(caught.value).splitlines()[1:] == [f"  {line}" for line in caught.value.differences]
    assert len(caught.value.differences) == 2


def test_channels_in_different_units_have_no_common_one() -> None:
    assert common_unit(["uV", "microvolts"]) == "uV"
    assert common_unit(["uV", "V"]) == "mixed"
    assert common_unit([]) == ""
