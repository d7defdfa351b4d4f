"""Contenders take turns: in each round every one runs a block in a tight loop and a block at live cadence."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.bench.inference.opponents import Call
from streamkit.errors import require

Block = NDArray[np.float64]
WARM_UP_CALLS = 3
MOST_TIGHT_CALLS = 1000
TIGHT_SHARE = 1 / 3


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes
    ----------
    cadence
        Seconds from the beginning of one call to that of the next, where a call is shorter than that.
    calls
        Of each contender at cadence, over all rounds.
    seconds
        That each contender may take at cadence, over all rounds; a third of it more in the tight loop, where up to
        `MOST_TIGHT_CALLS` a round are made.
    rounds
        Blocks of each contender. At least one call is made per block whatever it takes.
    openings
        How often each backend and its raw runtime are opened anew to be held against each other, call by call: where
        in memory a network comes to lie makes it faster or slower by more than what there is to be seen.
    openings_of_chosen
        The same of the backend that `auto` chooses: single openings differ by some percent, and it is held to five.
    """

    cadence: float = 0.05
    calls: int = 60
    seconds: float = 3.0
    rounds: int = 6
    openings: int = 4
    openings_of_chosen: int = 16

    def calls_at_cadence(self, latency: float) -> int:
        """Calls in one block of a contender that takes `latency` seconds."""
        fit = self.seconds / self.rounds / max(self.cadence, latency)
        return max(1, min(-(-self.calls // self.rounds), round(fit)))

    def calls_in_a_row(self, latency: float) -> int:
        """Calls in one block of the tight loop."""
        fit = TIGHT_SHARE * self.seconds / self.rounds / latency
        return max(1, min(MOST_TIGHT_CALLS, round(fit)))


@dataclass
class Contender:
    """Something that answers one batch of windows.

    Attributes
    ----------
    call
        Answers, with an array that no later call changes.
    threads
        What torch is told before its turn.
    tight, cadence
        One block per round: seconds of each call.
    """

    name: str
    call: Call
    threads: int
    tight: list[Block] = field(default_factory=list)
    cadence: list[Block] = field(default_factory=list)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Its surroundings, entered outside what is timed."""
        torch = require("torch", "train", "the benchmark of inference")
        torch.set_num_threads(self.threads)
        with torch.inference_mode():
            yield


def in_a_row(call: Call, n: int) -> Block:
    """Seconds of each of `n` calls, one directly after the other."""
    took = np.empty(n)
    for i in range(n):
        begin = time.perf_counter()
        call()
        took[i] = time.perf_counter() - begin
    return took


def at_cadence(call: Call, n: int, cadence: float) -> Block:
    """Seconds of each of `n` calls that begin `cadence` seconds apart; at once where one is late."""
    took = np.empty(n)
    due = time.perf_counter()
    for i in range(n):
        due = max(due + cadence, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
        begin = time.perf_counter()
        call()
        took[i] = time.perf_counter() - begin
    return took


def race(contenders: Sequence[Contender], effort: Effort) -> None:
    """Let every contender have its blocks, in an order that rotates from round to round."""
    for number in range(effort.rounds):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            with contender.turn():
                latency = float(np.median(in_a_row(contender.call, WARM_UP_CALLS)))
                contender.tight.append(in_a_row(contender.call, effort.calls_in_a_row(latency)))
                contender.cadence.append(at_cadence(contender.call, effort.calls_at_cadence(latency), effort.cadence))


def duel(one: Contender, other: Contender, n: int, cadence: float) -> float:
    """How many times as long `one` takes as `other`: medians of `n` calls each, in turn, `cadence` seconds apart.

    What slows the machine for a while slows both alike.
    """
    took: dict[str, list[float]] = {"one": [], "other": []}
    due = time.perf_counter()
    for i in range(2 * n):
        # Every other pair begins with the other.
        name, contender = (("one", one), ("other", other))[(i + i // 2) % 2]
        with contender.turn():
            due = max(due + cadence, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
            begin = time.perf_counter()
            contender.call()
            took[name].append(time.perf_counter() - begin)
    return float(np.median(took["one"]) / np.median(took["other"]))


def quantiles_ms(blocks: Sequence[Block]) -> dict[str, float]:
    """Milliseconds: median over blocks of their medians, and the 99th percentile of all calls."""
    medians = [np.median(block) for block in blocks]
    return {"p50": 1e3 * float(np.median(medians)), "p99": 1e3 * float(np.percentile(np.concatenate(blocks), 99))}


def ratio(over: Sequence[Block], under: Sequence[Block]) -> float:
    """Median over rounds of how many times as long one took as the other in the same round."""
    pairs = zip(over, under, strict=True)
    return float(np.median([np.median(a) / np.median(b) for a, b in pairs]))
