"""One spelling per unit, for streams, files and preprocessing alike."""

from __future__ import annotations

from collections.abc import Sequence

MIXED = "mixed"
"""Unit of a stream whose channels are not all in the same one."""

PER_VOLT = {"volts": 1.0, "millivolts": 1e3, "microvolts": 1e6, "nanovolts": 1e9}
"""Units of potential → how many make a volt."""

_SPELLINGS = {
    "volts": ("v", "volt"),
    "millivolts": ("mv", "millivolt", "-3"),
    "microvolts": ("uv", "µv", "μv", "microvolt", "-6"),
    "nanovolts": ("nv", "nanovolt", "-9"),
    "counts": ("count", "spikes"),
    "N": ("newton", "newtons"),
    "degrees": ("deg", "degree", "°"),
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in (unit.lower(), *spellings)}


def canonical_unit(unit: str) -> str:
    """One spelling per unit: ``uV``, ``µV`` and ``microvolt`` are all ``"microvolts"``.

    Powers of ten such as ``"-6"`` are how MNE-LSL writes multiples of volts.
    """
    return _UNITS.get(unit.strip().lower(), unit.strip())


def common_unit(units: Sequence[str]) -> str:
    """Return the unit all channels share as the first spells it; `MIXED` when they do not."""
    if len({canonical_unit(unit) for unit in units}) > 1:
        return MIXED
    return units[0].strip() if units else ""
