"""Backends that run graphs, and runners that compose them."""

from streamkit.inference.backend import Backend
from streamkit.inference.choice import Choice, open_chosen
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.proof import Reference, prove
from streamkit.inference.runner import AnyRunnerConfig, Runner, RunnerConfig, open_runner
from streamkit.inference.settings import Settings
from streamkit.inference.table import BACKENDS, BackendRow, open_backend
from streamkit.inference.wish import Wish, Wishes

__all__ = [
    "BACKENDS",
    "AnyRunnerConfig",
    "Backend",
    "BackendRow",
    "Choice",
    "Graph",
    "Reference",
    "Runner",
    "RunnerConfig",
    "Settings",
    "TensorSpec",
    "Wish",
    "Wishes",
    "open_backend",
    "open_chosen",
    "open_runner",
    "prove",
]
