"""When the parts of several streams are due, in one order: the order in which a replay sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkit.clock import TIE_S, monotonic
from streamkit.types import Stamps


@dataclass(frozen=True)
class Lane:
    """One stream as far as time goes.

    Attributes
    ----------
    due
        ``(n_items,)`` seconds, never decreasing, at least one: corrected stamps, by which items go out.
    chunked
        Whether several items go out at once.
    tail
        Seconds that the last item stands for.
    """

    due: Stamps
    chunked: bool = False
    tail: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """What goes out when, in file time.

    Attributes
    ----------
    due
        ``(n_pushes,)`` stamp at which a push is due, never decreasing.
    entries
        ``(n_pushes, 3)`` number of the lane, first item, end.
    begin
        First stamp.
    length
        Seconds from `begin` to the sample that would follow the last one.
    """

    due: Stamps
    entries: Any
    begin: float
    length: float

    @classmethod
    def of(cls, lanes: Sequence[Lane], span: float) -> Schedule:
        """Cut the lanes into pushes of at most `span` seconds and sort them by due time."""
        dues, entries = [], []
        for number, lane in enumerate(lanes):
            edges = chunk_edges(lane.due, span) if lane.chunked else np.arange(len(lane.due) + 1)
            dues.append(lane.due[edges[1:] - 1])
            entries.append(np.column_stack([np.full(len(edges) - 1, number), edges[:-1], edges[1:]]))
        due, entry = np.concatenate(dues), np.concatenate(entries)
        order = np.lexsort((entry[:, 1], entry[:, 0], due))
        begin = min(float(lane.due[0]) for lane in lanes)
        length = max(float(lane.due[-1]) + lane.tail for lane in lanes) - begin
        return cls(due[order], entry[order], begin, length)

    def since(self, begin: float) -> Iterator[tuple[float, int, int, int]]:
        """Due time, lane, first item and end of each push that is due at `begin` or later."""
        # Small blocks: making the lists of a large one would delay the push that waits for it.
        for block in range(int(np.searchsorted(self.due, begin)), len(self.due), 128):
            part = slice(block, block + 128)
            for due, (lane, first, last) in zip(self.due[part].tolist(), self.entries[part].tolist(), strict=True):
                yield due, lane, first, last


def chunk_edges(times: Stamps, span: float) -> Any:
    """Positions that cut samples at non-decreasing `times` into chunks that span less than `span` seconds."""
    bins = np.floor((times - times[0] + TIE_S) / span)
    return np.concatenate([[0], np.flatnonzero(np.diff(bins)) + 1, [len(times)]]).astype(np.intp)


def typical_step(stamps: Stamps) -> float:
    """The median step between stamps, seconds; 0 for a single one."""
    return float(np.median(np.diff(monotonic(stamps)))) if len(stamps) > 1 else 0.0
