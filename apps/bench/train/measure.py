"""Contenders take turns, each in a process of its own, so that each has its own memory."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.bench.children import Child, children
from apps.bench.machine import machine
from apps.bench.train.job import TrainJob
from streamkit.errors import CheckFailed

PACKAGES = ("streamkit", "numpy", "torch", "lightning-fabric", "lightning", "braindecode")
CONTENDERS = ("streamkit", "streamkit_fused", "plain", "dataloader")
SAME_LOSS = ("streamkit", "plain")
TOLERANCE = {"cpu": 1e-5, "gpu": 1e-2}
"""Largest difference of the final losses; on a GPU sums come in another order every time."""

READY_S, BLOCK_S = 300.0, 600.0
METHOD = (
    "The same network, from the same weights, on the same rows (white noise, random classes) for the same number of "
    "steps: AdamW, cosine schedule with warm-up, gradient clipped to norm 1, the loss of every step noted. streamkit: "
    "the loop that `streamkit calibrate` runs; streamkit_fused: the same with train.fused; plain: a loop by hand with "
    "the rows in one tensor, indexed by torch.randperm, torch's AdamW and LambdaLR, loss.item() after every step; "
    "dataloader: the same steps fed by a shuffling DataLoader. Each contender is a process of its own that sleeps "
    "while the others run; in every round each trains one block of epochs (a fresh network, all set-up included), in "
    "rotating order. throughput: rows over seconds, median over rounds; ratio: median over rounds of streamkit's "
    "throughput over the other's in the same round, with the smallest and largest. The warm-up block does not count. "
    "streamkit and plain must end on the same loss. peak_mb: largest resident memory of the process; before_mb: the "
    "same when rows and packages were loaded, before the first step."
)
Say = Callable[[str], None]


def measure(jobs: Sequence[TrainJob], rounds: int, seconds: float, say: Say = lambda text: None) -> dict[str, Any]:
    """Measure every job; returns the report, ready for JSON."""
    rows = []
    for job in jobs:
        rows.append(measure_one(job, rounds, seconds))
        say(line(rows[-1]))
    return {"machine": machine(PACKAGES), "method": METHOD, "rounds": rounds, "rows": rows}


def measure_one(job: TrainJob, rounds: int, seconds: float) -> dict[str, Any]:
    """Race all contenders on one job, in blocks of about `seconds`."""
    with tempfile.TemporaryDirectory(prefix="streamkit-bench-") as folder, children(Path(folder)) as start:
        sized = job.model_copy(update={"epochs": epochs_for(job, seconds, start)})
        racing = {name: start(name, words(name, sized)) for name in CONTENDERS}
        ready = {name: child.hear(READY_S) for name, child in racing.items()}
        blocks = race(racing, rounds)
    if (
        math.fabs(difference := blocks["streamkit"][-1]["loss"] - blocks["plain"][-1]["loss"])
        > TOLERANCE[job.accelerator]
    ):
        raise CheckFailed(f"{job.model}: streamkit and the plain loop end {difference:.2g} apart: not the same job")
    return row_of(sized, ready, blocks)


def epochs_for(job: TrainJob, seconds: float, start: Callable[[str, list[str]], Child]) -> int:
    """Epochs of the plain loop that take about `seconds`."""
    child = start("plain, to size a block", words("plain", job))
    child.hear(READY_S)
    child.tell()
    took: float = child.hear(BLOCK_S)["seconds"] / job.epochs
    child.end()
    return max(1, round(seconds / took))


def words(name: str, job: TrainJob) -> list[str]:
    """The command that starts a contender."""
    return [sys.executable, "-m", "apps.bench.train.contender", name, job.model_dump_json()]


def race(racing: Mapping[str, Child], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Let each train one block per round, in an order that rotates."""
    blocks: dict[str, list[dict[str, Any]]] = {name: [] for name in racing}
    names = list(racing)
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            racing[name].tell()
            blocks[name].append(racing[name].hear(BLOCK_S))
    return blocks


def row_of(job: TrainJob, ready: Mapping[str, Any], blocks: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """One network's figures."""
    seconds = {name: np.array([block["seconds"] for block in each]) for name, each in blocks.items()}
    n_rows = job.n_rows * job.epochs
    contenders = {
        name: {
            "throughput": float(np.median(n_rows / seconds[name])),
            "step_ms": float(1e3 * np.median(seconds[name]) / (job.epochs * (job.n_rows // job.batch_size))),
            "peak_mb": each[-1]["peak_mb"],
            "before_mb": ready[name]["before_mb"],
            "gpu_peak_mb": each[-1]["gpu_peak_mb"],
            "loss": each[-1]["loss"],
        }
        for name, each in blocks.items()
    }
    ours = ("streamkit", "streamkit_fused")
    ratios = {
        mine: {other: spread(seconds[other] / seconds[mine]) for other in seconds if other not in ours} for mine in ours
    }
    return {"job": job.described(), "contenders": contenders, "ratios": ratios}


def spread(values: np.ndarray) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": float(np.median(values)), "min": float(values.min()), "max": float(values.max())}


def line(row: dict[str, Any]) -> str:
    """One network for people."""
    ours, ratio = row["contenders"]["streamkit"], row["ratios"]["streamkit"]["plain"]
    other = row["contenders"]["plain"]
    return (
        f"{row['job']['model']}: {ours['throughput']:.0f} windows/s, {ours['peak_mb']:.0f} MB; plain loop "
        f"{other['throughput']:.0f} windows/s, {other['peak_mb']:.0f} MB; ratio {ratio['median']:.3f} "
        f"[{ratio['min']:.3f}, {ratio['max']:.3f}], "
        f"fused {row['ratios']['streamkit_fused']['plain']['median']:.3f}"
    )
