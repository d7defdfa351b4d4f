"""What decoding loses when stretches of time or groups of channels are set to 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.fit import Fitted
from calibration.brainae.pairs import Pairs
from calibration.brainae.scores import TOPS, retrieve
from calibration.metrics import Draws
from calibration.tables.items import Items
from streamkit.errors import BadInput

Mask = NDArray[np.bool_]
Course = Literal["increasing", "decreasing", "single"]
COURSES: tuple[Course, ...] = get_args(Course)
WIDTH = 25
"""Samples of a window, as published."""


def windows(n_times: int, width: int = WIDTH) -> list[tuple[int, int]]:
    """First sample, and the one after the last, of consecutive windows; the last may be shorter.

    Raises
    ------
    BadInput
        When there is only one.
    """
    if n_times <= width:
        raise BadInput(f"{n_times} samples are no more than one window of {width}: mask shorter ones")
    return [(start, min(start + width, n_times)) for start in range(0, n_times, width)]


def over_time(course: Course, n_times: int, width: int = WIDTH) -> dict[tuple[int, int], Mask]:
    """Masks ``(1, n_times)``, True where set to 0, by the window each ends, begins or is.

    Parameters
    ----------
    course
        ``"increasing"`` masks everything up to the end of the window, ``"decreasing"`` everything from its beginning,
        ``"single"`` the window alone.
    """
    at = np.arange(n_times)[None]
    made = {}
    for start, stop in windows(n_times, width):
        first = 0 if course == "increasing" else start
        made[start, stop] = (at >= first) & (at < (n_times if course == "decreasing" else stop))
    return made


def over_channels(regions: Mapping[str, Sequence[int]], n_chans: int) -> dict[str, Mask]:
    """Masks ``(n_chans, 1)``, True for the channels of each region.

    Raises
    ------
    BadInput
        When a region is empty or names a channel that is not there.
    """
    made = {}
    for name, channels in regions.items():
        if not len(channels) or not 0 <= min(channels) <= max(channels) < n_chans:
            raise BadInput(f"region {name!r} has channels {list(channels)}; expected some of 0 to {n_chans - 1}")
        made[name] = np.isin(np.arange(n_chans), list(channels))[:, None]
    return made


def masked_retrieval(
    fitted: Fitted, test: Pairs, gone: Mask | None, draws: Draws, tops: Sequence[int] = TOPS
) -> list[Items]:
    """Retrieval with what `gone` marks set to 0 in every response; None for the responses as they are."""
    X = test.X if gone is None else np.where(gone, np.float32(0), test.X)
    return retrieve(fitted, fitted.embed(X), test, draws, "retrieval", tops)
