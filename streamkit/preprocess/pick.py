"""pick: channels by name, in the order named."""

from __future__ import annotations

from typing import Literal

import numpy as np

from streamkit.preprocess.channels import channel_indices
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings
from streamkit.types import StreamSpec


class PickSettings(StageSettings):
    """Keep `ch_names`, in that order.

    What the leading pick stages leave out cannot make a sample invalid.
    """

    kind: Literal["pick"] = "pick"
    ch_names: tuple[str, ...]

    def build(self, spec: StreamSpec) -> Pick:
        """Find the columns of `spec`."""
        return Pick(spec, self)


class Pick(SampleStage):
    """``(n_times, n_chans)`` → ``(n_times, len(ch_names))``; unit kept, no delay, no state."""

    def __init__(self, spec: StreamSpec, settings: PickSettings) -> None:
        self._columns = channel_indices(settings.ch_names, spec.ch_names)
        super().__init__(spec.model_copy(update={"ch_names": settings.ch_names}))

    def transform(self, data: Samples) -> Samples:
        """Take the columns."""
        return np.take(data, self._columns, axis=1)
