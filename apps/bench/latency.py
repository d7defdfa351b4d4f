"""`streamkit bench latency`: the job with every consumer in turn, several rounds, and what is said about it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.bench import engine
from apps.bench.agreement import agreement, check_agreement
from apps.bench.consumers.table import RING, Consumer
from apps.bench.job import Job, description
from apps.bench.machine import machine
from apps.bench.network import write_bundle_of
from apps.bench.quantiles import QUANTILES, quantiles
from apps.bench.run import Run, run_once
from apps.bench.stages import check_stages

OURS = "streamkit"
METHOD = (
    "Source, consumer and sink are three processes on one machine, joined by LSL, every stamp on one clock. The source "
    "begins when the consumer reads it and the sink reads the consumer. Each round runs every consumer once, in an "
    "order that rotates from round to round. The first `warmup` predictions of a run are dropped. Percentiles are "
    "taken per run, then the median over runs. All consumers load the same ONNX file in the same OpenVINO with the "
    "same hints. `agreement` compares predictions with the network applied to the signal filtered in one pass, "
    "relative to the largest output; a difference of more than 0.001, or a run with fewer predictions than 90 % of the "
    "windows, is an error and no result. `cpu` is percent of one core, of the consumer and its children. A consumer "
    "whose windows end with a chunk is not charged for the time samples wait for their chunk to be full; one whose "
    "windows end within a chunk is, and `chunk_wait_ms` (median) says how much of its latency that is. With `loaded` "
    "every consumer runs twice in each round, once with a process beside it that multiplies matrices all the time; "
    "source and sink then ask for real-time scheduling, as an amplifier and a stopwatch are not slowed by what a "
    "computer does."
)
Say = Callable[[str], None]


def measure(
    job: Job, consumers: Sequence[Consumer], rounds: int, *, loaded: bool = False, say: Say = lambda text: None
) -> dict[str, Any]:
    """Run every consumer `rounds` times, interleaved, and report.

    Parameters
    ----------
    consumers
        Those that can run here (`Consumer.why_not`).
    loaded
        In every round run each of them a second time, with one core kept busy by a process that has nothing to do with
        the job.
    say
        Takes a line about every run.

    Returns
    -------
    dict
        Ready for JSON: ``job``, ``machine``, ``method``, ``openvino_hints``, ``consumers``, ``loaded`` and ``growth``
        (null unless `loaded`; see `growth`), ``ratios``, ``ledger`` (see `check_stages`; null without streamkit),
        ``rings`` (see `ring_spread`).
    """
    folder = Path(tempfile.mkdtemp(prefix="streamkit-bench-"))
    job = job.model_copy(update={"steady": loaded})
    try:
        onnx = write_bundle_of(job, folder / "bundle")
        runs: dict[bool, dict[str, list[dict[str, Any]]]] = {
            load: {consumer.name: [] for consumer in consumers} for load in ((False, True) if loaded else (False,))
        }
        for number in range(rounds):
            for consumer in rotated(consumers, number):
                for load in sorted(runs, reverse=number % 2 == 1):
                    run = run_once(job, consumer, folder / "bundle", onnx, folder, loaded=load)
                    figures = figures_of(job, run, onnx)
                    check_agreement(consumer.name, figures["agreement"])
                    runs[load][consumer.name].append({"round": number, **figures})
                    name = f"{consumer.name} loaded" if load else consumer.name
                    say(line(f"round {number + 1}/{rounds} {name}", figures))
        ledger = check_stages(job, folder / "bundle", onnx, folder, loaded=loaded) if OURS in runs[False] else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results, under_load = (
        {name: over_runs(figures) for name, figures in runs.get(load, {}).items()} for load in (False, True)
    )
    return {
        "job": {**description(job), "rounds": rounds, "loaded": loaded},
        "machine": machine(),
        "method": METHOD,
        "openvino_hints": engine.HINTS,
        "consumers": results,
        "loaded": under_load or None,
        "growth": growth(results, under_load) or None,
        "ratios": ratios(results),
        "ledger": ledger,
        "rings": ring_spread(results),
    }


def rotated(consumers: Sequence[Consumer], by: int) -> list[Consumer]:
    """Return the consumers in the order of one round."""
    by %= len(consumers)
    return [*consumers[by:], *consumers[:by]]


def figures_of(job: Job, run: Run, onnx: Path) -> dict[str, Any]:
    """Percentiles in milliseconds and the rest of one run."""
    counted = run.latency[job.warmup :]
    return {
        **quantiles(counted),
        "n": len(counted),
        "cpu": run.cpu,
        "chunk_wait_ms": float(np.median(job.chunk_wait_ms(run.last[job.warmup :]))),
        "source_late_ms": run.late,
        "agreement": agreement(job, run, onnx),
        **({"session": run.said} if run.said else {}),
    }


def over_runs(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the runs of one consumer, all predictions counted, and the runs themselves."""
    medians = {name: float(np.median([run[name] for run in runs])) for name in (*QUANTILES, "cpu", "chunk_wait_ms")}
    worst = max(run["agreement"]["max_relative"] for run in runs)
    return {**medians, "n": sum(run["n"] for run in runs), "agreement": worst, "runs": list(runs)}


def ring_spread(results: dict[str, dict[str, Any]]) -> dict[str, float] | None:
    """Largest over smallest latency among streamkit with rings of different lengths; null with fewer than two."""
    rings = [result for name, result in results.items() if name.startswith(RING)]
    if len(rings) < 2:
        return None
    return {key: max(r[key] for r in rings) / min(r[key] for r in rings) for key in ("p50", "p95", "p99")}


def ratios(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Our figures over each other consumer's; empty when we did not run."""
    if OURS not in results:
        return {}
    others = {name: result for name, result in results.items() if name != OURS}
    return {
        name: {key: results[OURS][key] / result[key] for key in (*QUANTILES, "cpu") if result[key] > 0}
        for name, result in others.items()
    }


def growth(
    quiet: dict[str, dict[str, Any]], under_load: dict[str, dict[str, Any]]
) -> dict[str, dict[str, dict[str, float]]]:
    """How much slower each consumer is under load: ``added_ms`` and ``times``, by percentile."""
    return {
        name: {
            key: {"added_ms": result[key] - quiet[name][key], "times": result[key] / quiet[name][key]}
            for key in QUANTILES
        }
        for name, result in under_load.items()
    }


def line(name: str, figures: dict[str, Any]) -> str:
    """One consumer for people."""
    shown = "  ".join(f"{key} {figures[key]:.2f}" for key in QUANTILES)
    return f"{name:<31} ms: {shown}  n {figures['n']}  cpu {figures['cpu']:.1f} %"
