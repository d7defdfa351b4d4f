"""ImagePairState: which shown image each seen (reconstructed) image answers, and how well they match."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness

Image = NDArray[np.float32]
N_WAY = 12
SAME_INSTANT = 0.005
"""A shown image this much (s) after an event's stamp is still that event's image: clock correction jitters."""


@dataclass(eq=False)
class Shown:
    """An image that was on screen from `stamp` on."""

    stamp: float
    pixels: Image
    key: bytes
    unit: NDArray[np.float64] = field(repr=False)

    @property
    def is_flat(self) -> bool:
        """Whether all pixels are alike, so that nothing correlates with it."""
        return math.isnan(self.unit[0])


@dataclass(eq=False)
class Pair:
    """A seen image and the shown image it answers; `shown` is None while that one has not come.

    Attributes
    ----------
    correlation, others
        Pixel correlation with its own shown image, and on average with the rivals; NaN when it cannot be told.
    found
        True when it is most like its own shown image among all rivals; None when nothing can be told, as of a flat one.
    """

    stamp: float
    pixels: Image
    event_stamp: float | None = None
    shown: Shown | None = None
    rivals: tuple[Shown, ...] = ()
    correlation: float = float("nan")
    others: float = float("nan")
    found: bool | None = None
    _unit: NDArray[np.float64] | None = field(default=None, repr=False)

    def likeness(self, shown: Shown) -> float:
        """Pixel correlation of the seen image with `shown`; NaN when one of the two is flat."""
        pixels = as_shape_of(self.pixels, shown.pixels)
        if self._unit is None or len(self._unit) != pixels.size:
            self._unit = unit_vector(pixels)
        return float(self._unit @ shown.unit)

    def judge(self, shown: Shown, rivals: tuple[Shown, ...]) -> None:
        """Compare the seen image with the one it answers and with its rivals."""
        self.shown, self.rivals = shown, rivals
        self.correlation = self.likeness(shown)
        against = [self.likeness(rival) for rival in rivals]
        self.others = _mean(against)
        own = self.correlation
        judged = rivals and not shown.is_flat
        self.found = bool(np.isfinite(own) and all(own > rival for rival in against)) if judged else None

    @property
    def chance(self) -> float:
        """Chance that a guess finds the right one."""
        return 1 / (1 + len(self.rivals))


def unit_vector(pixels: Image) -> NDArray[np.float64]:
    """Pixels as one centred vector of length 1; NaN for a flat image."""
    vector = np.asarray(pixels, float).ravel()
    vector = vector - vector.mean()
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-12 else np.full(vector.size, np.nan)


def as_shape_of(pixels: Image, other: Image) -> Image:
    """Pixels brought to the shape of `other` (grey ↔ colour, nearest pixel), so that the two can be compared."""
    if pixels.shape == other.shape:
        return pixels
    channels, height, width = other.shape
    rows = (np.arange(height) + 0.5) * pixels.shape[1] // height
    cols = (np.arange(width) + 0.5) * pixels.shape[2] // width
    resized = pixels[:, rows.astype(int)][:, :, cols.astype(int)]
    return np.broadcast_to(resized.mean(axis=0, keepdims=True), (channels, height, width)).astype(np.float32)


class ImagePairState:
    """Shown and seen images of the last minutes, paired by their stamps.

    A seen image is stamped with its last input sample. It answers the shown image at its event's stamp when the
    decisions stream tells that; else the newest image shown at or before its own stamp.

    Parameters
    ----------
    window
        Number of latest pairs that the running score covers.
    keep
        Number of shown images kept.
    """

    def __init__(self, window: int = 100, keep: int = 400) -> None:
        self.window = window
        self.keep = keep
        self.shown_fresh = Freshness(patience=10.0)
        self.freshness = Freshness(patience=10.0)
        self.clear()

    def clear(self) -> None:
        """Forget everything, for another session."""
        self.pairs: deque[Pair] = deque(maxlen=self.window)
        self.n_seen = 0
        self._shown: list[Shown] = []
        self._events: dict[float, float] = {}

    @property
    def newest_shown(self) -> Shown | None:
        """The image on screen now."""
        return self._shown[-1] if self._shown else None

    def shown_at(self, stamp: float) -> Shown | None:
        """The image that was on screen at `stamp`; the newest one when `stamp` is not a number."""
        until = [shown for shown in self._shown if not shown.stamp > stamp + SAME_INSTANT]
        return until[-1] if until else None

    def add_shown(self, stamp: float, pixels: Image, now: float = 0.0) -> None:
        """An image ``(channels, height, width)`` in [0, 1] came on at `stamp`."""
        pixels = np.clip(np.nan_to_num(np.asarray(pixels, np.float32)), 0, 1)
        insort(self._shown, Shown(stamp, pixels, pixels.tobytes(), unit_vector(pixels)), key=lambda s: s.stamp)
        del self._shown[: -self.keep]
        self.shown_fresh.touch(now)
        for pair in self.pairs:
            if stamp <= _limit(pair) and (pair.shown is None or stamp > pair.shown.stamp):
                self._match(pair)

    def add_seen(self, stamp: float, pixels: Image, now: float = 0.0) -> None:
        """An image reconstructed from samples up to `stamp`."""
        pixels = np.clip(np.nan_to_num(np.asarray(pixels, np.float32)), 0, 1)
        pair = Pair(stamp, pixels, self._events.pop(stamp, None))
        self._match(pair)
        self.pairs.append(pair)
        self.n_seen += 1
        self.freshness.touch(now)

    def tell_event(self, stamp: float, event_stamp: float) -> None:
        """The prediction stamped `stamp` answers the event at `event_stamp`; may come before or after the image."""
        for pair in reversed(self.pairs):
            if abs(pair.stamp - stamp) < 1e-6:
                pair.event_stamp = event_stamp
                self._match(pair)
                return
        self._events[stamp] = event_stamp
        while len(self._events) > self.window:
            del self._events[next(iter(self._events))]

    @property
    def latest(self) -> Pair | None:
        """The newest seen image with the image it answers."""
        return self.pairs[-1] if self.pairs else None

    def strip(self, n: int = 12) -> list[Pair]:
        """The last `n` pairs, oldest first."""
        return list(self.pairs)[-n:]

    @property
    def judged(self) -> list[bool]:
        """For each pair that could be judged, whether the right image was found."""
        return [pair.found for pair in self.pairs if pair.found is not None]

    @property
    def score(self) -> float:
        """Share of seen images most like their own shown image among others shown before; NaN before the first."""
        judged = self.judged
        return float(np.mean(judged)) if judged else float("nan")

    @property
    def chance(self) -> float:
        """What guessing would score on the same pairs; NaN before the first."""
        rates = [pair.chance for pair in self.pairs if pair.found is not None]
        return float(np.mean(rates)) if rates else float("nan")

    @property
    def n_way(self) -> int:
        """Number of images the newest pair that could be judged was identified among; 0 before the first."""
        ways = (1 + len(pair.rivals) for pair in reversed(self.pairs) if pair.found is not None)
        return next(ways, 0)

    @property
    def correlations(self) -> tuple[float, float]:
        """Mean pixel correlation of seen images with their own shown image, and with the others (its chance line)."""
        own = [pair.correlation for pair in self.pairs if pair.found is not None]
        others = [pair.others for pair in self.pairs if pair.found is not None]
        return _mean(own), _mean(others)

    def course(self) -> NDArray[np.float64]:
        """Running identification after each judged pair, oldest first."""
        judged = np.array(self.judged, float)
        return np.cumsum(judged) / np.arange(1, len(judged) + 1)

    def _match(self, pair: Pair) -> None:
        limit = _limit(pair)
        until = [shown for shown in self._shown if shown.stamp <= limit]
        if not until:
            pair.shown, pair.rivals, pair.found = None, (), None
            return
        own = until[-1]
        distinct = {shown.key: shown for shown in until if shown.key != own.key and not shown.is_flat}
        pair.judge(own, spread(sorted(distinct.values(), key=lambda shown: shown.stamp)))


def spread(shown: list[Shown]) -> tuple[Shown, ...]:
    """Rivals out of everything shown, evenly spread: frames of a film are much like those beside them."""
    n = min(len(shown), N_WAY - 1)
    return tuple(shown[(2 * k + 1) * len(shown) // (2 * n)] for k in range(n))


def _limit(pair: Pair) -> float:
    return pair.stamp if pair.event_stamp is None else pair.event_stamp + SAME_INSTANT


def _mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
