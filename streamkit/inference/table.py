"""The table of backends; a new one is one file plus one row."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

from streamkit.errors import BackendError, ConfigError, MissingPackage, did_you_mean, require
from streamkit.inference.backend import Backend
from streamkit.inference.graph import Graph


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
    """

    name: str
    home: str
    package: str
    extra: str
    runs: Literal["onnx", "builder"]
    summary: str

    def available(self) -> tuple[bool, str]:
        """Whether its package can be imported here; if not, why, and what to install."""
        try:
            require(self.package, self.extra, f"the {self.name} backend")
        except MissingPackage as error:
            return False, str(error)
        return True, ""

    def version(self) -> str:
        """Version of its package; empty when it is absent."""
        if not self.available()[0]:
            return ""
        return str(importlib.import_module(self.package).__version__).partition("-")[0]

    def lacks(self, graph: Graph) -> str:
        """Why `graph` is nothing for this backend; empty when it is."""
        if self.runs == "onnx" and graph.onnx is None:
            return f"graph {graph.name!r} has no ONNX file, which the {self.name} backend runs"
        if self.runs == "builder" and graph.builder is None:
            return (
                f"graph {graph.name!r} names no builder (it was packed from an ONNX file), so the {self.name} backend "
                "cannot run it: use openvino or onnxruntime"
            )
        return ""

    def create(self) -> Backend:
        """A fresh backend, not yet open."""
        module, _, name = self.home.partition(":")
        backend: Backend = getattr(importlib.import_module(f"streamkit.inference.{module}"), name)()
        return backend


BACKENDS: dict[str, BackendRow] = {
    row.name: row
    for row in (
        BackendRow(
            "openvino",
            "openvino_backend:OpenVinoBackend",
            "openvino",
            "openvino",
            "onnx",
            "OpenVINO, processor, float32",
        ),
        BackendRow(
            "onnxruntime",
            "onnxruntime_backend:OnnxRuntimeBackend",
            "onnxruntime",
            "onnx",
            "onnx",
            "ONNX Runtime, processor, float32",
        ),
        BackendRow("torch", "torch_backend:TorchBackend", "torch", "train", "builder", "PyTorch, processor, float32"),
    )
}


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is a backend of the table or ``"auto"``."""
    if name not in (*BACKENDS, "auto"):
        raise ConfigError(
            f"there is no backend {name!r}, expected one of {', '.join(BACKENDS)} or auto."
            f"{did_you_mean(name, (*BACKENDS, 'auto'))}"
        )


def open_backend(name: str, graph: Graph, threads: int = 1, batch: int = 1) -> Backend:
    """Open `graph` in the backend called `name`.

    Raises
    ------
    ConfigError
        For an unknown name.
    MissingPackage
        When its package is absent.
    BackendError
        For a graph it cannot run; says what to do.
    """
    check_name(name)
    row = BACKENDS[name]
    available, why_not = row.available()
    if not available:
        raise MissingPackage(why_not)
    if why_not := row.lacks(graph):
        raise BackendError(why_not)
    return row.create().open(graph, threads, batch)
