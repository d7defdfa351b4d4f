"""Memory that is freed within is not handed back to the kernel, and is afterwards."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from calibration.training import memory
from calibration.training.memory import kept_when_freed

PAGE = resource.getpagesize()
SIZE = 48 << 20


def faults(times: int = 4) -> int:
    """Pages that the kernel had to find while a large block is taken, filled and freed again and again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones(SIZE, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(memory.gnu_c_library() is None, reason="not the GNU C library")
def test_a_block_is_fetched_from_the_kernel_once_and_kept() -> None:
    with kept_when_freed() as kept:
        assert kept
        faults(1)
        assert faults() < SIZE / PAGE / 10


@pytest.mark.skipif(memory.gnu_c_library() is None, reason="not the GNU C library")
def test_afterwards_memory_goes_back_to_the_kernel() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE

    before = resident()
    with kept_when_freed():
        faults(1)
        assert resident() > before + SIZE / 2
    assert resident() < before + SIZE / 2


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "gnu_c_library", lambda: None)
    with kept_when_freed() as kept:
        assert not kept
