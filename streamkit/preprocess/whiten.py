"""whiten: multivariate noise normalisation, a stored matrix that makes channels alike and uncorrelated.

Source: Guggenmos, Sterzer & Cichy 2018, NeuroImage 173:434, section 2.4.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import FiniteFloat, PositiveFloat

from streamkit.errors import ConfigError
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings
from streamkit.types import StreamSpec


class WhitenSettings(StageSettings):
    """Whiten with the noise covariance of the training recordings.

    Parameters
    ----------
    matrix
        The inverse square root of the covariance, row by row; None until `fit_preprocess` fills it in.
    epoch
        Seconds of a stretch when fitting: the covariance is taken over each, and the mean of all is inverted. Where
        recordings are trials with gaps between, the length of a trial makes every trial one stretch.
    """

    kind: Literal["whiten"] = "whiten"
    matrix: tuple[tuple[FiniteFloat, ...], ...] | None = None
    epoch: PositiveFloat = 1.0

    @property
    def fitted(self) -> bool:
        """Whether the matrix is there."""
        return self.matrix is not None

    def build(self, spec: StreamSpec) -> Whiten:
        """Check the matrix against the channels of `spec`."""
        return Whiten(spec, self)


class Whiten(SampleStage):
    """``(n_times, n_chans)`` → ``x @ matrix``, unit ``"sd"``; no delay, no state."""

    def __init__(self, spec: StreamSpec, settings: WhitenSettings) -> None:
        if settings.matrix is None:
            raise ConfigError("has no matrix yet; calibrate with it, or give it")
        n_rows, widths = len(settings.matrix), sorted({len(row) for row in settings.matrix})
        if n_rows != spec.n_chans or widths != [spec.n_chans]:
            raise ConfigError(
                f"matrix has {n_rows} rows of {' or '.join(map(str, widths))} values, expected {spec.n_chans} rows of "
                f"{spec.n_chans}, one for each channel"
            )
        self._matrix: Samples = np.array(settings.matrix)
        super().__init__(spec.model_copy(update={"unit": "sd"}))

    def transform(self, data: Samples) -> Samples:
        """Mix the channels of each sample."""
        out = np.empty_like(data, order="C")
        product = np.empty_like(self._matrix)
        # One sample at a time: a matrix product of many would add up in an order that depends on how many there are.
        for sample, mixed in zip(data, out, strict=True):
            np.multiply(sample[:, None], self._matrix, out=product)
            np.add.reduce(product, axis=0, out=mixed)
        return out
