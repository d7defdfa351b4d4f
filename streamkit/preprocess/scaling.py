"""scale: subtract a stored mean and divide by a stored standard deviation."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from streamkit.errors import ConfigError
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings
from streamkit.types import StreamSpec


class ScaleSettings(StageSettings):
    """Standardise with statistics of the training recordings.

    Parameters
    ----------
    mean, std
        One value per channel, or a single one for all; None until `fit_preprocess` fills them in.
    per_channel
        Whether fitting takes the statistics of each channel or of all channels together.
    """

    kind: Literal["scale"] = "scale"
    mean: tuple[FiniteFloat, ...] | None = None
    std: tuple[Annotated[FiniteFloat, Field(gt=0)], ...] | None = None
    per_channel: bool = True

    @property
    def fitted(self) -> bool:
        """Whether both statistics are there."""
        return self.mean is not None and self.std is not None

    def build(self, spec: StreamSpec) -> Scale:
        """Check the statistics against the channels of `spec`."""
        return Scale(spec, self)


class Scale(SampleStage):
    """``(n_times, n_chans)`` → ``(x - mean) / std``, unit ``"sd"``; no delay, no state."""

    def __init__(self, spec: StreamSpec, settings: ScaleSettings) -> None:
        if settings.mean is None or settings.std is None:
            raise ConfigError("has no mean and std yet; calibrate with it, or give both")
        for name, values in (("mean", settings.mean), ("std", settings.std)):
            if len(values) not in (1, spec.n_chans):
                raise ConfigError(
                    f"{name} has {len(values)} values, expected 1 or one for each of {spec.n_chans} channels"
                )
        self._mean: Samples = np.array(settings.mean)
        self._std: Samples = np.array(settings.std)
        super().__init__(spec.model_copy(update={"unit": "sd"}))

    def transform(self, data: Samples) -> Samples:
        """Standardise."""
        return (data - self._mean) / self._std
