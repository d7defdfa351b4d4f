"""What was chosen at an earlier start: one small file per graph and all else that the choice depends on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from streamkit import __version__
from streamkit.inference import cache, machine
from streamkit.inference.contest import Contender
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Device, Precision, Settings
from streamkit.inference.table import BACKENDS
from streamkit.inference.wish import Field, Wish

logger = logging.getLogger(__name__)


class Memory(BaseModel):
    """A choice as it is kept.

    Parameters
    ----------
    name, device, precision, threads
        Who was chosen.
    table
        How every contender fared, as `Trial.facts` says.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    device: Device
    precision: Precision
    threads: int
    table: tuple[dict[str, Any], ...]

    @property
    def contender(self) -> Contender:
        """Who was chosen."""
        return self.name, Settings(threads=self.threads, precision=self.precision, device=self.device)

    @property
    def somebody_failed(self) -> bool:
        """Whether a backend that was there did not pass its proof."""
        return any(row.get("failed") for row in self.table)


def remember(file: Path, contender: Contender, table: tuple[Mapping[str, Any], ...]) -> None:
    """Keep a choice in `file`; where nothing can be written, nothing is kept."""
    name, settings = contender
    rows = tuple(dict(row) for row in table)
    memory = Memory(
        name=name, device=settings.device, precision=settings.precision, threads=settings.threads, table=rows
    )
    cache.write_json(file, memory.model_dump(mode="json"))


def recollect(file: Path) -> Memory | None:
    """What is kept in `file`; None when nothing is, or nothing that makes sense."""
    document = cache.read_json(file)
    if document is None:
        return None
    try:
        return Memory.model_validate(document)
    except ValidationError as error:
        logger.debug("%s is ignored: %s", file, error)
        return None


def forget(graph: Graph) -> bool:
    """Forget all that was ever chosen for `graph`; whether there was anything."""
    files = sorted(_folder(graph).glob("*.json"))
    return any([cache.remove(file) for file in files])


def file_for(graph: Graph, wish: Wish, contestants: Field, cadence: float) -> Path:
    """Where a choice is kept."""
    return _folder(graph) / f"{_hash(ingredients(wish, contestants, cadence))}.json"


def ingredients(wish: Wish, contestants: Field, cadence: float) -> dict[str, Any]:
    """All that a choice for one graph depends on: with another of them, another contest is held."""
    return {
        "machine": machine.facts(),
        "versions": {"streamkit": __version__} | {row.package: row.version() for row in BACKENDS.values()},
        "wish": asdict(wish),
        "contenders": [[name, asdict(settings)] for name, settings in contestants.contenders],
        "cadence": round(cadence, 6),
    }


def fingerprint(graph: Graph) -> dict[str, Any]:
    """What a graph is, wherever it lies: sha256 of its files, and its builder."""
    files = [graph.onnx, graph.weights, *(reduced.onnx for reduced in graph.reduced.values())]
    return {
        "name": graph.name,
        "files": [None if file is None else _digest(graph, file) for file in files],
        "builder": [graph.builder, graph.builder_args],
    }


def _folder(graph: Graph) -> Path:
    return cache.cache_dir() / "choices" / _hash(fingerprint(graph))


def _digest(graph: Graph, file: Path) -> str:
    return graph.digests.get(file.name) or hashlib.sha256(graph.read(file)).hexdigest()


def _hash(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]
