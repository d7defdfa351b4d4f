"""The table of backends; a new one is one file plus one row."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal

from streamkit.errors import CannotRun, ConfigError, MissingPackage, did_you_mean, require
from streamkit.inference import cuda_driver
from streamkit.inference.backend import Backend
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Device, Precision, Settings


@dataclass(frozen=True)
class BackendRow:
    """One backend, imported only when used.

    Attributes
    ----------
    name
        As ``--backend`` takes it.
    home
        ``"module:class"`` under ``streamkit.inference``.
    package, extra
        What it needs, and the extra of this distribution that installs it.
    runs
        What a graph must have: an ONNX file or a registered builder.
    summary
        One line for people.
    precisions
        What it can compute in, on each device it can use.
    also
        Other distributions that bring the package.
    """

    name: str
    home: str
    package: str
    extra: str
    runs: Literal["onnx", "builder"]
    summary: str
    precisions: Mapping[Device, tuple[Precision, ...]]
    also: tuple[str, ...] = ()

    def present(self, device: Device | None = None) -> tuple[bool, str]:
        """Whether its package, and the driver that `device` needs, are here; if not, why, and what to do.

        Quick, for nothing is imported; `available` has the last word.
        """
        if device is None:
            return _any(self.present(each) for each in self.precisions)
        if device not in self.precisions:
            return False, f"backend {self.name} does not run on {device}, only on {' and '.join(self.precisions)}"
        if device != "cpu" and (why_not := cuda_driver.probe().why_not):
            return False, why_not
        return (True, "") if find_spec(self.package) else self._imported()

    def available(self, device: Device | None = None) -> tuple[bool, str]:
        """Whether it can be used on `device`, by default on any; if not, why, and what to do.

        The driver is asked before a package that needs it is imported: some take the process down without one.
        """
        if device is None:
            return _any(self.available(each) for each in self.precisions)
        why_not = self.present(device)[1] or self._imported()[1] or self.kind().why_not(device)
        return not why_not, why_not

    def _imported(self) -> tuple[bool, str]:
        try:
            require(self.package, self.extra, f"the {self.name} backend")
        except MissingPackage as error:
            return False, self.kind().why_missing(str(error))
        except Exception as error:  # a package that is there, and broken
            return False, f"the {self.name} backend cannot import {self.package!r} ({type(error).__name__}: {error})"
        return True, ""

    def version(self) -> str:
        """Version of its package, which is not imported for it; empty when it is absent."""
        if not find_spec(self.package):
            return ""
        for name in (self.package, *self.also):
            try:
                return version(name)
            except PackageNotFoundError:
                continue
        return "unknown"

    def lacks(self, graph: Graph, settings: Settings | None = None) -> str:
        """Why `graph` is nothing for this backend with `settings`; empty when it is."""
        settings = settings or Settings()
        if self.runs == "onnx" and graph.onnx is None:
            return f"graph {graph.name!r} has no ONNX file, which the {self.name} backend runs"
        if self.runs == "builder" and graph.builder is None:
            return (
                f"graph {graph.name!r} names no builder (it was packed from an ONNX file), so the {self.name} backend "
                "cannot run it: use openvino or onnxruntime"
            )
        if settings.device not in self.precisions:
            return f"backend {self.name} does not run on {settings.device}, only on {' and '.join(self.precisions)}"
        if settings.precision not in self.precisions[settings.device]:
            can = ", ".join(self.precisions[settings.device])
            return f"backend {self.name} cannot compute in {settings.precision} on {settings.device}, only in {can}"
        if settings.precision == "int8" and "int8" not in graph.reduced:
            return f"graph {graph.name!r} has no int8 version in its bundle: make one with `streamkit quantize`"
        if settings.compiled and self.name != "cuda_graph":
            return f"backend {self.name} does not compile, only cuda_graph does"
        return ""

    def kind(self) -> type[Backend]:
        """Its class, imported now."""
        module, _, name = self.home.partition(":")
        kind: type[Backend] = getattr(importlib.import_module(f"streamkit.inference.{module}"), name)
        return kind

    def create(self) -> Backend:
        """A fresh backend, not yet open."""
        return self.kind()()


_REDUCED_ON_GPU: tuple[Precision, ...] = ("float32", "tf32", "fp16", "bf16")

BACKENDS: dict[str, BackendRow] = {
    row.name: row
    for row in (
        BackendRow(
            "openvino",
            "openvino_backend:OpenVinoBackend",
            "openvino",
            "openvino",
            "onnx",
            "OpenVINO on the processor",
            {"cpu": ("float32", "bf16", "int8")},
        ),
        BackendRow(
            "onnxruntime",
            "onnxruntime_backend:OnnxRuntimeBackend",
            "onnxruntime",
            "onnx",
            "onnx",
            "ONNX Runtime on the processor, or on an NVIDIA GPU by its CUDA or TensorRT provider",
            {"cpu": ("float32", "int8"), "cuda": ("float32", "tf32"), "tensorrt": ("float32", "tf32", "fp16")},
            ("onnxruntime-gpu",),
        ),
        BackendRow(
            "torch",
            "torch_backend:TorchBackend",
            "torch",
            "train",
            "builder",
            "PyTorch, eager, on the processor or an NVIDIA GPU",
            {"cpu": ("float32",), "cuda": _REDUCED_ON_GPU},
        ),
        BackendRow(
            "cuda_graph",
            "cuda_graph_backend:CudaGraphBackend",
            "torch",
            "train",
            "builder",
            "PyTorch recorded as a CUDA graph, with page-locked buffers",
            {"cuda": _REDUCED_ON_GPU},
        ),
        BackendRow(
            "tensorrt",
            "tensorrt_backend:TensorRtBackend",
            "tensorrt",
            "tensorrt",
            "onnx",
            "TensorRT engine built from the ONNX graph, kept for the next time",
            {"cuda": ("float32", "tf32", "fp16", "bf16")},
            ("tensorrt-cu13", "tensorrt-cu12"),
        ),
    )
}


def _any(answers: Iterable[tuple[bool, str]]) -> tuple[bool, str]:
    """The first yes, or else the first no."""
    first: tuple[bool, str] | None = None
    for answer in answers:
        if answer[0]:
            return answer
        first = first or answer
    return first or (False, "it runs nowhere")


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is a backend of the table or ``"auto"``."""
    if name not in (*BACKENDS, "auto"):
        raise ConfigError(
            f"there is no backend {name!r}, expected one of {', '.join(BACKENDS)} or auto."
            f"{did_you_mean(name, (*BACKENDS, 'auto'))}"
        )


def open_backend(name: str, graph: Graph, settings: Settings | None = None) -> Backend:
    """Open `graph` in the backend called `name`.

    Raises
    ------
    ConfigError
        For an unknown name.
    MissingPackage
        When its package, or the device, is absent.
    CannotRun
        For a graph it cannot run; says what to do.
    """
    check_name(name)
    settings = settings or Settings()
    row = BACKENDS[name]
    if why_not := row.lacks(graph, settings):
        raise CannotRun(why_not)
    available, why_not = row.available(settings.device)
    if not available:
        raise MissingPackage(why_not)
    return row.create().open(graph, settings)
