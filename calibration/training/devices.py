"""Where a training runs: processor or GPU, in how many processes, in which precision, how exactly repeatable."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from calibration.training.settings import LoopSettings
from streamkit.errors import ConfigError, StreamkitError, require

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WORKSPACE = ":4096:8"
"""What cuBLAS must be told to add up in the same order every time."""

NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"


def fabric_for(settings: LoopSettings) -> Fabric:
    """Open Lightning Fabric on the devices asked for.

    Raises
    ------
    ConfigError
        When there are not so many of them here.
    """
    lightning = lightning_fabric()
    accelerator = accelerator_of(settings)
    return lightning.Fabric(
        accelerator=accelerator,
        devices=settings.devices,
        precision=settings.precision,
        strategy=strategy_of(settings, accelerator),
    )


def lightning_fabric() -> ModuleType:
    """Import Lightning Fabric without what it costs besides.

    Fabric asks for the version of torchmetrics by importing it, which brings transformers and torchvision where they
    are installed and takes twice as long as everything else: it is told the version instead. It also has torch look for
    NVIDIA's library whenever somebody asks for a GPU, as optimisers do in every step, which costs a third of a
    millisecond where there is none: the environment is put back.
    """
    before = os.environ.get(NVML)
    with contextlib.ExitStack() as stack:
        if "torchmetrics" not in sys.modules and (version := installed("torchmetrics")):
            sys.modules["torchmetrics"] = told = ModuleType("torchmetrics")
            told.__dict__["__version__"] = version
            stack.callback(sys.modules.pop, "torchmetrics", None)
        found = require("lightning_fabric", "train", "training")
    if before is None:
        os.environ.pop(NVML, None)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return found


def installed(package: str) -> str | None:
    """Version of a package; None when it is not installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def accelerator_of(settings: LoopSettings) -> str:
    """``"cpu"`` or ``"cuda"``."""
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if settings.accelerator == "cpu" or (settings.accelerator == "auto" and not n_gpus):
        if settings.precision == "16-mixed":
            raise ConfigError("precision '16-mixed' is for GPUs: take 'bf16-mixed' or '32-true' on a processor")
        return "cpu"
    if settings.devices > n_gpus:
        raise ConfigError(
            f"a training was to run on {settings.devices} GPU{'s' * (settings.devices > 1)}, and torch finds {n_gpus} "
            "here: ask for fewer with --devices, or for --device cpu; `streamkit doctor` says what is missing"
        )
    return "cuda"


def strategy_of(settings: LoopSettings, accelerator: str) -> Any:
    """One process, or one for each device that share their gradients after every step."""
    if settings.devices == 1:
        return "auto"
    strategies = require("lightning_fabric.strategies", "train", "training")
    backend = "gloo" if accelerator == "cpu" else "nccl"
    return strategies.DDPStrategy(start_method="spawn", find_unused_parameters=True, process_group_backend=backend)


def seed_everything(settings: LoopSettings, epoch: int, rank: int, world: int) -> None:
    """Seed torch at the beginning; with several processes also before each epoch, each its own way."""
    if epoch == 0 and rank == 0:
        torch.manual_seed(settings.seed)
    elif world > 1:
        torch.manual_seed((settings.seed * 1_000_003 + epoch) * 1_009 + rank)


def rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of the random numbers that a training draws on `device`."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_rng_state(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Go on drawing where `rng_state` was taken."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


@contextlib.contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Within, torch takes only operations that give the same bits every time; outside, what it took before.

    Raises
    ------
    StreamkitError
        When an operation has no such form; names it.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        first = str(error).splitlines()[0]
        raise StreamkitError(f"this network cannot be trained with train.deterministic: {first}") from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
