"""Runners: graphs composed into one answer per window, one kind per file."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from streamkit.inference.runners.base import Parts, Rehearsal, Runner, RunnerSettings, activate
from streamkit.inference.runners.diffusion import Diffusion, DiffusionConfig
from streamkit.inference.runners.feedforward import FeedForward, FeedForwardConfig
from streamkit.inference.runners.iterative import Iterative, IterativeConfig
from streamkit.inference.runners.retrieval import Retrieval, RetrievalConfig


def _kind(value: Any) -> Any:
    return value.get("kind", "feedforward") if isinstance(value, dict) else getattr(value, "kind", None)


AnyRunnerConfig = Annotated[
    Annotated[FeedForwardConfig, Tag("feedforward")]
    | Annotated[IterativeConfig, Tag("iterative")]
    | Annotated[RetrievalConfig, Tag("retrieval")]
    | Annotated[DiffusionConfig, Tag("diffusion")],
    Discriminator(_kind),
]
"""Settings of one runner; its `kind` says which, and is ``"feedforward"`` where it is left out. A new kind is one file
and one row here."""

RunnerConfig = FeedForwardConfig
"""The usual one: ``RunnerConfig(graph="decoder")``."""

__all__ = [
    "AnyRunnerConfig",
    "Diffusion",
    "DiffusionConfig",
    "FeedForward",
    "FeedForwardConfig",
    "Iterative",
    "IterativeConfig",
    "Parts",
    "Rehearsal",
    "Retrieval",
    "RetrievalConfig",
    "Runner",
    "RunnerConfig",
    "RunnerSettings",
    "activate",
]
