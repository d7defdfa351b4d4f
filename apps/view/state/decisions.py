"""DecisionState: what the model decides, how sure it is, and how often it is right."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness


@dataclass(frozen=True)
class Decision:
    """One answer: the label chosen, and the true one when the event says so."""

    label: str
    truth: str | None
    stamp: float

    @property
    def right(self) -> bool | None:
        """True or False once the truth is known."""
        return None if self.truth is None else self.label == self.truth


@dataclass
class DecisionState:
    """Class probabilities of the newest window and the running accuracy.

    Attributes
    ----------
    labels
        Names of the classes.
    classes
        Marker label (fnmatch pattern) → class: what is true of an event.
    chance
        Accuracy of a guess.
    window
        Number of latest decisions that the running accuracy covers.
    """

    labels: tuple[str, ...] = ()
    classes: dict[str, str] = field(default_factory=dict)
    chance: float | None = None
    window: int = 200
    values: NDArray[np.float32] | None = None
    latest: Decision | None = None
    count: int = 0
    freshness: Freshness = field(default_factory=lambda: Freshness(patience=10.0))
    judged: deque[bool] = field(default_factory=deque, repr=False)

    def configure(self, labels: tuple[str, ...], classes: dict[str, str], chance: float | None) -> None:
        """Start anew with the classes of another session."""
        self.labels, self.classes = labels, classes
        self.chance = chance if chance is not None else (1 / len(labels) if labels else None)
        self.values, self.latest, self.count = None, None, 0
        self.judged.clear()

    def push_values(self, values: NDArray[np.float32], now: float) -> None:
        """Class probabilities ``(n_outputs,)`` of the newest window."""
        self.values = np.asarray(values, np.float32)
        self.freshness.touch(now)

    def push_decision(self, text: str, now: float) -> dict[str, Any] | None:
        """Take in one JSON line of the decisions stream; returns what it said."""
        try:
            said: dict[str, Any] = json.loads(text)
        except ValueError:
            return None
        self.freshness.touch(now)
        self.count += 1
        if isinstance(said.get("label"), str):
            decision = Decision(said["label"], self.truth_of(said.get("event")), float(said.get("stamp") or 0.0))
            self.latest = decision
            if decision.right is not None:
                self.judged.append(decision.right)
                while len(self.judged) > self.window:
                    self.judged.popleft()
        return said

    def truth_of(self, event: str | None) -> str | None:
        """The class an event label stands for; None when nobody said."""
        if event is None:
            return None
        for pattern, label in self.classes.items():
            if fnmatchcase(str(event), pattern):
                return label
        return None

    @property
    def accuracy(self) -> float:
        """Share of right answers among those judged; NaN before the first."""
        return float(np.mean(self.judged)) if self.judged else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy; NaN before the first."""
        n, z = len(self.judged), 1.96
        if not n:
            return float("nan"), float("nan")
        p = self.accuracy
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return float(middle - half), float(middle + half)

    def course(self) -> NDArray[np.float64]:
        """Running accuracy after each judged decision, oldest first."""
        right = np.array(self.judged, float)
        return np.cumsum(right) / np.arange(1, len(right) + 1)
