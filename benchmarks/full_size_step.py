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
from dataclasses import asdict, dataclass, field
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
    "Each row is a process of its own that builds the networks at the published size, draws a batch of white noise and "
    "makes two steps of the published optimiser on the published loss, in float32. BrainAE: encoder and decoder, Adam "
    "(learning rate 1e-3, betas .5 and .999) on the sum of the four losses (contrastive, feature, reconstruction from "
    "the brain and from the image). Spikes to video: Adamax (learning rate 1e-2) on one minus the similarity of frames "
    "weighted by stage plus squared error; the streaming form on that of one frame. Image to ECoG: end to end, Adam "
    "(1e-4) on .7 squared error plus one minus the correlation. Mouse V1: the encoder with Adam (9e-3) on Poisson "
    "likelihood and its two penalties; CNN and GAN with AdamW (3e-4, decay .03) on squared error, and on the sum of "
    "what generator and discriminator make small in turn; read-ins and the painter of features on squared error. "
    "Brain2Pix: discriminator, then generator, Adam (2e-4, betas .5 and .999) on the adversarial loss, 100 x that of "
    "VGG-19's conv4_2 (weights at random) and pixels. "
    "seconds: of either step, "
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
    """A model, what it is to lessen, and its data; the name of torch's optimiser, and what that is told."""

    model: nn.Module
    loss_of: Callable[[], dict[str, Tensor]]
    optimiser: str = "Adam"
    told: dict[str, Any] = field(default_factory=lambda: {"lr": 1e-3, "betas": (0.5, 0.999)})
    before: tuple[Callable[[], dict[str, Tensor]], str] | None = None
    """A loss whose step comes first, and the part of the model that it changes; the other then changes the rest."""

    def turns(self) -> list[tuple[Callable[[], dict[str, Tensor]], list[Any]]]:
        """Every loss with the weights that it changes."""
        if self.before is None:
            return [(self.loss_of, list(self.model.parameters()))]
        loss_of, part = self.before
        own = list(self.model.get_submodule(part).parameters())
        rest = [each for name, each in self.model.named_parameters() if not name.startswith(f"{part}.")]
        return [(loss_of, own), (self.loss_of, rest)]


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


def spikes2video(system: SystemRow, batch: int, device: str, small: dict[str, dict[str, Any]] | None = None) -> Task:
    """The network of a system that shows clips, or the last frame of one, on noise."""
    import torch

    from calibration.network import builder_of
    from calibration.spikes2video.material import Stages
    from calibration.spikes2video.objective import video_losses, weights_of
    from calibration.spikes2video.settings import PUBLISHED
    from models.table import MODELS

    row = MODELS[system.networks[0]]
    args = (small or {}).get(row.name, row.args)
    model = builder_of(row.builder)(**args).to(device)
    X = torch.randn(batch, args["n_chans"], args["n_times"], device=device)
    shown = torch.rand(batch, *args["out_shape"], device=device)
    clips = shown.ndim == 5
    stages = Stages() if shown.shape[2] == Stages().n_frames else Stages(0, 0, shown.shape[2])
    weights = weights_of(stages, PUBLISHED.eta) if clips else torch.ones(batch, 1)

    def loss_of() -> dict[str, Tensor]:
        seen = model(X)
        pair = (seen, shown) if clips else (seen[:, :, None], shown[:, :, None])
        return video_losses(*pair, weights, PUBLISHED)

    return Task(model, loss_of, "Adamax", {"lr": PUBLISHED.lr})


def image2ecog(system: SystemRow, batch: int, device: str, small: dict[str, dict[str, Any]] | None = None) -> Task:
    """The network end to end, backbone and regressor, with its composite loss on noise."""
    import torch

    from calibration.image2ecog.objective import losses
    from calibration.image2ecog.settings import PUBLISHED
    from calibration.network import builder_of
    from models.table import MODELS

    row = MODELS[system.networks[0]]
    args = (small or {}).get(row.name, row.at(system.size).args)
    model = builder_of(row.builder)(**args).to(device)
    size = args.get("size", PUBLISHED.size)
    images = torch.rand(batch, 3, size, size, device=device)
    recorded = torch.randn(batch, args["n_chans"], args["n_times"], device=device)
    return Task(model, lambda: losses(model(images), recorded), told={"lr": PUBLISHED.lr, "betas": PUBLISHED.betas})


def brain2pix(system: SystemRow, batch: int, device: str, small: dict[str, dict[str, Any]] | None = None) -> Task:
    """Discriminator, then generator with its three losses; VGG-19 at random, where it is not `small`."""
    import torch

    from calibration.brain2pix.features import ORIENTED, VGG, FeatureTerm, Oriented, Vgg
    from calibration.brain2pix.objective import Adversaries, Losses, Past
    from calibration.brain2pix.settings import PUBLISHED
    from calibration.network import builder_of
    from models.table import MODELS

    network, judge = (MODELS[name] for name in system.networks[:2])
    args = [(small or {}).get(row.name, row.at(system.size).args) for row in (network, judge)]
    built = [builder_of(row.builder)(**each) for row, each in zip((network, judge), args, strict=True)]
    shape, n_lags = tuple(args[0]["out_shape"]), args[0]["n_times"]
    pair = Adversaries(*built, Past(PUBLISHED.history, args[1]["n_in"], shape)).to(device)
    voxels = torch.randn(batch + n_lags, args[0]["n_chans"])
    frames = torch.randint(0, 256, (batch, *shape), dtype=torch.uint8)
    term = FeatureTerm(ORIENTED, Oriented(), "") if small else FeatureTerm(VGG, Vgg(normalise=False), "")
    losses = Losses(voxels, frames, n_lags, PUBLISHED, term)
    rows = {name: torch.arange(batch, device=device) for name in ("first", "frame")}
    told = {"lr": PUBLISHED.lr, "betas": PUBLISHED.betas}
    first = (lambda: losses.judging(pair, rows), "discriminator")
    return Task(pair, lambda: losses.painting(pair, rows), told=told, before=first)


def prior(batch: int, device: str, args: dict[str, Any] | None = None) -> Task:
    """The diffusion prior, predicting noise."""
    import torch

    from models.brainae_prior import brainae_prior

    model = brainae_prior(**(args or {})).to(device)
    size = model.last.out_features
    x, condition, noise = (torch.randn(batch, size, device=device) for _ in range(3))
    t = torch.randint(1000, (batch,), device=device)
    return Task(model, lambda: {"loss": (model(x, t, condition) - noise).square().mean()})


def mouse_v1(system: SystemRow, batch: int, device: str, small: dict[str, dict[str, Any]] | None = None) -> Task:
    """The networks of one decoder of mouse V1, or its encoder, on noise."""
    import torch

    from calibration.mouse_v1 import objective
    from calibration.mouse_v1.settings import ENCODER, GAN
    from calibration.network import builder_of
    from models.table import MODELS

    first = system.networks[0]
    if system.name in PARTS:
        return part_of(system.name, batch, device, small)
    names = {"v1_gan": ("v1_gan", "v1_discriminator")}.get(first, (first,))
    args = {name: (small or {}).get(name, MODELS[name].args) for name in names}
    models = {name: builder_of(MODELS[name].builder)(**each) for name, each in args.items()}
    image = args[first].get("image") or args[first]["out_shape"]
    shown = torch.randn(batch, *image, device=device)
    X = torch.rand(batch, args[first]["n_chans"], device=device)
    model = torch.nn.ModuleDict(models).to(device)

    def encoder() -> dict[str, Tensor]:
        core, readout = model[first].core, model[first].readout
        nll, rough = objective.poisson(model[first](shown), X), objective.roughness(core.filters)
        loss = nll + ENCODER.smooth * rough + ENCODER.sparse * readout.weights.abs().sum()
        return {"loss": loss, "poisson": nll / batch, "roughness": rough}

    def cnn() -> dict[str, Tensor]:
        return {"loss": objective.stimulus_loss(model[first](X[:, :, None]), shown, "mse")}

    def gan() -> dict[str, Tensor]:
        made, critic = model[first](X[:, :, None]), model["v1_discriminator"]
        stimulus = objective.stimulus_loss(made, shown, "ssim")
        adversarial = objective.fooled(critic(made)[:, 0])
        apart = objective.told_apart(critic(shown)[:, 0], critic(made.detach())[:, 0], GAN.label_noise)
        loss = GAN.adversarial * adversarial + GAN.stimulus * stimulus + apart
        return {"loss": loss, "stimulus": stimulus, "adversarial": adversarial, "discriminator": apart}

    if first == "v1_encoder":
        return Task(model, encoder, "Adam", {"lr": ENCODER.lr})
    return Task(model, gan if first == "v1_gan" else cnn, "AdamW", {"lr": GAN.lr, "weight_decay": GAN.weight_decay})


def part_of(name: str, batch: int, device: str, small: dict[str, dict[str, Any]] | None = None) -> Task:
    """A network that is trained by itself on squared error: read-ins, and the painter of features."""
    import torch

    from calibration.network import builder_of
    from models.systems import SYSTEMS
    from models.table import MODELS

    system, number = PARTS[name]
    row = MODELS[SYSTEMS[system].networks[number]]
    args = (small or {}).get(row.name, row.args)
    model = builder_of(row.builder)(**args).to(device)
    given = args["features"] if "features" in args else (args["n_chans"], 1) if args else row.inputs[0]
    x = torch.randn(batch, *given, device=device)
    made = args.get("out_shape") or (row.output if args == row.args else model(x).shape[1:])
    wanted = torch.rand(batch, *made, device=device)
    return Task(model, lambda: {"loss": (model(x) - wanted).square().mean()}, told={"lr": 1e-3})


PARTS = {
    "mouse-v1-sdvae": ("mouse-v1-sdvae", 0),
    "mouse-v1-resnet": ("mouse-v1-resnet", 0),
    "mouse-v1-painter": ("mouse-v1-resnet", 1),
}
"""Networks of mouse V1 that go with somebody's pretrained ones: of which system, and which of its networks."""
TASKS = {
    "brainae": brainae,
    "spikes2video": spikes2video,
    "image2ecog": image2ecog,
    "mouse-v1": mouse_v1,
    "brain2pix": brain2pix,
}
"""By paper."""


def measure(name: str, batch: int, device: str, task: Task) -> Step:
    """Make the steps."""
    import torch

    parameters = list(task.model.train().parameters())
    at_first = [parameter.detach().clone() for parameter in parameters]
    make = getattr(torch.optim, task.optimiser)
    turns = [(loss_of, make(weights, **task.told)) for loss_of, weights in task.turns()]
    before, seconds, last = memory_mb(device, "now"), [], {}
    for _ in range(STEPS):
        begin = time.perf_counter()
        last = step(turns)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(round(time.perf_counter() - begin, 4))
    moved = sum(int((a != b).sum()) for a, b in zip(at_first, parameters, strict=True))
    n = sum(parameter.numel() for parameter in parameters)
    said = {key: round(float(value), 4) for key, value in last.items()}
    peak = max(before, memory_mb(device, "peak"))  # the system counts pages in lots, each figure its own
    return Step(name, batch, n, tuple(seconds), before, peak, said, moved / n, device, torch.get_num_threads())


def step(turns: list[tuple[Callable[[], dict[str, Tensor]], Any]]) -> dict[str, Tensor]:
    """One step of each optimiser in turn; what the last one's losses were."""
    said: dict[str, Tensor] = {}
    for loss_of, optimiser in turns:
        losses = loss_of()
        for _, each in turns:
            each.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        said = {key: value.detach() for key, value in losses.items()}
    return said


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
    if name in PARTS:
        return measure(name, batch, device, part_of(name, batch, device))
    task = prior(batch, device) if name == PRIOR else TASKS[SYSTEMS[name].paper](SYSTEMS[name], batch, device)
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
    batches = {name: system.batch for name, system in SYSTEMS.items() if system.paper in TASKS} | {PRIOR: PRIOR_BATCH}
    batches |= {name: SYSTEMS[system].batch for name, (system, _) in PARTS.items()}
    names = options.systems.split(",") if options.systems else list(batches)
    rows = [row(name, batches[name], options) for name in names]
    facts = machine(PACKAGES) | {"memory_gb": round(psutil.virtual_memory().total / 1e9, 1)}
    sys.stdout.write(json.dumps({"machine": facts, "method": METHOD, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
