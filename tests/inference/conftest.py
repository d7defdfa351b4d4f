"""Shared by the tests of backends and of the choice between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamkit.inference import BACKENDS
from tests import small_graphs
from tests.inference.fakes import Stage, set_stage


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A table of backends with fakes only; empty at first."""
    before = dict(BACKENDS)
    yield set_stage(monkeypatch)
    BACKENDS.clear()
    BACKENDS.update(before)


@pytest.fixture
def reference() -> tuple[np.ndarray, np.ndarray]:
    """Four windows and what the small graph makes of them."""
    return small_graphs.references()["decoder"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("STREAMKIT_CACHE", str(folder))
    return folder


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of four."""
    monkeypatch.setattr("streamkit.inference.wish.usable_cores", lambda: 4)
    monkeypatch.setattr("streamkit.inference.machine.usable_cores", lambda: 4)
