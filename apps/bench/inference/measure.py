"""`streamkit bench inference`: what runs, in which company, and the rows that come of it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from apps.bench.inference.chosen import choose
from apps.bench.inference.networks import Array, Arrays, Network, make
from apps.bench.inference.opponents import RAW, eager
from apps.bench.inference.timing import WARM_UP_CALLS, Contender, Effort, duel, in_a_row, quantiles_ms, race, ratio
from apps.bench.inference.work import Ceiling, Work, ceiling, work_of
from apps.bench.machine import machine
from streamkit.errors import CheckFailed
from streamkit.inference import BACKENDS, Backend, Settings, open_backend
from streamkit.inference.settings import Precision

PACKAGES = ("streamkit", "numpy", "torch", "openvino", "onnxruntime", "onnx", "onnxscript", "braindecode")
METHOD = (
    "Every network at its published size with seeded random weights, normalising layers settled on noise, exported as "
    "`calibrate` exports; the windows are white noise. Each backend of streamkit runs beside the same runtime called "
    "directly (OpenVINO: one infer request with bound tensors and a fixed shape; ONNX Runtime: one session with bound "
    "input and output and a fixed batch; torch: the module in inference mode), all with the same file, precision and "
    "threads, all in one process. Every contender finds its window in place and gives an answer that no later call "
    "changes; every answer is held against torch's first. In each round each contender, in an order that rotates, runs "
    "a block of calls in a tight loop and a block that begins every `cadence_s`, which is what a live session sees. "
    "p50: median over rounds of the medians of the blocks; p99: of all calls. speedup_vs_eager: eager torch with as "
    "many threads over this, the median over rounds of the ratio of both medians of the round, at cadence, and the "
    "same in a tight loop under `tight`. ratio_to_raw: this over the runtime called directly, both opened anew, "
    "in turn the one and the other first, and called in turn at cadence, the median over openings, of which the chosen "
    "backend has more (where in memory a network comes to lie matters more than what is between the two); under "
    "`tight` as blocks in a tight loop. Torch with the number of threads that suits it best is under `best_eager`. "
    "bound: which would take longer by itself, the arithmetic at the rate measured in a "
    "large matrix product (the network's operations as torch counts them; the exported graph may need fewer), or "
    "reading the weights once at the bandwidth measured in a matrix that fits no cache; both with as many threads."
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes
    ----------
    threads
        Per call; several are measured one by one, and then `auto` may choose among them.
    cores
        Threads that eager torch tries besides, for its best.
    """

    models: tuple[str, ...]
    backends: tuple[str, ...]
    precisions: tuple[Precision, ...] = ("float32",)
    batches: tuple[int, ...] = (1, 8)
    threads: tuple[int, ...] = (1,)
    cores: int = 1
    effort: Effort = field(default_factory=Effort)


@dataclass
class Side:
    """One backend of streamkit, open, with its contender and that of the raw runtime.

    Attributes
    ----------
    near_raw
        How many times as long it takes as the raw runtime: one figure per opening.
    """

    name: str
    opened: Backend
    ours: Contender
    raw: Contender
    near_raw: list[float] = field(default_factory=list)


def measure(plan: Plan, say: Say = lambda text: None) -> dict[str, Any]:
    """Measure every model × backend × precision × batch of `plan`; returns the report, ready for JSON."""
    limits = {threads: ceiling(threads) for threads in plan.threads}
    for each in limits.values():
        say(f"this machine, {each.threads} thread(s): {each.gflops:.0f} GFLOP/s, {each.gbps:.1f} GB/s")
    rows: list[dict[str, Any]] = []
    absent = not_on_a_processor(plan.backends)
    choices = {}
    folder = Path(tempfile.mkdtemp(prefix="streamkit-bench-"))
    try:
        for name in plan.models:
            network = make(name, folder)
            threads = plan.threads[0] if len(plan.threads) == 1 else "auto"
            choices[name] = choose(network, threads, plan.effort.cadence, folder)
            for settings in combinations(plan):
                names = runnable(network, plan.backends, settings, absent)
                limit = limits[settings.threads]
                found = rows_of(network, names, settings, plan, limit, choices[name].name) if names else []
                for row in found:
                    say(line(row))
                rows += found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "machine": {**machine(PACKAGES), "ceilings": [each.report() for each in limits.values()]},
        "method": METHOD,
        "settings": settings_of(plan),
        "rows": rows,
        "chosen": {name: choice.name for name, choice in choices.items()},
        "choices": {name: {**choice.facts(), "contest": list(choice.table)} for name, choice in choices.items()},
        "not_run": absent,
    }


def combinations(plan: Plan) -> list[Settings]:
    """Precision × batch × threads."""
    every = itertools.product(plan.precisions, plan.batches, plan.threads)
    return [Settings(threads, batch, precision) for precision, batch, threads in every]


def settings_of(plan: Plan) -> dict[str, Any]:
    """The plan, ready for JSON."""
    effort = plan.effort
    return {
        "threads": list(plan.threads),
        "cadence_s": effort.cadence,
        "calls_at_cadence": effort.calls,
        "seconds": effort.seconds,
        "rounds": effort.rounds,
    }


def not_on_a_processor(names: Iterable[str]) -> list[dict[str, Any]]:
    """Every other device of these backends, and why it is not measured here."""
    elsewhere = "a GPU is there: `python -m benchmarks.gpu_inference` measures on it"
    return [
        {"backend": name, "device": device, "why_not": BACKENDS[name].available(device)[1] or elsewhere}
        for name in names
        for device in BACKENDS[name].precisions
        if device != "cpu"
    ]


def runnable(network: Network, backends: Iterable[str], settings: Settings, absent: list[dict[str, Any]]) -> list[str]:
    """Names of the backends that can run here; the others go to `absent` with the reason, once each."""
    names = []
    for name in backends:
        row = BACKENDS[name]
        if settings.device not in row.precisions:
            continue
        why_not = row.available(settings.device)[1] or row.lacks(network.graph, settings)
        found = {"backend": name, "device": settings.device, "precision": settings.precision, "why_not": why_not}
        if not why_not:
            names.append(name)
        elif found not in absent:
            absent.append(found)
    return names


def rows_of(
    network: Network, names: list[str], settings: Settings, plan: Plan, limits: Ceiling, chosen: str
) -> list[dict[str, Any]]:
    """Measure all backends at one precision and batch, in one race."""
    inputs, answers = network.batch(settings.batch)
    plain = Contender("eager", eager(network, inputs, settings), settings.threads)
    counts = sorted({1, plan.cores} - {settings.threads})
    others = [Contender(f"eager, {n} thread(s)", eager(network, inputs, settings), n) for n in counts]
    sides: list[Side] = []
    try:
        for name in names:
            sides.append(side_of(name, network, inputs, settings, plain))
        raws = [side.raw for side in sides if side.raw is not plain]
        contenders = [plain, *others, *raws, *(side.ours for side in sides)]
        tolerance = network.graph.tolerance(settings.precision)
        errors = {each.name: error_of(each, answers, tolerance) for each in contenders}
        race(contenders, plan.effort)
        for side in sides:
            openings = plan.effort.openings_of_chosen if side.name == chosen else plan.effort.openings
            side.near_raw = duels(side, network, inputs, settings, plan.effort, openings)
    finally:
        for side in sides:
            side.opened.close()
    work = work_of(network.module, inputs, network.graph, settings.precision)
    return [row_of(side, network, settings, work, limits, (plain, *others), errors) for side in sides]


def side_of(
    name: str, network: Network, inputs: Arrays, settings: Settings, plain: Contender, raw_first: bool = False
) -> Side:
    """Open one backend, its inputs in place, and the raw runtime beside it, behind it or before it."""
    raw = raw_of(name, network, inputs, settings, plain) if raw_first else None
    opened = open_backend(name, network.graph, settings)
    buffers = opened.buffers
    for buffer, each in zip(buffers, inputs, strict=True):
        np.copyto(buffer, each)
    call = partial(opened.infer, buffers[0]) if len(buffers) == 1 else lambda: opened.run(*buffers)[0]
    ours = Contender(name, call, settings.threads)
    return Side(name, opened, ours, raw or raw_of(name, network, inputs, settings, plain))


def raw_of(name: str, network: Network, inputs: Arrays, settings: Settings, plain: Contender) -> Contender:
    """The raw runtime of a backend, with inputs of its own; eager torch is its own."""
    if RAW[name] is eager:
        return plain
    apart = tuple(each.copy() for each in inputs)
    return Contender(f"raw {name}", RAW[name](network, apart, settings), settings.threads)


def duels(
    side: Side, network: Network, inputs: Arrays, settings: Settings, effort: Effort, openings: int
) -> list[float]:
    """Hold a backend against its raw runtime, both opened anew each time, in turn the one and the other first."""
    calls = 2 * effort.calls_at_cadence(float(np.median(np.concatenate(side.ours.cadence))))
    found = []
    for number in range(openings):
        plain = Contender("raw", eager(network, inputs, settings), settings.threads)
        again = side_of(side.name, network, inputs, settings, plain, raw_first=bool(number % 2))
        try:
            for contender in (again.ours, again.raw):
                with contender.turn():
                    in_a_row(contender.call, WARM_UP_CALLS)
            found.append(duel(again.ours, again.raw, max(3, calls), effort.cadence))
        finally:
            again.opened.close()
    return found


def error_of(contender: Contender, answers: Array, tolerance: float) -> float:
    """Largest difference of its answer from torch's, relative to the largest; raises CheckFailed beyond `tolerance`."""
    with contender.turn():
        got = contender.call()
    error = float(np.abs(got.astype(np.float64) - answers).max() / (np.abs(answers).max() or 1.0))
    if not error <= tolerance:
        raise CheckFailed(
            f"{contender.name} answers otherwise than torch by {error:.2g} (relative), allowed is {tolerance:g}: its "
            "time means nothing. Leave it out of --backends, or report this"
        )
    return error


def row_of(
    side: Side,
    network: Network,
    settings: Settings,
    work: Work,
    limits: Ceiling,
    eagers: tuple[Contender, ...],
    errors: dict[str, float],
) -> dict[str, Any]:
    """One row of the report."""
    ours, raw, plain = side.ours, side.raw, eagers[0]
    best = min(eagers, key=lambda each: quantiles_ms(each.cadence)["p50"])
    return {
        "model": network.name,
        "backend": side.name,
        "precision": settings.precision,
        "batch": settings.batch,
        "threads": settings.threads,
        "bound": limits.bound(work),
        "tight_ms": quantiles_ms(ours.tight),
        "cadence_ms": quantiles_ms(ours.cadence),
        "speedup_vs_eager": ratio(plain.cadence, ours.cadence),
        "ratio_to_raw": float(np.median(side.near_raw)),
        "ratio_to_raw_by_opening": side.near_raw,
        "tight": {"speedup_vs_eager": ratio(plain.tight, ours.tight), "ratio_to_raw": ratio(ours.tight, raw.tight)},
        "raw": {"tight_ms": quantiles_ms(raw.tight), "cadence_ms": quantiles_ms(raw.cadence)},
        "eager": {"tight_ms": quantiles_ms(plain.tight), "cadence_ms": quantiles_ms(plain.cadence)},
        "best_eager": {
            "threads": best.threads,
            "cadence_ms": quantiles_ms(best.cadence),
            "speedup": ratio(best.cadence, ours.cadence),
        },
        "weight_bytes": work.weight_bytes,
        "flops": work.flops,
        "intensity": work.intensity,
        "least_ms": limits.least_ms(work),
        "relative_error": errors[side.name],
        "calls": {"tight": sum(map(len, ours.tight)), "cadence": sum(map(len, ours.cadence))},
    }


def line(row: dict[str, Any]) -> str:
    """One row for people who wait."""
    return (
        f"{row['model']:<20} {row['backend']:<12} {row['precision']} batch {row['batch']}: "
        f"every {row['cadence_ms']['p50']:.3f} ms, tight {row['tight_ms']['p50']:.3f} ms, "
        f"{row['speedup_vs_eager']:.2f} × eager, {row['ratio_to_raw']:.3f} of raw"
    )
