"""Preprocessor: the chain of stages that live and offline share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit import clock
from streamkit.errors import ConfigError
from streamkit.preprocess.config import PreprocessConfig, StageConfig
from streamkit.preprocess.pick import PickSettings
from streamkit.preprocess.repair import Repair
from streamkit.preprocess.stage import Block, Stage
from streamkit.types import Chunk, StreamSpec

PIECE = 1 << 18
"""Values that go through the stages at once: a whole recording needs no more memory than its result, and a piece of it
stays in the cache from one stage to the next."""

LEAST = 64
"""Samples that go through at once however many channels there are."""


class Preprocessor:
    """Causal preprocessing of one stream, the same bits whatever the chunks.

    Parameters
    ----------
    spec
        The stream that comes in.
    config
        The stages and the gap rule.
    speed
        How many times faster than at the rate of `spec` a replay sends: stamps lie that much closer.

    Attributes
    ----------
    out
        The stream that comes out: channels, rate, unit; float32.
    delay
        Sum of the group delays the stages declare, in seconds.

    Raises
    ------
    ConfigError
        When a stage does not fit the stream; names the stage and what is wrong.
    """

    def __init__(self, spec: StreamSpec, config: PreprocessConfig, speed: float = 1.0) -> None:
        self.spec = spec
        self.config = config
        self._stages = build_stages(spec, config.stages)
        self.out = self._stages[-1].out.model_copy(update={"channel_format": "float32"})
        self.delay = sum(stage.delay for stage in self._stages)
        self._max_gap = config.longest_step(spec.sfreq) / speed
        self.reset()

    def reset(self) -> None:
        """Go back to the state before the first sample."""
        for stage in self._stages:
            stage.reset()
        self._stamp = np.nan
        self._written = 0

    def process(self, chunk: Chunk) -> Chunk:
        """Process the next samples.

        Parameters
        ----------
        chunk
            Any number of samples of `spec`, left as they are. Duplicates are left out. Gaps are ``chunk.gap``;
            they are found from the stamps where the configuration says how long a gap is, or nobody has looked yet.

        Returns
        -------
        Chunk
            ``(n_times, out.n_chans)`` float32 in memory of its own, ``first`` counting processed samples,
            ``valid`` and ``gap`` filled in, ``arrival`` carried over. It can be empty, or longer than what
            came in, when a stage changes the rate; it is shorter where duplicates came.
        """
        blocks = self.blocks(chunk)
        block = _joined(blocks, self.out.n_chans)
        data = block.data.astype(np.float32, order="C")
        first = self._written
        self._written += len(block)
        return Chunk(data, block.stamps, first, block.valid, block.gap, arrival=chunk.arrival)

    def blocks(self, chunk: Chunk) -> list[Block]:
        """Process the next samples, in float64, as one block for each piece between resets."""
        if chunk.data.ndim != 2 or chunk.data.shape[1] != self.spec.n_chans:
            raise ConfigError(
                f"a chunk of shape {chunk.data.shape} came in, expected (n_times, {self.spec.n_chans}) "
                f"for the channels {', '.join(self.spec.ch_names)}"
            )
        if not len(chunk):
            return []
        return [out for block in self._runs(chunk) if len(out := self._through(block))]

    def _runs(self, chunk: Chunk) -> Iterator[Block]:
        block = self._fresh(chunk)
        size = max(LEAST, PIECE // self.spec.n_chans)
        starts = np.flatnonzero(block.gap).tolist() if self.config.on_gap == "reset" else []
        for start, stop in pairwise(sorted({*range(0, len(block), size), *starts, len(block)})):
            if starts and block.gap[start]:
                self._restart()
            part = block[start:stop]
            yield Block(np.asarray(part.data, np.float64), part.stamps, part.valid, part.gap)

    def _fresh(self, chunk: Chunk) -> Block:
        """The samples that did not come before, with their gaps; not yet in float64."""
        data: NDArray[Any] = chunk.data
        stamps, gap = chunk.stamps, chunk.gap
        valid = np.ones(len(chunk), bool) if chunk.valid is None else chunk.valid
        if chunk.duplicate is not None and chunk.duplicate.any():
            fresh = ~chunk.duplicate
            data, stamps, valid = data[fresh], stamps[fresh], valid[fresh]
            gap = None if gap is None else gap[fresh]
        if not len(stamps):
            return Block(data, stamps, valid, valid)
        if gap is None or self.config.max_gap is not None:
            gap = clock.gaps(stamps, self._stamp, self._max_gap)
        self._stamp = stamps[-1]
        return Block(data, stamps, valid, gap)

    def _restart(self) -> None:
        for stage in self._stages:
            # What a missing value is replaced by is the last one seen, however long ago.
            if not isinstance(stage, Repair):
                stage.reset()

    def _through(self, block: Block) -> Block:
        for stage in self._stages:
            if not len(block):
                break
            block = stage.process(block)
        return block


def build_stages(spec: StreamSpec, settings: Sequence[StageConfig]) -> list[Stage]:
    """Build every stage for the stream that reaches it, with `Repair` after the leading picks.

    Raises
    ------
    ConfigError
        When a stage does not fit; names it by its place and kind.
    """
    n_picks = next((at for at, stage in enumerate(settings) if not isinstance(stage, PickSettings)), len(settings))
    stages: list[Stage] = []
    for place, stage_settings in enumerate(settings):
        if place == n_picks:
            stages.append(Repair(_out(stages, spec)))
        try:
            stages.append(stage_settings.build(_out(stages, spec)))
        except ConfigError as error:
            raise ConfigError(f"preprocess stage {place + 1} ({stage_settings.kind}): {error}") from None
    if n_picks == len(settings):
        stages.append(Repair(_out(stages, spec)))
    return stages


def _out(stages: Sequence[Stage], spec: StreamSpec) -> StreamSpec:
    return stages[-1].out if stages else spec


def _joined(blocks: Sequence[Block], n_chans: int) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    if not blocks:
        return Block(np.zeros((0, n_chans)), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    return Block(
        np.concatenate([block.data for block in blocks]),
        np.concatenate([block.stamps for block in blocks]),
        np.concatenate([block.valid for block in blocks]),
        np.concatenate([block.gap for block in blocks]),
    )
