"""What a preprocessor is made of: the table of stage kinds, and the chain a recipe or bundle states."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from streamkit.clock import default_max_gap
from streamkit.preprocess.bandpower import BandpowerSettings
from streamkit.preprocess.filters import BandpassSettings, HighpassSettings, LowpassSettings, NotchSettings
from streamkit.preprocess.pick import PickSettings
from streamkit.preprocess.resample import ResampleSettings
from streamkit.preprocess.scaling import ScaleSettings
from streamkit.preprocess.spatial import RereferenceSettings
from streamkit.preprocess.spikes import BinSettings, ThresholdSettings
from streamkit.preprocess.units import UnitSettings
from streamkit.preprocess.whiten import WhitenSettings

StageConfig = Annotated[
    PickSettings
    | UnitSettings
    | RereferenceSettings
    | BandpassSettings
    | HighpassSettings
    | LowpassSettings
    | NotchSettings
    | ScaleSettings
    | WhitenSettings
    | ResampleSettings
    | BandpowerSettings
    | ThresholdSettings
    | BinSettings,
    Field(discriminator="kind"),
]
"""Settings of one stage; its `kind` says which. A new stage is one file and one row here."""


class PreprocessConfig(BaseModel):
    """A chain of stages and what it does at a gap.

    Parameters
    ----------
    stages
        In the order they act.
    on_gap
        ``"continue"``: filters go on as if nothing were missing; ``"reset"``: every stage starts anew with
        the first sample after the gap.
    max_gap
        Longest step between stamps, in seconds of the recording at any replay speed, that is no gap; None for what the
        stream's own jitter allows (`streamkit.timeline.Timeline`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: tuple[StageConfig, ...] = ()
    on_gap: Literal["continue", "reset"] = "continue"
    max_gap: PositiveFloat | None = None

    def longest_step(self, sfreq: float) -> float:
        """Longest step between stamps, in seconds, that is no gap at `sfreq` Hz."""
        return default_max_gap(sfreq) if self.max_gap is None else self.max_gap
