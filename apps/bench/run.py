"""One run: source, consumer and sink, each a process of its own, and what the sink received."""

from __future__ import annotations

import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench.children import Child, children
from apps.bench.consumers.table import Consumer, Place
from apps.bench.job import Job
from streamkit.errors import CheckFailed

START_S = 60.0
SETTLE_S = 0.5
SINK_S = 20.0
FEWEST = 0.9
"""A consumer may skip a window when it looks too late; one that gives fewer than this part lost data or fell behind."""


@dataclass(frozen=True)
class Run:
    """What one consumer did in one run.

    Attributes
    ----------
    latency
        ``(n,)`` milliseconds from the stamp of a prediction's newest input sample to the sink's hands.
    stamps
        ``(n,)`` that stamp, seconds on the LSL clock.
    last
        ``(n,)`` index of that sample.
    values
        ``(n, n_outputs)`` the predictions.
    cpu
        Percent of one core, over the whole signal, of the consumer and its children.
    late
        Milliseconds by which the source's worst chunk was late.
    said
        What the consumer printed at its end; None when it prints nothing.
    """

    latency: NDArray[np.float64]
    stamps: NDArray[np.float64]
    last: NDArray[np.int64]
    values: NDArray[np.float32]
    cpu: float
    late: float
    said: dict[str, Any] | None


def run_once(job: Job, consumer: Consumer, bundle: Path, onnx: Path, folder: Path, *, loaded: bool = False) -> Run:
    """Do the job once with one consumer, in `folder`.

    Raises
    ------
    StreamkitError
        When a process fails, or does not do its part in time.
    CheckFailed
        When the number of predictions is not what it should be.
    """
    unique = uuid.uuid4().hex[:8]
    place = Place(f"bench-{unique}", "bench", unique, bundle, onnx)
    received = folder / f"{consumer.name}-{unique}.npz"
    with children(folder) as start:
        if loaded:
            start("burner", _module("burn"))
        source = start("source", _module("source", job.model_dump_json(), place.source))
        worker = start(consumer.name, consumer.command(job, place))
        sink = start("sink", _module("sink", consumer.out(place), str(received), *(["steady"] * job.steady)))
        source.hear(START_S, (worker,))
        sink.hear(START_S, (worker, source))
        time.sleep(SETTLE_S)
        sent, cpu = _play(job, source, worker)
        sink.wait(SINK_S)
        said = worker.finish()
    run = _read(job, received, sent, cpu, said)
    check_count(job, consumer.name, len(run.latency))
    return run


def check_count(job: Job, name: str, n: int) -> None:
    """Raise CheckFailed unless `n` predictions are about as many as the signal has windows."""
    most = job.n_samples // job.hop + 1
    if not FEWEST * job.n_predictions <= n <= most:
        raise CheckFailed(
            f"{name} gave {n} predictions in {job.seconds:g} s, expected {job.n_predictions}: it lost data or started "
            "late, so its latency means nothing. Run again on a quieter machine, or leave it out of --consumers"
        )


def _module(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"apps.bench.{name}", *words]


def _play(job: Job, source: Child, worker: Child) -> tuple[dict[str, Any], float]:
    """Let the source send its signal; returns what it says of it and the consumer's share of a core in percent."""
    before, begin = worker.cpu_seconds(), time.perf_counter()
    source.tell()
    sent = source.hear(job.seconds + SINK_S, (worker,))
    return sent, 100 * (worker.cpu_seconds() - before) / (time.perf_counter() - begin)


def _read(job: Job, file: Path, sent: dict[str, Any], cpu: float, said: dict[str, Any] | None) -> Run:
    with np.load(file) as arrays:
        received, stamps, values = (arrays[name] for name in ("received", "stamps", "values"))
    last = np.rint((stamps - sent["first"]) * job.sfreq).astype(np.int64)
    return Run(1e3 * (received - stamps), stamps, last, values, cpu, 1e3 * sent["late"], said)
