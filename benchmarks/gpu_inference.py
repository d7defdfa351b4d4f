"""Inference on an NVIDIA GPU, from an array on the host to an array on the host.

    pip install -e '.[train]'                      # what else is measured where it is installed:
    pip install onnxruntime-gpu tensorrt pycuda    # (pycuda is compiled, and needs the CUDA toolkit)
    python -m benchmarks.gpu_inference > benchmarks/results/gpu_inference.json
    python -m benchmarks.gpu_inference --calls 1000 --models brainae_classifier --precisions float32,fp16

Without a GPU it says so and ends with status 2.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import StreamkitError
from streamkit.inference import BACKENDS, Backend, Settings, prove
from streamkit.inference.cuda_driver import probe
from streamkit.inference.settings import TOLERANCES, Precision

SMALLEST = "brainae_classifier"
TARGET_US = 150.0
PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "fp16", "bf16")
QUANTILES = {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9, "max": 100}
COPY_BYTES = (4 * 63 * 250, 1 << 20, 1 << 24)
WARM_UP_CALLS, ROUNDS = 50, 10
COPIES, CADENCE = 500, 0.05
PACKAGES = ("streamkit", "numpy", "torch", "triton", "onnxruntime-gpu", "tensorrt", "pycuda", "onnx")
METHOD = (
    "One window per call, at batch 1. host_to_host: run(x) with x an ordinary array and an answer of the caller's "
    "own, so that the copies host to device and back, and those into and out of page-locked memory, are in it; one "
    "call after the other. in_place: the same with x the backend's own buffer. cadence: host_to_host, one call every "
    "50 ms, as live makes them. Contenders of one network take turns in rounds of a tenth of the calls, in an order "
    "that rotates. Each was proven on eight windows beforehand (error: largest difference, relative to the largest "
    "output of torch on the processor) and made 50 calls unmeasured in every round. Weights are random, seed 0. "
    "torch_compile is the compiled module launched operation by operation, compiled_graph the same recorded as a CUDA "
    "graph. Times in microseconds."
)
logger = logging.getLogger("benchmarks.gpu_inference")


@dataclass(eq=False)
class Contender:
    """One backend, open and proven on one network, and what it took."""

    name: str
    settings: Settings
    backend: Backend
    error: float
    open_s: float
    host_to_host: list[float] = field(default_factory=list)
    in_place: list[float] = field(default_factory=list)
    cadence: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        times = {name: quantiles(getattr(self, name)) for name in ("host_to_host", "in_place", "cadence")}
        named = {"contender": self.name, "device": self.settings.device, "precision": self.settings.precision}
        return named | {"error": self.error, "open_s": round(self.open_s, 2)} | times


def ways(precisions: tuple[Precision, ...]) -> Iterator[tuple[str, str, Settings]]:
    """Name of the contender, name of its backend, and settings."""
    for precision in precisions:
        plain, compiled = (Settings(device="cuda", precision=precision, compiled=each) for each in (False, True))
        yield "torch", "torch", plain
        yield "torch_compile", "torch", compiled
        yield "cuda_graph", "cuda_graph", plain
        yield "compiled_graph", "cuda_graph", compiled
        yield "tensorrt", "tensorrt", plain
        yield "onnxruntime_cuda", "onnxruntime", plain
        yield "onnxruntime_tensorrt", "onnxruntime", Settings(device="tensorrt", precision=precision)


def enter(name: str, backend: str, settings: Settings, network: Any) -> Contender:
    """Open one and let it prove itself.

    The table is asked for the device only: it knows no eager backend that compiles, and here there is one.
    """
    row = BACKENDS[backend]
    if settings.precision not in row.precisions[settings.device]:
        raise StreamkitError(f"it cannot compute in {settings.precision}")
    available, why_not = row.available(settings.device)
    if not available:
        raise StreamkitError(why_not)
    begin = time.perf_counter()
    opened = row.create().open(network.graph, settings)
    took = time.perf_counter() - begin
    try:
        error = prove(opened, network.reference, TOLERANCES[settings.precision])
    except BaseException:
        opened.close()
        raise
    return Contender(name, settings, opened, error, took)


def microseconds(call: Callable[[], Any], n: int, cadence: float = 0.0) -> list[float]:
    took = []
    due = time.perf_counter()
    for _ in range(n):
        if cadence:
            due = max(due + cadence, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
        begin = time.perf_counter_ns()
        call()
        took.append((time.perf_counter_ns() - begin) / 1e3)
    return took


def quantiles(took: list[float]) -> dict[str, float]:
    values = {name: round(float(np.percentile(took, q)), 1) for name, q in QUANTILES.items()} if took else {}
    return values | {"n": len(took)}


def race(
    contenders: list[Contender], inputs: tuple[np.ndarray, ...], options: argparse.Namespace
) -> Iterator[tuple[Contender, str]]:
    """Let all take turns; gives those that broke down, and why."""
    calls, at_cadence = -(-options.calls // ROUNDS), -(-options.cadence_calls // ROUNDS)
    gc.disable()  # a collection in the middle of a call would be charged to whoever is running
    try:
        for number in range(ROUNDS):
            racing = [each for each in contenders if len(each.cadence) == number * at_cadence]
            for each in (*racing[number % len(racing) :], *racing[: number % len(racing)]) if racing else ():
                try:
                    take_a_turn(each, inputs, calls, at_cadence)
                except Exception as error:
                    yield each, f"broke down in round {number + 1}: {error}"
            gc.collect()
    finally:
        gc.enable()


def take_a_turn(contender: Contender, inputs: tuple[np.ndarray, ...], calls: int, at_cadence: int) -> None:
    run, buffers = contender.backend.run, contender.backend.buffers
    microseconds(lambda: run(*inputs), WARM_UP_CALLS)
    contender.host_to_host += microseconds(lambda: run(*inputs), calls)
    contender.in_place += microseconds(lambda: run(*buffers), calls)
    contender.cadence += microseconds(lambda: run(*inputs), at_cadence, CADENCE)


def measure(name: str, options: argparse.Namespace, not_run: list[dict[str, str]]) -> dict[str, Any]:
    """All contenders on one network of `models/table.py` at its published size."""
    from apps.bench.inference.networks import make
    from models.table import n_parameters
    from streamkit.inference.proof import example

    contenders: list[Contender] = []
    with tempfile.TemporaryDirectory() as folder:
        network = make(name, Path(folder))
        for contender, backend, settings in ways(options.precisions):
            try:
                contenders.append(enter(contender, backend, settings, network))
            except Exception as error:
                not_run.append(omission(contender, settings, name, str(error).strip() or type(error).__name__))
        broken = dict(race(contenders, example(network.reference), options))
    not_run += [omission(contender.name, contender.settings, name, why) for contender, why in broken.items()]
    rows = [contender.row() for contender in contenders if contender not in broken]
    for contender in contenders:
        contender.backend.close()
    shapes = [list(each.shape[1:]) for each in network.inputs]
    return {"parameters": n_parameters(network.module), "inputs": shapes, "rows": rows}


def omission(contender: str, settings: Settings, network: str, why: str) -> dict[str, str]:
    what = f"{contender} in {settings.precision} on {network}"
    logger.warning("not run: %s: %s", what, why)
    return {"what": what, "why": why}


def copies(not_run: list[dict[str, str]]) -> dict[str, Any]:
    """pycuda's copies between host and device, from page-locked and from pageable memory."""
    from streamkit.inference.tensorrt_backend import primary_context

    try:
        import pycuda.driver as cuda
    except ImportError as error:
        why = f"pycuda is not installed ({error}): pip install pycuda"
        not_run.append({"what": "copies from page-locked and from pageable memory", "why": why})
        return {}
    with primary_context():
        return {str(size): copy_times(cuda, size) for size in COPY_BYTES}


def copy_times(cuda: Any, size: int) -> dict[str, Any]:
    """Quantiles of one copy of `size` bytes, waited for, on a stream of its own."""
    stream, memory = cuda.Stream(), cuda.mem_alloc(size)
    found = {}
    for kind, array in (("page_locked", cuda.pagelocked_empty(size, np.uint8)), ("pageable", np.empty(size, np.uint8))):
        array[...] = 1

        def up(array: np.ndarray = array) -> None:
            cuda.memcpy_htod_async(memory, array, stream)
            stream.synchronize()

        def down(array: np.ndarray = array) -> None:
            cuda.memcpy_dtoh_async(array, memory, stream)
            stream.synchronize()

        for way, call in (("to_device", up), ("to_host", down)):
            microseconds(call, WARM_UP_CALLS)
            found[f"{kind}_{way}"] = quantiles(microseconds(call, COPIES))
    memory.free()
    return found


def chosen_models() -> list[str]:
    """The smallest that the target speaks of, and all that are larger."""
    from calibration.network import builder_of
    from models.table import MODELS, n_parameters

    sizes = {name: n_parameters(row.build(builder_of(row.builder))) for name, row in MODELS.items()}
    return sorted((name for name in sizes if sizes[name] >= sizes[SMALLEST]), key=sizes.__getitem__)


def gpu() -> dict[str, Any]:
    import torch

    driver = probe()
    facts = {"gpu": driver.gpus[0], "compute_capability": driver.capabilities[0], "driver": driver.release}
    return facts | {"driver_supports_cuda": driver.version, "torch_cuda": torch.version.cuda}


def target(models: dict[str, Any]) -> dict[str, Any]:
    """The smallest network's best 99th percentile from host to host in float32, beside what it should be."""
    rows = [row for row in models.get(SMALLEST, {}).get("rows", ()) if row["precision"] == "float32"]
    best = min(rows, key=lambda row: row["host_to_host"]["p99"], default=None)
    stated = {"model": SMALLEST, "precision": "float32", "p99_us": TARGET_US}
    if best is None:
        return stated | {"met": None, "by": None, "measured_p99_us": None}
    measured = best["host_to_host"]["p99"]
    return stated | {"met": measured <= TARGET_US, "by": best["contender"], "measured_p99_us": measured}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu_inference", description="Inference on an NVIDIA GPU.")
    parser.add_argument("--calls", type=int, default=10_000, help="of each contender in a tight loop (10000)")
    parser.add_argument("--cadence-calls", type=int, default=200, help="of each contender, one every 50 ms (200)")
    parser.add_argument("--models", default="", help=f"separated by commas (all from {SMALLEST} up)")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="separated by commas (all)")
    options = parser.parse_args(arguments)
    options.precisions = tuple(options.precisions.split(","))
    if unknown := set(options.precisions) - set(PRECISIONS):
        parser.error(f"there is no precision {min(unknown)!r} here, expected one of {', '.join(PRECISIONS)}")
    return options


def main() -> None:
    options = parse()
    if probe().why_not:
        sys.stderr.write(f"nothing to measure here: {probe().why_not}\n")
        sys.exit(2)
    from apps.bench.machine import machine

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    not_run: list[dict[str, str]] = []
    models = {}
    for name in options.models.split(",") if options.models else chosen_models():
        logger.info("%s", name)
        models[name] = measure(name, options, not_run)
    report = {
        "machine": machine(PACKAGES) | gpu(),
        "command": f"python -m benchmarks.gpu_inference {' '.join(sys.argv[1:])}".strip(),
        "method": METHOD,
        "models": models,
        "target": target(models),
        "pycuda_copies": copies(not_run),
        "not_run": not_run,
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
