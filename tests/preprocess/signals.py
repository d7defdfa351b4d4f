"""Streams with everything that goes wrong in them, and ways to cut them into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from streamkit import clock
from streamkit.preprocess import Preprocessor
from streamkit.types import Chunk, StreamSpec

PROPERTY = settings(deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
"""Every machine sees the same examples, and a slow one is no failure."""

SPEC = StreamSpec(name="eeg", type="EEG", ch_names=("Fz", "Cz", "Pz", "Oz"), sfreq=200.0, unit="microvolts")


@dataclass(frozen=True)
class Stream:
    """One whole stream, and where it is cut."""

    data: np.ndarray
    stamps: np.ndarray
    cuts: tuple[int, ...]

    def whole(self) -> Chunk:
        return Chunk(self.data, self.stamps)

    def chunks(self) -> Iterator[Chunk]:
        bounds = (0, *self.cuts, len(self.stamps))
        for first, stop in pairwise(bounds):
            yield Chunk(self.data[first:stop], self.stamps[first:stop], first)


def even_cuts(n_times: int, size: int) -> tuple[int, ...]:
    return tuple(range(size, n_times, size))


def a_signal(n_times: int, n_chans: int, seed: int, dtype: type = np.float32) -> np.ndarray:
    """Noise with an offset and a drift, as electrodes give it."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 20, (n_times, n_chans)).cumsum(axis=0) * 0.1 + rng.normal(0, 10, (n_times, n_chans))
    return (noise + rng.normal(0, 1000, n_chans)).astype(dtype)


@st.composite
def streams(draw: st.DrawFn, spec: StreamSpec = SPEC, max_times: int = 300) -> Stream:
    """A jittering stream with gaps, missing values, repeated stamps, cut anywhere (empty chunks too)."""
    n_times = draw(st.integers(1, max_times))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    data = a_signal(n_times, spec.n_chans, seed, draw(st.sampled_from([np.float32, np.float64])))
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.integers(0, n_times - 1))
        data[row : row + draw(st.integers(1, 5)), draw(st.integers(0, spec.n_chans - 1))] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf])
        )
    steps = np.full(n_times, 1 / spec.sfreq) + rng.normal(0, 0.2 / spec.sfreq, n_times)
    for row in draw(st.lists(st.integers(0, n_times - 1), max_size=3)):
        steps[row] += draw(st.sampled_from([0.05, 0.3, 2.0]))
    for row in draw(st.lists(st.integers(0, n_times - 1), max_size=3)):
        steps[row] = 0.0
    stamps = clock.monotonic(draw(st.sampled_from([0.0, 1e3, 1.7e9])) + steps.cumsum())
    size = draw(st.sampled_from([1, 7, 64, None]))
    anywhere = st.lists(st.integers(0, n_times), max_size=12).map(lambda cuts: tuple(sorted(cuts)))
    return Stream(data, stamps, draw(anywhere) if size is None else even_cuts(n_times, size))


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """The chunks as one."""
    return Chunk(
        np.concatenate([chunk.data for chunk in chunks]),
        np.concatenate([chunk.stamps for chunk in chunks]),
        chunks[0].first,
        np.concatenate([chunk.valid for chunk in chunks]),
        np.concatenate([chunk.gap for chunk in chunks]),
    )


def run(preprocessor: Preprocessor, stream: Stream) -> Chunk:
    return joined([preprocessor.process(chunk) for chunk in stream.chunks()])


def assert_same(one: Chunk, other: Chunk) -> None:
    """Equal to the bit."""
    assert one.data.dtype == other.data.dtype == np.float32
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.stamps, other.stamps)
    np.testing.assert_array_equal(one.valid, other.valid)
    np.testing.assert_array_equal(one.gap, other.gap)
    assert one.first == other.first
