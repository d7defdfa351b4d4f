"""Wish: what somebody asked for; what is left open is settled by measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from streamkit.errors import ConfigError
from streamkit.inference.contest import Contender
from streamkit.inference.graph import Graph
from streamkit.inference.machine import usable_cores
from streamkit.inference.settings import DEVICES, PRECISIONS, Device, Precision, Settings, one_of
from streamkit.inference.table import BACKENDS, BackendRow, check_name


@dataclass(frozen=True)
class Wish:
    """What to run a graph with.

    Attributes
    ----------
    backend
        A name from `BACKENDS`, or ``"auto"`` for the fastest that proves itself.
    device
        See `Device`; ``"auto"`` for the fastest.
    precision
        See `Precision`; fewer bits than float32 are never taken unless asked for.
    threads
        Processor threads per inference; ``"auto"`` for the fastest number, up to the cores this process may use.

    Raises
    ------
    ConfigError
        When one of them is nothing that could be asked for.
    """

    backend: str = "auto"
    device: Device | Literal["auto"] = "auto"
    precision: Precision = "float32"
    threads: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        check_name(self.backend)
        one_of("device", self.device, (*DEVICES, "auto"))
        one_of("precision", self.precision, PRECISIONS)
        if self.threads != "auto" and (not isinstance(self.threads, int) or self.threads < 1):
            raise ConfigError(f"threads={self.threads!r} was given, expected a number from 1 or 'auto'")

    @classmethod
    def of(cls, wish: Wish | str) -> Wish:
        """`wish`, of which a word is the backend."""
        return cls(wish) if isinstance(wish, str) else wish

    @classmethod
    def exactly(cls, contender: Contender) -> Self:
        """Nothing left open."""
        name, settings = contender
        return cls(name, settings.device, settings.precision, settings.threads)

    def __str__(self) -> str:
        """As it was asked for: ``openvino``, ``auto, int8``."""
        words = [self.backend]
        words += [self.device] if self.device != "auto" else []
        words += [self.precision] if self.precision != "float32" else []
        return ", ".join(words)


Wishes = Wish | str | Mapping[str, Wish]
"""One wish for all graphs of a runner, or one for each by name."""


def wish_for(graph: str, wishes: Wishes) -> Wish:
    """What `wishes` says of one graph; a graph that it does not name is left to the contest."""
    return wishes.get(graph, Wish()) if isinstance(wishes, Mapping) else Wish.of(wishes)


def backend_of(wishes: Wishes) -> str:
    """The backend that is asked for, in a word."""
    named = {wish.backend for wish in wishes.values()} if isinstance(wishes, Mapping) else {Wish.of(wishes).backend}
    return named.pop() if len(named) == 1 else "auto"


def thread_counts(wish: Wish) -> tuple[int, ...]:
    """Numbers of threads that come into question, ascending: 1, 2, 4 … and all cores."""
    if wish.threads != "auto":
        return (wish.threads,)
    cores = usable_cores()
    return (*(1 << i for i in range(cores.bit_length()) if 1 << i < cores), cores)


@dataclass(frozen=True)
class Field:
    """Who may enter a contest, each with the fewest threads, and who may not, and why."""

    contenders: tuple[Contender, ...]
    out: tuple[tuple[Contender, str], ...]


def field_of(graph: Graph, wish: Wish, without: str = "") -> Field:
    """Who fits `graph` and `wish` and seems to be here; nothing is imported to find out.

    Parameters
    ----------
    without
        Name of a backend that may not enter.
    """
    contenders: list[Contender] = []
    out: list[tuple[Contender, str]] = []
    for row in BACKENDS.values():
        if wish.backend not in ("auto", row.name) or row.name == without:
            continue
        for settings in _settings(row, wish):
            why_not = row.lacks(graph, settings) or row.present(settings.device)[1]
            if why_not:
                out.append(((row.name, settings), why_not))
            else:
                contenders.append((row.name, settings))
    return Field(tuple(contenders), tuple(out))


def _settings(row: BackendRow, wish: Wish) -> list[Settings]:
    """One for every device: a GPU needs no second thread."""
    base = Settings(precision=wish.precision)
    devices: tuple[Device, ...] = tuple(row.precisions) if wish.device == "auto" else (wish.device,)
    fewest = thread_counts(wish)[0]
    return [replace(base, device=device, threads=fewest if device == "cpu" else 1) for device in devices]
