"""Several streams on one clock: the values of side streams beside every processed sample of the primary stream.

The rule is a causal sample-and-hold. A primary sample stamped *t* stands beside the newest processed side sample
stamped ``t - delay`` or before. Nothing is waited for: what arrives after its time is counted, and the samples that
should have had it are marked invalid.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamkit import clock
from streamkit.preprocess.preprocessor import Preprocessor
from streamkit.preprocess.side import SideStream, aligned_spec
from streamkit.types import Chunk, Mask, Stamps, StreamSpec

KEPT_S = 120.0
"""Seconds of a side stream that are kept while the primary stream is silent."""

KEPT_SAMPLES = 65536
"""The same in samples, for an irregular one."""


class Aligner:
    """Puts side streams beside the primary stream as chunks of each come, whatever their order and size.

    Parameters
    ----------
    primary
        The processed primary stream (`Preprocessor.out`).
    sides
        The side streams, numbered from 0.
    speed
        How many seconds of the recording pass in one second of stamps; delays and holds are in the recording's.

    Attributes
    ----------
    out
        The aligned stream: the primary's rate and stamps, the side streams' channels behind its own.
    counts
        ``"side_samples"`` of side streams, before processing; ``"side_late"`` processed ones that came after a
        sample that should have had them; ``"side_missing"`` primary samples for which a side stream had no value,
        or only one that was too old.

    Notes
    -----
    As long as no side sample is late the result is the same bits as that of `align_whole`.
    """

    def __init__(self, primary: StreamSpec, sides: Sequence[SideStream], speed: float = 1.0) -> None:
        self.out = aligned_spec(primary, sides)
        self.counts = {"side_samples": 0, "side_late": 0, "side_missing": 0}
        self._sides = [_Side(side, speed) for side in sides]
        self._newest = -math.inf

    def push(self, side: int, chunk: Chunk) -> float | None:
        """Take in raw samples of side stream `side`.

        Returns
        -------
        float or None
            Stamp from which on samples that were aligned before should have had one of these: they are not valid.
            None when none should.
        """
        self.counts["side_samples"] += len(chunk)
        late = self._sides[side].push(chunk, self._newest)
        self.counts["side_late"] += len(late)
        return float(late[0]) + self._sides[side].delay - clock.TIE_S if len(late) else None

    def align(self, processed: Chunk) -> Chunk:
        """Put what is known of the side streams beside processed samples of the primary stream.

        Returns
        -------
        Chunk
            ``(n_times, out.n_chans)`` float32 in memory of its own; zeros, and invalid, where a side stream has
            no value yet.
        """
        if len(processed):
            self._newest = float(processed.stamps[-1])
        values = [side.at(processed.stamps) for side in self._sides]
        aligned, n_missing = _beside(processed, values)
        self.counts["side_missing"] += n_missing
        return aligned


def align_whole(processed: Chunk, sides: Sequence[SideStream], raw: Sequence[Chunk | None]) -> Chunk:
    """Align whole recorded streams in one pass: what an `Aligner` must agree with.

    Parameters
    ----------
    processed
        All samples of the primary stream, as `Preprocessor.process` gives them.
    sides
        The side streams.
    raw
        All samples of each, with corrected stamps; None for one that was not recorded.
    """
    values = []
    for side, chunk in zip(sides, raw, strict=True):
        preprocessor = Preprocessor(side.stream, side.preprocess)
        known = preprocessor.process(_nothing(side.stream) if chunk is None else chunk)
        at = newest_due(known.stamps, processed.stamps, side.delay)
        values.append(_held(known, at, processed.stamps - side.delay, side.longest(preprocessor.out)))
    return _beside(processed, values)[0]


def newest_due(known: Stamps, stamps: Stamps, delay: float) -> NDArray[np.intp]:
    """Row in `known` of the newest stamp that is ``stamps - delay`` or before; -1 where there is none.

    Parameters
    ----------
    known
        ``(n,)`` stamps of a side stream, never decreasing. One that is later by less than `clock.TIE_S` is due.
    stamps
        ``(n_times,)`` stamps of the primary stream.
    """
    return np.searchsorted(known, stamps - (delay - clock.TIE_S), side="right") - 1


Values = tuple[NDArray[np.float32], Mask, Mask]
"""``(n_times, n_chans)`` values; ``(n_times,)`` whether one was known and not too old; whether it is valid."""


class _Side:
    """Processed samples of one side stream that the primary stream has not passed yet, and the one before them."""

    def __init__(self, config: SideStream, speed: float) -> None:
        self._preprocessor = Preprocessor(config.stream, config.preprocess, speed)
        self.delay = config.delay / speed
        self._longest = config.longest(self._preprocessor.out) / speed
        self._most = math.ceil(KEPT_S * self._preprocessor.out.sfreq) or KEPT_SAMPLES
        self._known: deque[Chunk] = deque([_nothing(self._preprocessor.out)])
        self._n = 0

    def push(self, chunk: Chunk, newest: float) -> Stamps:
        """Take in raw samples; the stamps of those that a primary sample stamped `newest` or before should have had."""
        processed = self._preprocessor.process(chunk)
        if not len(processed):
            return processed.stamps
        self._known.append(processed)
        self._n += len(processed)
        while len(self._known) > 1 and self._n - len(self._known[0]) >= self._most:
            self._n -= len(self._known.popleft())
        return processed.stamps[processed.stamps <= newest - (self.delay - clock.TIE_S)]

    def at(self, stamps: Stamps) -> Values:
        """Values at `stamps`, which never decrease from call to call; forgets what later ones cannot need."""
        known = _joined(self._known)
        at = newest_due(known.stamps, stamps, self.delay)
        values = _held(known, at, stamps - self.delay, self._longest)
        if len(at):
            known = _from(known, max(0, int(at[-1])))
        self._known = deque([known])
        self._n = len(known)
        return values


def _held(known: Chunk, at: NDArray[np.intp], due: Stamps, longest: float) -> Values:
    """Values of rows `at`, of which -1 is none; `due` is the stamp each should have at the latest."""
    if not len(known):
        return np.zeros((len(at), known.data.shape[1]), np.float32), np.zeros(len(at), bool), np.ones(len(at), bool)
    there = at >= 0
    data = np.where(there[:, np.newaxis], known.data[at], np.float32(0))
    fresh = there & (due - known.stamps[at] <= longest + clock.TIE_S)
    valid = np.ones(len(at), bool) if known.valid is None else known.valid[at]
    return data, fresh, valid


def _beside(processed: Chunk, values: Sequence[Values]) -> tuple[Chunk, int]:
    """Put the side streams' values behind the primary's; also how many samples lack one."""
    fresh = np.ones(len(processed), bool)
    valid = np.ones(len(processed), bool) if processed.valid is None else processed.valid
    for _, known, good in values:
        fresh &= known
        valid = valid & good
    data = np.concatenate([processed.data, *(rows for rows, _, _ in values)], axis=1, dtype=np.float32)
    return dataclasses.replace(processed, data=data, valid=valid & fresh), int(len(fresh) - fresh.sum())


def _nothing(spec: StreamSpec) -> Chunk:
    return Chunk(np.zeros((0, spec.n_chans), np.float32), np.zeros(0), valid=np.zeros(0, bool))


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    data, stamps = np.concatenate([c.data for c in chunks]), np.concatenate([c.stamps for c in chunks])
    return Chunk(data, stamps, valid=np.concatenate([_valid(c) for c in chunks]))


def _valid(chunk: Chunk) -> Mask:
    return np.ones(len(chunk), bool) if chunk.valid is None else chunk.valid


def _from(chunk: Chunk, row: int) -> Chunk:
    return Chunk(chunk.data[row:], chunk.stamps[row:], valid=_valid(chunk)[row:])
