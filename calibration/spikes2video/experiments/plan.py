"""What every experiment is given beside the trained networks."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from calibration.spikes2video.analyses.projection import PERPLEXITY
from calibration.spikes2video.analyses.similarity import PAIRS
from calibration.spikes2video.nulls import N_NULLS
from calibration.tables.experiment import Drawing


class Plan(Drawing):
    """Sizes of the experiments; the defaults are the paper's where it states them.

    Parameters
    ----------
    shares
        Of the sites of every region, that the networks are trained on.
    together
        How many bins are counted together.
    nulls, pairs
        Answers to noise that a score is held against, and pairs of trials of each condition.
    apart
        Settings of an inverse that learns one region, where they are not those of one that learns all.
    perplexity, points
        Of the t-SNE, and how many points are laid out at most.
    """

    shares: tuple[float, ...] = Field((0.1, 0.25, 0.5, 1.0), min_length=1)
    together: tuple[int, ...] = Field((1, 2, 5, 10, 15), min_length=1)
    nulls: int = Field(N_NULLS, ge=2)
    pairs: int = Field(PAIRS, ge=1)
    apart: dict[str, Any] = Field(default_factory=dict)
    perplexity: float = Field(PERPLEXITY, gt=0)
    points: int = Field(2000, ge=10)
