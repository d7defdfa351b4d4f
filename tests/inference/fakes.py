"""Backends that take the time they are told to take, on a watch that only they and the sleeper move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from streamkit.inference import BACKENDS, Backend, BackendRow, Graph, Settings
from streamkit.inference import contest as contest_module
from tests import small_graphs

CPU: dict[Any, Any] = {"cpu": ("float32",)}


@dataclass
class Watch:
    """Stands for the module `time`."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class Fake(Backend):
    """Right, plus `wrong`, after `seconds` of the watch at its number of threads."""

    name = "fake"
    stage: ClassVar[Stage]
    seconds: ClassVar[Callable[[int], float]] = staticmethod(lambda threads: 1e-3)
    wrong: float = 0.0
    crash: Exception | None = None

    def _open(self, graph: Graph, settings: Settings) -> None:
        if self.crash is not None:
            raise self.crash
        self.stage.opened.append((self.name, settings))

    def _run(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        self.stage.calls.append((self.name, self.settings.threads, self.stage.watch.now))
        self.stage.watch.now += self.seconds(self.settings.threads)
        return (small_graphs.answers(arrays[0]) + np.float32(self.wrong),)

    def _close(self) -> None:
        self.stage.closed.append((self.name, self.settings))


@dataclass
class Stage:
    """The table of backends, with fakes only.

    Attributes
    ----------
    opened, closed
        Who was, in order.
    calls
        Every inference: name, threads, when.
    """

    watch: Watch = field(default_factory=Watch)
    kinds: dict[str, type[Fake]] = field(default_factory=dict)
    opened: list[tuple[str, Settings]] = field(default_factory=list)
    closed: list[tuple[str, Settings]] = field(default_factory=list)
    calls: list[tuple[str, int, float]] = field(default_factory=list)

    def add(
        self,
        name: str,
        seconds: float | Callable[[int], float] = 1e-3,
        *,
        wrong: float = 0.0,
        crash: Exception | None = None,
        precisions: dict[Any, Any] = CPU,
        package: str = "numpy",
    ) -> None:
        taken = seconds if callable(seconds) else lambda threads: seconds
        parts = {"name": name, "stage": self, "seconds": staticmethod(taken), "wrong": wrong, "crash": crash}
        self.kinds[name] = type(name.title(), (Fake,), parts)
        BACKENDS[name] = BackendRow(name, "none:None", package, "none", "onnx", "fake", precisions)

    @property
    def left_open(self) -> list[tuple[str, Settings]]:
        left = list(self.opened)
        for closed in self.closed:
            left.remove(closed)
        return left

    def tried(self) -> list[tuple[str, int]]:
        return [(name, settings.threads) for name, settings in self.opened]


def set_stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An empty table of backends, and a watch in place of time."""
    stage = Stage()
    for name in list(BACKENDS):
        monkeypatch.delitem(BACKENDS, name)
    monkeypatch.setattr(BackendRow, "kind", lambda row: stage.kinds[row.name])
    monkeypatch.setattr(contest_module, "time", stage.watch)
    return stage
