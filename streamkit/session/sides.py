"""The side streams of a session: found, opened, pulled beside the primary stream, and watched."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.bundle import Contract, SideStream
from streamkit.errors import StreamLost
from streamkit.lsl.contract import channel_picks, check
from streamkit.lsl.discovery import predicate
from streamkit.lsl.health import Health
from streamkit.lsl.lookout import Lookout
from streamkit.lsl.selection import await_side, could_be
from streamkit.lsl.supervised import SupervisedSignal
from streamkit.session.options import SessionOptions
from streamkit.types import Chunk, StreamSpec

logger = logging.getLogger(__name__)


class Side:
    """One side stream: the inlet, once there is one, and the lookout for it until then.

    Parameters
    ----------
    config
        What the contract says of it.
    query
        Which stream is meant; empty for one that fits.
    buffer
        Seconds of raw samples kept for other readers.
    """

    def __init__(self, config: SideStream, query: str, buffer: float | None) -> None:
        self.config, self._query, self._buffer = config, query, buffer
        self.inlet: SupervisedSignal | None = None
        self._picks: NDArray[np.intp] | None = None
        self._lookout: Lookout[SupervisedSignal] | None = None
        self._missing = "it has not appeared yet"

    @property
    def name(self) -> str:
        """What to call it in messages."""
        spec = self.config.stream if self.inlet is None else self.inlet.spec
        return spec.name or ", ".join(spec.ch_names)

    @property
    def state(self) -> str:
        """``"searching"`` while an optional one has not appeared; else that of the inlet."""
        return "searching" if self.inlet is None else self.inlet.state

    @property
    def message(self) -> str:
        """Why it is not live; empty when it is."""
        return self._missing if self.inlet is None else self.inlet.message

    def find(self, taken: list[StreamSpec], timeout: float, tick: Callable[[], None]) -> None:
        """Wait for the stream and add it to those `taken`; an optional one may stay away, or be gone again.

        Raises
        ------
        StreamNotFound
            When a required one is not there in time.
        StreamLost
            When a required one was there and does not answer.
        ContractMismatch
            When it is not what the bundle was calibrated on.
        """
        required = not self.config.optional
        info = await_side(self._query, self.config.stream, taken, timeout, tick, required=required)
        if info is None:
            return
        try:
            self._take(self._connected(info))
        except StreamLost as error:
            self._spare(error)
        else:
            taken.append(self._there.spec)

    def open(self) -> None:
        """Subscribe to the stream if it is there; StreamLost as `find` raises it."""
        if self.inlet is not None:
            try:
                self.inlet.open()
            except StreamLost as error:
                self._spare(error)
                self.inlet = None

    def look_on(self, taken: list[StreamSpec]) -> None:
        """Look for the stream if it is not there, and is none of those `taken`."""
        if self.inlet is None:
            condition = predicate(self._query, None if self._query else "numeric")
            self._lookout = Lookout(condition, self._opened, taken, most=1, on_refusal=self._refused)
            self._lookout.start()

    def pull(self) -> Chunk | None:
        """Take the samples that have come, channels as the contract has them; None when there are none. Never waits."""
        if self.inlet is None:
            for inlet in self._lookout.take() if self._lookout else ():
                self._take(inlet)
        chunk = None if self.inlet is None else self.inlet.pull(0.0)
        if chunk is None or not len(chunk):
            return None
        return chunk if self._picks is None else dataclasses.replace(chunk, data=chunk.data[:, self._picks])

    def close(self) -> None:
        """Unsubscribe."""
        if self._lookout is not None:
            self._lookout.stop()
        if self.inlet is not None:
            self.inlet.close()

    @property
    def _there(self) -> SupervisedSignal:
        if self.inlet is None:
            raise RuntimeError(f"side stream {self.name} is not there yet")
        return self.inlet

    def _take(self, inlet: SupervisedSignal) -> None:
        self.inlet = inlet
        self._picks = channel_picks(self.config.stream, inlet.spec)

    def _connected(self, info: pylsl.StreamInfo) -> SupervisedSignal:
        inlet = SupervisedSignal(info, self._buffer)
        check(self.config.stream, inlet.spec)
        return inlet

    def _spare(self, error: StreamLost) -> None:
        """Go on without a stream that does not answer, where the contract allows it."""
        if not self.config.optional:
            raise error
        logger.warning("%s; the session begins without it, and takes it in when it answers", error)

    def _refused(self, why: str) -> None:
        self._missing = why

    def _opened(self, info: pylsl.StreamInfo) -> SupervisedSignal | None:
        if not self._query and not could_be(info, self.config.stream):
            return None
        inlet = self._connected(info)
        inlet.open()
        return inlet


class Sides:
    """All side streams of a session.

    Parameters
    ----------
    contract
        Which there are.
    options
        Which queries name them.
    """

    def __init__(self, contract: Contract, options: SessionOptions) -> None:
        queries = (*options.also, *("" for _ in contract.also))
        self._sides = [
            Side(config, query, options.buffer) for config, query in zip(contract.also, queries, strict=False)
        ]
        self._said: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._sides)

    @property
    def inlets(self) -> list[SupervisedSignal]:
        """Those that are there."""
        return [side.inlet for side in self._sides if side.inlet is not None]

    def find(self, signal: StreamSpec, timeout: float, tick: Callable[[], None]) -> None:
        """Wait for them beside the primary stream `signal`; raises as `Side.find` does."""
        taken = [signal]
        for side in self._sides:
            side.find(taken, timeout, tick)

    def open(self, signal: StreamSpec) -> None:
        """Subscribe to those that are there and look on for those that are not."""
        for side in self._sides:
            side.open()
        taken = [signal, *(inlet.spec for inlet in self.inlets)]
        for side in self._sides:
            side.look_on(taken)

    def pull(self) -> list[tuple[int, Chunk]]:
        """What has come, as number of the stream (counted from 1) and chunk; never waits."""
        chunks = ((number, side.pull()) for number, side in enumerate(self._sides, 1))
        return [(number, chunk) for number, chunk in chunks if chunk is not None]

    def tell(self, health: Health) -> None:
        """Say in health how each of them is, when that has changed."""
        now = [(side.state, side.message) for side in self._sides]
        if now == self._said:
            return
        for side, (state, message), before in zip(self._sides, now, self._said or [("", "")] * len(now), strict=True):
            if state in ("lost", "refused") and before[0] != state:
                health.warn(f"side stream {side.name}: {message}. Until then what is decoded is marked invalid")
        health.tell(also=[_report(side) for side in self._sides])
        self._said = now

    def close(self) -> None:
        """Unsubscribe from all."""
        for side in self._sides:
            side.close()


def _report(side: Side) -> dict[str, Any]:
    return {"name": side.name, "state": side.state, "message": side.message}
