"""Freshness: when something last arrived, and whether that is too long ago."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Freshness:
    """Remembers the last arrival of one kind of data.

    Attributes
    ----------
    patience
        Seconds of silence after which the data count as stale.
    last
        Wall-clock time (``time.time()``) of the last arrival; None before the first.
    lost
        True once the stream itself has gone, whatever the patience.
    """

    patience: float = 2.0
    last: float | None = None
    lost: bool = False

    def touch(self, now: float) -> None:
        """Something arrived at `now`."""
        self.last = now
        self.lost = False

    def stale(self, now: float) -> bool:
        """True when something had arrived and then nothing came for longer than `patience`."""
        return self.last is not None and (self.lost or now - self.last > self.patience)

    def silence(self, now: float) -> float:
        """Seconds since the last arrival; 0 before the first."""
        return 0.0 if self.last is None else max(0.0, now - self.last)
