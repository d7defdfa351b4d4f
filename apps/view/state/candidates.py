"""CandidateState: the pictures that the model finds likeliest, how sure it is of each, and how often one is right."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness


@dataclass(frozen=True, eq=False)
class Candidate:
    """One picture; its label is empty and its probability NaN while the decision has not come."""

    pixels: NDArray[np.float32]
    label: str = ""
    probability: float = float("nan")


@dataclass(frozen=True)
class _Said:
    stamp: float
    event_stamp: float
    top: list[Any]


@dataclass
class CandidateState:
    """The newest candidates, likeliest first, and the share of decisions that name the truth among them.

    Attributes
    ----------
    n_labels
        How many pictures there are to choose from; 0 while nobody said.
    window
        Number of latest decisions that the share covers.
    stamp
        Of the newest pictures.
    """

    n_labels: int = 0
    window: int = 200
    stamp: float = float("nan")
    count: int = 0
    freshness: Freshness = field(default_factory=lambda: Freshness(patience=10.0))
    judged: deque[bool] = field(default_factory=deque, repr=False)
    _pictures: tuple[NDArray[np.float32], ...] = ()
    _said: deque[_Said] = field(default_factory=lambda: deque(maxlen=32), repr=False)

    def configure(self, n_labels: int) -> None:
        """Start anew with the pictures of another session."""
        self.n_labels, self.stamp, self.count, self._pictures = n_labels, float("nan"), 0, ()
        self.judged.clear()
        self._said.clear()

    def push(self, stamp: float, pictures: NDArray[np.float32], now: float) -> None:
        """Pictures ``(n, channels, height, width)`` in [0, 1], of the prediction with this stamp."""
        self.stamp, self._pictures = stamp, tuple(np.array(pictures, np.float32))
        self.count += 1
        self.freshness.touch(now)

    def tell(self, stamp: float, said: dict[str, Any], truth: str | None, offset: float = 0.0) -> None:
        """What a decision says of its candidates, and what was true; may come before or after the pictures.

        Its event's stamp, plus `offset`, is on this computer's clock.
        """
        top = said.get("top")
        if not isinstance(top, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in top):
            return
        event_stamp = said.get("event_stamp")
        at = float(event_stamp) + offset if isinstance(event_stamp, (int, float)) else stamp
        self._said.append(_Said(stamp, at, top))
        if truth is not None:
            self.judged.append(any(label == truth for label, _ in top))
            while len(self.judged) > self.window:
                self.judged.popleft()

    @property
    def candidates(self) -> list[Candidate]:
        """The newest pictures, with label and probability once these are known."""
        said = self._newest
        top = said.top if said else []
        found = []
        for k, pixels in enumerate(self._pictures):
            label, value = top[k] if k < len(top) else ("", None)
            found.append(Candidate(pixels, str(label), float("nan") if value is None else float(value)))
        return found

    @property
    def event_stamp(self) -> float:
        """When the event was that the newest pictures answer; their own stamp while nobody said."""
        said = self._newest
        return said.event_stamp if said else self.stamp

    @property
    def _newest(self) -> _Said | None:
        """What was said of the newest pictures."""
        return next((said for said in reversed(self._said) if abs(said.stamp - self.stamp) < 1e-6), None)

    @property
    def share(self) -> float:
        """How often the truth was among the candidates; NaN before the first."""
        return float(np.mean(self.judged)) if self.judged else float("nan")

    @property
    def chance(self) -> float:
        """The same of a guess."""
        return min(1.0, len(self._pictures) / self.n_labels) if self.n_labels else float("nan")
