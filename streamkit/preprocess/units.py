"""unit: volts, millivolts, microvolts, nanovolts, whatever their spelling."""

from __future__ import annotations

from typing import Literal

from streamkit.errors import ConfigError
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings
from streamkit.types import StreamSpec
from streamkit.units import PER_VOLT, canonical_unit


def potential_unit(spelling: str) -> str:
    """Return the full name of a unit of potential, one of `PER_VOLT`.

    Raises
    ------
    ConfigError
        When it is none, or when nobody said.
    """
    name = canonical_unit(spelling)
    if name not in PER_VOLT:
        said = f"the unit {spelling!r} is not a potential" if spelling.strip() else "the stream does not say its unit"
        raise ConfigError(f"{said}; conversion is between {', '.join(PER_VOLT)} (or V, mV, uV, nV)")
    return name


class UnitSettings(StageSettings):
    """Convert potentials to the unit `to`."""

    kind: Literal["unit"] = "unit"
    to: str

    def build(self, spec: StreamSpec) -> Unit:
        """Find the factor from the unit of `spec`."""
        return Unit(spec, self)


class Unit(SampleStage):
    """``(n_times, n_chans)`` → the same in another unit; no delay, no state."""

    def __init__(self, spec: StreamSpec, settings: UnitSettings) -> None:
        to = potential_unit(settings.to)
        self._factor = PER_VOLT[to] / PER_VOLT[potential_unit(spec.unit)]
        super().__init__(spec.model_copy(update={"unit": to}))

    def transform(self, data: Samples) -> Samples:
        """Multiply."""
        return data * self._factor
