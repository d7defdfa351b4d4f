"""Backends that run graphs, and runners that compose them."""

from streamkit.inference.backend import Backend
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.proof import Reference, prove
from streamkit.inference.runner import Runner, RunnerConfig, open_runner
from streamkit.inference.settings import Settings
from streamkit.inference.table import BACKENDS, BackendRow, open_backend

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendRow",
    "Graph",
    "Reference",
    "Runner",
    "RunnerConfig",
    "Settings",
    "TensorSpec",
    "open_backend",
    "open_runner",
    "prove",
]
