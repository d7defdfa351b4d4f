"""Settings: how a backend is to run a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from streamkit.errors import ConfigError, did_you_mean

Precision = Literal["float32", "tf32", "fp16", "bf16", "int8"]
"""What the arithmetic is done in; inputs and outputs are float32 whatever it is. ``"tf32"`` is float32 with products
of 10-bit mantissas, on a GPU; ``"int8"`` needs a graph that was quantised for it (`Graph.reduced`)."""

Device = Literal["cpu", "cuda", "tensorrt"]
"""Where: the processor, an NVIDIA GPU, or an NVIDIA GPU by way of a TensorRT provider (onnxruntime)."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DEVICES: tuple[Device, ...] = get_args(Device)

TOLERANCES: Mapping[Precision, float] = MappingProxyType({"float32": 1e-4, "tf32": 1e-2, "fp16": 1e-2, "bf16": 1e-2})
"""Largest relative error that passes a proof; that of int8 is stated by each bundle."""


@dataclass(frozen=True)
class Settings:
    """How a backend is to run a graph.

    Attributes
    ----------
    threads
        Processor threads per inference.
    batch
        Items in every array.
    precision, device
        See `Precision` and `Device`.
    compiled
        Let torch compile the module first (``cuda_graph`` only): slow to open, sometimes faster to run.

    Raises
    ------
    ConfigError
        When one of them is nothing a backend could be asked for.
    """

    threads: int = 1
    batch: int = 1
    precision: Precision = "float32"
    device: Device = "cpu"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1 or self.batch < 1:
            raise ConfigError(
                f"threads={self.threads} and batch={self.batch} were given, expected at least 1 each: "
                "leave them out for one thread and single windows"
            )
        one_of("precision", self.precision, PRECISIONS)
        one_of("device", self.device, DEVICES)

    def __str__(self) -> str:
        """As people read it: ``cpu, float32, 2 threads``."""
        words: list[str] = [self.device, self.precision]
        if self.device == "cpu":
            words.append("1 thread" if self.threads == 1 else f"{self.threads} threads")
        if self.batch > 1:
            words.append(f"batch {self.batch}")
        if self.compiled:
            words.append("compiled")
        return ", ".join(words)


def one_of(what: str, given: str, known: tuple[str, ...]) -> None:
    """Raise ConfigError unless `given` is one of the `known`."""
    if given not in known:
        raise ConfigError(
            f"there is no {what} {given!r}, expected one of {', '.join(known)}.{did_you_mean(given, known)}"
        )
