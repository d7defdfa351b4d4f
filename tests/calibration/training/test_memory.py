"""Memory that is freed within is not handed back to the kernel, and is afterwards.

Measured in a process of its own: what other tests left free in this one would be taken first.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from calibration.training import memory
from calibration.training.memory import kept_when_freed

SIZE = 48 << 20
MEASURED = """
import json, resource
import numpy as np
from calibration.training.memory import kept_when_freed

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def faults(times):  # pages that the kernel had to find while a large block is taken, filled and freed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones({size}, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(1)
found = {{"before": resident(), "faults before": faults(4)}}
with kept_when_freed() as kept:
    faults(1)
    found |= {{"kept": kept, "faults within": faults(4), "within": resident()}}
print(json.dumps(found | {{"after": resident(), "page": resource.getpagesize()}}))
"""


@pytest.mark.skipif(memory.gnu_c_library() is None, reason="not the GNU C library")
def test_memory_is_kept_within_and_goes_back_to_the_kernel_afterwards() -> None:
    words = [sys.executable, "-c", MEASURED.format(size=SIZE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kept"]
    assert found["faults within"] < min(SIZE / found["page"], found["faults before"]) / 10
    assert found["within"] > found["before"] + SIZE / 2
    assert found["after"] < found["before"] + SIZE / 2


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "gnu_c_library", lambda: None)
    with kept_when_freed() as kept:
        assert not kept
