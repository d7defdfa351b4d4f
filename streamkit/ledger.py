"""Where each millisecond went: per-prediction stages, percentiles over a whole session, deadline misses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

STAMPS = ("sample", "arrival", "processed", "window", "infer_start", "infer_end", "publish")
"""Keys of `Prediction.timing` in order, seconds on the LSL clock: the newest input sample was taken by its source, was
in this process, was preprocessed; the window was cut; inference began, ended; the prediction left."""

STAGES = ("arrival", "preprocess", "window", "wait", "inference", "publish", "total")
"""Stages in milliseconds: each ends at the stamp one further on; `total` is publish minus sample, and their sum."""

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999}

_LOWEST_MS, _HIGHEST_MS = 1e-3, 1e9
_GROWTH = math.log(1.01)
_N_BINS = 1 + math.ceil(math.log(_HIGHEST_MS / _LOWEST_MS) / _GROWTH)


def stages_ms(timing: Mapping[str, float]) -> tuple[float, ...]:
    """Milliseconds spent in each of `STAGES`; NaN where a stamp is missing.

    Parameters
    ----------
    timing
        Stamps of one prediction by name, see `STAMPS`; seconds on the LSL clock.
    """
    stamps = [timing.get(name, math.nan) for name in STAMPS]
    steps = [1e3 * (later - earlier) for earlier, later in pairwise(stamps)]
    return (*steps, 1e3 * (stamps[-1] - stamps[0]))


class Ledger:
    """Latency of every prediction of a session, in memory that does not grow.

    Parameters
    ----------
    budget
        Seconds from the newest input sample to the published prediction; a longer `total` is a deadline miss.
        None counts no misses.

    Notes
    -----
    Durations are kept in bins 1 % wide from 1 microsecond to 11 days, so a percentile is within 0.5 % of the
    exact one; the maximum is exact.
    """

    def __init__(self, budget: float | None = None) -> None:
        self.budget = budget
        self.n = 0
        self.deadline_misses = 0
        self._bins = np.zeros((len(STAGES), _N_BINS), np.int64)
        self._longest = [-math.inf] * len(STAGES)

    def add(self, timing: Mapping[str, float]) -> tuple[float, ...]:
        """Account for one published prediction; returns its `stages_ms`."""
        stages = stages_ms(timing)
        for row, duration in enumerate(stages):
            self._count(row, duration)
        self.n += 1
        if self.budget is not None and stages[-1] > 1e3 * self.budget:
            self.deadline_misses += 1
        return stages

    def summary(self) -> dict[str, Any]:
        """Percentiles in milliseconds (None before the first prediction), ready for JSON.

        Returns
        -------
        dict
            ``n``, ``latency_ms`` (p50, p95, p99, p999, max of `total`), ``stages_ms`` (the same per stage),
            ``deadline_misses``, ``budget_ms``.
        """
        stages = {name: self._percentiles(row) for row, name in enumerate(STAGES)}
        return {
            "n": self.n,
            "latency_ms": stages.pop("total"),
            "stages_ms": stages,
            "deadline_misses": self.deadline_misses,
            "budget_ms": None if self.budget is None else 1e3 * self.budget,
        }

    def _count(self, row: int, duration: float) -> None:
        if math.isnan(duration):
            return
        place = 0 if duration <= _LOWEST_MS else 1 + int(math.log(duration / _LOWEST_MS) / _GROWTH)
        self._bins[row, min(place, _N_BINS - 1)] += 1
        self._longest[row] = max(self._longest[row], duration)

    def _percentiles(self, row: int) -> dict[str, float | None]:
        cumulated = np.cumsum(self._bins[row])
        n, longest = int(cumulated[-1]), self._longest[row]
        if n == 0:
            return dict.fromkeys((*QUANTILES, "max"))
        places = {name: int(np.searchsorted(cumulated, math.ceil(q * n))) for name, q in QUANTILES.items()}
        found: dict[str, float | None] = {name: min(_middle(place), longest) for name, place in places.items()}
        return found | {"max": longest}


def _middle(place: int) -> float:
    return 0.0 if place == 0 else _LOWEST_MS * math.exp((place - 0.5) * _GROWTH)
