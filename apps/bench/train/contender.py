"""A contender in a process of its own: one block of training for every line on standard input."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import torch

from apps.bench.train.job import TrainJob
from apps.bench.train.loops import LOOPS


def main(name: str, document: str) -> None:
    """Train once to warm up, then on every cue, and say how long it took."""
    job = TrainJob.model_validate_json(document)
    torch.set_num_threads(job.threads)
    rows = tuple(torch.from_numpy(part) for part in job.rows())
    before = resident_mb()
    say(block(name, rows, job) | {"before_mb": before})
    for _ in sys.stdin:
        say(block(name, rows, job))


def block(name: str, rows: Any, job: TrainJob) -> dict[str, Any]:
    """Train a fresh network for the job's epochs."""
    module = job.build()
    begin = time.perf_counter()
    loss = LOOPS[name](module, rows, job)
    took = time.perf_counter() - begin
    return {"seconds": took, "loss": loss, "peak_mb": resident_mb(), "gpu_peak_mb": gpu_mb()}


def resident_mb() -> float:
    """Largest resident memory of this process so far, 1e6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def gpu_mb() -> float | None:
    """Largest memory torch had on the GPU so far; None without one."""
    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_initialized() else None


def say(message: dict[str, Any]) -> None:
    """Write one JSON line to whoever started this."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
