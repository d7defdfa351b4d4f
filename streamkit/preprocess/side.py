"""A side stream: a further signal whose values stand beside the primary stream's, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, field_validator

from streamkit.preprocess.config import PreprocessConfig
from streamkit.preprocess.preprocessor import Preprocessor
from streamkit.types import StreamSpec


class SideStream(BaseModel):
    """One signal stream that a decoder reads beside its primary stream.

    Parameters
    ----------
    stream
        Channels, rate (0 for an irregular stream) and unit it must have; `name` says which of several that fit.
    preprocess
        What is done to it, at its own rate, before it is aligned. A stage that needs a rate does not fit an
        irregular stream.
    delay
        Seconds. A primary sample stamped *t* stands beside the newest side sample stamped ``t - delay`` or before.
        It gives the side stream time to arrive: longer than its chunks and its way through the network together.
    hold
        Longest time, in seconds, for which one value stands; beyond it the samples are marked invalid. None for the
        longest step that is no gap at the side stream's rate, and for ever where it is irregular.
    optional
        Decode without it until it appears, with zeros in its channels and every sample marked invalid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: StreamSpec
    preprocess: PreprocessConfig = PreprocessConfig()
    delay: NonNegativeFloat = 0.05
    hold: PositiveFloat | None = None
    optional: bool = False

    @field_validator("stream")
    @classmethod
    def _is_no_outlet(cls, stream: StreamSpec) -> StreamSpec:
        if stream.source_id or stream.hostname:
            raise ValueError("source_id and hostname name one outlet; a contract leaves them empty")
        return stream

    def longest(self, processed: StreamSpec) -> float:
        """Longest time, in seconds, for which a value of the `processed` side stream stands."""
        return self.preprocess.longest_step(processed.sfreq) if self.hold is None else self.hold


def aligned_spec(primary: StreamSpec, sides: Sequence[SideStream]) -> StreamSpec:
    """What comes out of the alignment: the processed primary stream with the side streams' channels behind its own.

    A channel whose name is taken is called ``stream name/channel name``. The unit is empty where they differ.

    Raises
    ------
    ConfigError
        When a stage does not fit its side stream.
    """
    names, units = list(primary.ch_names), {primary.unit}
    for number, side in enumerate(sides, 1):
        out = Preprocessor(side.stream, side.preprocess).out
        prefix = side.stream.name or f"also{number}"
        names += [f"{prefix}/{name}" if name in names else name for name in out.ch_names]
        units.add(out.unit)
    unit = primary.unit if len(units) == 1 else ""
    return primary.model_copy(update={"ch_names": tuple(names), "unit": unit})
