"""The percentiles that every benchmark of latency states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def quantiles(milliseconds: NDArray[Any]) -> dict[str, float]:
    """Each of `QUANTILES` of at least one duration."""
    return {name: float(np.percentile(milliseconds, q)) for name, q in QUANTILES.items()}
