"""What one way of running a bundle said about a recording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamkit.types import Event, Prediction

Place = tuple[int, str | None]
"""Where a prediction stands: index of its newest sample, and label of the event it answers."""

Taken = Mapping[Place, int]
"""How many steps each prediction took."""


@dataclass(frozen=True)
class Answer:
    """What one way of running a bundle said about a recording.

    Attributes
    ----------
    backend
        The backend that computed it.
    values
        ``(n_predictions, *output shape)`` float32.
    stamps
        ``(n_predictions,)`` stamp of the last input sample, seconds on the recording's clock.
    last
        ``(n_predictions,)`` processed index of that sample.
    events
        The event each prediction answers, stamps on the recording's clock; None in hop mode.
    steps
        How many steps each prediction took; empty, or None, where the model repeats nothing.
    epochs
        The predicted and the recorded epochs of known stimuli, as an answer of its own; None where the bundle
        predicts none. Its values are ``(n_epochs, 2, n_chans, n_times)``.
    """

    backend: str
    values: NDArray[np.float32]
    stamps: NDArray[np.float64]
    last: NDArray[np.int64]
    events: tuple[Event | None, ...]
    steps: tuple[int | None, ...] = ()
    epochs: Answer | None = None

    @classmethod
    def of(cls, backend: str, predictions: list[Prediction], shape: tuple[int, ...]) -> Answer:
        """Collect predictions whose stamps are on the recording's clock."""
        values = np.array([p.values for p in predictions], np.float32).reshape(-1, *shape)
        return cls(
            backend,
            values,
            np.array([p.stamp for p in predictions], np.float64),
            np.array([p.last for p in predictions], np.int64),
            tuple(p.event for p in predictions),
            tuple(p.steps for p in predictions),
        )

    @property
    def taken(self) -> Taken:
        """How many steps each prediction took, for `offline_answer` to take as many."""
        places = map(place_of, self.last.tolist(), self.events)
        return {place: steps for place, steps in zip(places, self.steps, strict=False) if steps is not None}

    @property
    def hash(self) -> str:
        """SHA-256, in hexadecimal, of every bit of the predictions in their order.

        Hashed one after the other: the shape of `values`, as JSON; `values`, `stamps` and `last` in C order, little
        endian, float32, float64 and int64; `events` as a JSON list of null or ``[label, stamp, stream]``, the stamp
        as `float.hex` writes it. The backend's name is no part of it. Where there are `epochs`, their hash comes last,
        as text.
        """
        events = [None if event is None else [event.label, event.stamp.hex(), event.stream] for event in self.events]
        digest = hashlib.sha256(json.dumps(self.values.shape).encode())
        for column, kind in ((self.values, "<f4"), (self.stamps, "<f8"), (self.last, "<i8")):
            digest.update(np.ascontiguousarray(column, kind).tobytes())
        digest.update(json.dumps(events).encode())
        if self.epochs is not None:
            digest.update(self.epochs.hash.encode())
        return digest.hexdigest()


def place_of(last: int, event: Event | None) -> Place:
    """Where a prediction stands."""
    return last, None if event is None else event.label
