"""rereference: subtract the mean of reference channels at every instant."""

from __future__ import annotations

from typing import Literal

import numpy as np

from streamkit.preprocess.channels import channel_indices
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings
from streamkit.types import StreamSpec


class RereferenceSettings(StageSettings):
    """Subtract the reference from `ch_names` (all channels by default).

    Parameters
    ----------
    ref
        ``"average"``: the mean over `ch_names` (common average reference); or the names of reference
        channels, whose mean is subtracted. The reference channels stay in the stream.
    ch_names
        Channels it applies to; the others pass unchanged.
    """

    kind: Literal["rereference"] = "rereference"
    ref: Literal["average"] | tuple[str, ...] = "average"
    ch_names: tuple[str, ...] | None = None

    def build(self, spec: StreamSpec) -> Rereference:
        """Find the columns of `spec`."""
        return Rereference(spec, self)


class Rereference(SampleStage):
    """``(n_times, n_chans)`` → the same shape and unit; no delay, no state."""

    def __init__(self, spec: StreamSpec, settings: RereferenceSettings) -> None:
        applied = spec.ch_names if settings.ch_names is None else settings.ch_names
        reference = applied if settings.ref == "average" else settings.ref
        self._columns = channel_indices(applied, spec.ch_names)
        self._reference = channel_indices(reference, spec.ch_names)
        super().__init__(spec)

    def transform(self, data: Samples) -> Samples:
        """Subtract."""
        # A fresh row-major copy, so that the order of the sum never depends on the block's length or layout.
        reference = np.take(data, self._reference, axis=1).mean(axis=1, keepdims=True)
        out = np.array(data, order="C")
        out[:, self._columns] -= reference
        return out
