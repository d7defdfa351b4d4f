"""One optimiser step of every system of the papers at its published size: seconds, memory.

    python -m benchmarks.full_size_step > benchmarks/results/full_size_step.json
    python -m benchmarks.full_size_step --systems brainae-mua --batch 16
    python -m benchmarks.full_size_step --device cuda          # where there is a GPU, at the published batches

Networks, losses and optimiser are the published ones, data are white noise. Each step is made in a process of its own,
so that its peak of resident memory is its own. On a processor a system's batch is the published one where two small
steps foretell that memory and time allow it, and else the largest power of two that they allow.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from models.systems import SystemRow

PRIOR = "brainae-prior"
PRIOR_BATCH = 1024
PROBES = (4, 16)
STEPS = 2
PACKAGES = ("streamkit", "numpy", "torch")
METHOD = (
    "Each row is a process of its own that builds encoder and decoder at the published size, draws a batch of white "
    "noise and makes two steps of Adam (learning rate 1e-3, betas .5 and .999) on the sum of the four losses "
    "(contrastive, feature, reconstruction from the brain and from the image), in float32. seconds: of either step, "
    "the first of which pays for the memory. peak_mb: most resident memory of the process (on a GPU: that torch held), "
    "before_mb: what it was before the first step, with model and data. moved: part of the parameters that the steps "
    "changed. The prior learns to predict noise (mean squared error). predicted_mb and predicted_seconds, of the "
    "published batch, are drawn from the two small steps in `probes` and not measured."
)
logger = logging.getLogger("benchmarks.full_size_step")


@dataclass(frozen=True)
class Step:
    """What one process measured."""

    system: str
    batch: int
    n_parameters: int
    seconds: tuple[float, ...]
    before_mb: float
    peak_mb: float
    losses: dict[str, float]
    moved: float
    device: str
    threads: int


@dataclass(frozen=True)
class Task:
    """A model, what it is to lessen, and its data."""

    model: nn.Module
    loss_of: Callable[[], dict[str, Tensor]]


def brainae(system: SystemRow, batch: int, device: str, small: dict[str, dict[str, Any]] | None = None) -> Task:
    """Encoder and decoder of a system with its four losses on noise; `small` has other arguments of its networks."""
    import torch

    from calibration.brainae.objective import Weights, losses
    from calibration.network import builder_of
    from models.brainae_system import BrainAE
    from models.table import MODELS

    rows = [MODELS[name] for name in system.networks[:2]]
    args = [(small or {}).get(row.name, row.at(system.size).args) for row in rows]
    encoder, decoder = (builder_of(row.builder)(**each) for row, each in zip(rows, args, strict=True))
    model = BrainAE(encoder, decoder).to(device)
    X = torch.randn(batch, args[0]["n_chans"], args[0]["n_times"], device=device)
    f = torch.randn(batch, args[0].get("embedding", 1024), device=device)
    return Task(model, lambda: losses(model, X, f, Weights()))


def prior(batch: int, device: str, args: dict[str, Any] | None = None) -> Task:
    """The diffusion prior, predicting noise."""
    import torch

    from models.brainae_prior import brainae_prior

    model = brainae_prior(**(args or {})).to(device)
    size = model.last.out_features
    x, condition, noise = (torch.randn(batch, size, device=device) for _ in range(3))
    t = torch.randint(1000, (batch,), device=device)
    return Task(model, lambda: {"loss": (model(x, t, condition) - noise).square().mean()})


def measure(name: str, batch: int, device: str, task: Task) -> Step:
    """Make the steps."""
    import torch

    parameters = list(task.model.train().parameters())
    at_first = [parameter.detach().clone() for parameter in parameters]
    optimiser = torch.optim.Adam(parameters, lr=1e-3, betas=(0.5, 0.999))
    before, seconds, last = memory_mb(device, "now"), [], {}
    for _ in range(STEPS):
        begin = time.perf_counter()
        last = step(task, optimiser)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(round(time.perf_counter() - begin, 4))
    moved = sum(int((a != b).sum()) for a, b in zip(at_first, parameters, strict=True))
    n = sum(parameter.numel() for parameter in parameters)
    said = {key: round(float(value), 4) for key, value in last.items()}
    peak = max(before, memory_mb(device, "peak"))  # the system counts pages in lots, each figure its own
    return Step(name, batch, n, tuple(seconds), before, peak, said, moved / n, device, torch.get_num_threads())


def step(task: Task, optimiser: Any) -> dict[str, Tensor]:
    """One step."""
    optimiser.zero_grad()
    losses = task.loss_of()
    losses["loss"].backward()
    optimiser.step()
    return {key: value.detach() for key, value in losses.items()}


def memory_mb(device: str, when: str) -> float:
    """Resident memory of this process, or what torch holds on the GPU, now or at its peak; 1e6 bytes."""
    if device == "cuda":
        import torch

        held = torch.cuda.memory_allocated() if when == "now" else torch.cuda.max_memory_allocated()
        return round(held / 1e6, 1)
    import resource

    import psutil

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return round((psutil.Process().memory_info().rss if when == "now" else peak) / 1e6, 1)


def one(name: str, batch: int, device: str) -> Step:
    """In this process."""
    import torch

    from models.systems import SYSTEMS

    torch.manual_seed(0)
    task = prior(batch, device) if name == PRIOR else brainae(SYSTEMS[name], batch, device)
    return measure(name, batch, device, task)


def apart(name: str, batch: int, device: str) -> dict[str, Any]:
    """In a process of its own."""
    line = [sys.executable, "-m", "benchmarks.full_size_step", "--one", name, "--batch", str(batch), "--device", device]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"system": name, "batch": batch, "device": device, "failed": (done.stderr or "killed").strip()[-300:]}
    found: dict[str, Any] = json.loads(done.stdout)
    logger.info("%s, batch %d: %s s, %.0f MB", name, batch, found["seconds"], found["peak_mb"])
    return found


def foretell(probes: list[dict[str, Any]], batch: int) -> dict[str, float]:
    """Memory and seconds of a batch, from two smaller ones on a line."""
    few, more = probes
    share = (batch - few["batch"]) / (more["batch"] - few["batch"])
    lines = {"predicted_mb": [p["peak_mb"] for p in probes], "predicted_seconds": [min(p["seconds"]) for p in probes]}
    return {key: round(a + share * max(0.0, b - a), 1) for key, (a, b) in lines.items()}


def largest(probes: list[dict[str, Any]], published: int, most_mb: float, most_seconds: float) -> int:
    """The published batch where it can be had, else the largest power of two; where none can, the larger probe."""
    for batch in (published, *(1 << k for k in reversed(range(published.bit_length())))):
        expected = foretell(probes, batch)
        if expected["predicted_mb"] <= most_mb and expected["predicted_seconds"] <= most_seconds:
            return batch
    return int(probes[-1]["batch"])


def row(name: str, published: int, options: argparse.Namespace) -> dict[str, Any]:
    """One system."""
    if options.batch or options.device == "cuda" or name == PRIOR:
        return apart(name, options.batch or published, options.device) | {"published_batch": published}
    probes = [apart(name, batch, options.device) for batch in PROBES]
    if failed := [probe for probe in probes if "failed" in probe]:
        return failed[0] | {"published_batch": published}
    batch = largest(probes, published, options.memory * 1e3, options.seconds)
    kept = [{key: probe[key] for key in ("batch", "seconds", "peak_mb")} for probe in probes]
    found = apart(name, batch, options.device)
    return found | {"published_batch": published, "probes": kept} | foretell(probes, published)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.full_size_step", description="One step at full size.")
    parser.add_argument("--systems", default="", help="separated by commas (all, and the diffusion prior)")
    parser.add_argument("--batch", type=int, default=0, help="of every system (the published one, or what fits)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--memory", type=float, default=0.0, help="GB that a step may take (60 %% of what is free)")
    parser.add_argument("--seconds", type=float, default=120.0, help="that a step may take (120)")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    if options.one:
        sys.stdout.write(json.dumps(asdict(one(options.one, options.batch, options.device))) + "\n")
        return
    import psutil

    from apps.bench.machine import machine
    from models.systems import SYSTEMS

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    options.memory = options.memory or 0.6e-9 * psutil.virtual_memory().available
    batches = {name: system.batch for name, system in SYSTEMS.items()} | {PRIOR: PRIOR_BATCH}
    names = options.systems.split(",") if options.systems else list(batches)
    rows = [row(name, batches[name], options) for name in names]
    facts = machine(PACKAGES) | {"memory_gb": round(psutil.virtual_memory().total / 1e9, 1)}
    sys.stdout.write(json.dumps({"machine": facts, "method": METHOD, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
