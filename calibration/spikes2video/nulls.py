"""What the networks say to nothing: the nulls that the paper holds its scores against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.fit import Fitted

N_NULLS = 100


def clips_of_noise(fitted: Fitted, n_bins: int, n: int = N_NULLS, seed: int = 0) -> NDArray[np.float32]:
    """Clips for standardised counts drawn from N(0, 1): ``(n, 3, n_frames, height, width)``."""
    rng = np.random.default_rng(seed)
    return fitted.answer(rng.standard_normal((n, len(fitted.sites), n_bins), np.float32))


def counts_of_noise(
    fitted: Fitted, clip: tuple[int, int, int, int], n: int = N_NULLS, seed: int = 0
) -> NDArray[np.float32]:
    """Counts that the inverse predicts for clips of random pixels: ``(n, n_bins, n_sites)``.

    Parameters
    ----------
    clip
        ``(3, n_frames, height, width)``.
    """
    rng = np.random.default_rng(seed)
    return fitted.predict_counts(rng.random((n, *clip), np.float32))
