"""Processor time and memory of running processes, looked at once a second."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from apps.bench.children import Child
from streamkit.errors import require

PERIOD_S = 1.0


class Watch:
    """Watches children while its body runs.

    Parameters
    ----------
    watched
        Children by name.
    """

    def __init__(self, watched: Mapping[str, Child]) -> None:
        self._psutil = require("psutil", "bench", "measuring processor time and memory")
        self._watched = dict(watched)
        self._resident: dict[str, list[float]] = {name: [] for name in watched}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._begin = time.perf_counter()
        self._before = {name: child.cpu_seconds() for name, child in self._watched.items()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        if error is None:
            seconds = time.perf_counter() - self._begin
            self.cpu = {
                name: 100 * (child.cpu_seconds() - self._before[name]) / seconds
                for name, child in self._watched.items()
            }

    @property
    def figures(self) -> dict[str, Any]:
        """Percent of one core, and resident megabytes: early, at the end and at most; per child."""
        return {
            name: {
                "cpu_percent_of_a_core": self.cpu[name],
                "resident_mb": {
                    "early": seen[min(len(seen) - 1, len(seen) // 10 + 1)],
                    "end": seen[-1],
                    "max": max(seen),
                },
            }
            for name, seen in self._resident.items()
            if seen
        }

    def _look(self) -> None:
        while not self._done.wait(PERIOD_S):
            for name, child in self._watched.items():
                with contextlib.suppress(self._psutil.Error):
                    self._resident[name].append(self._psutil.Process(child.process.pid).memory_info().rss / 1e6)
