"""Shared by all tests: LSL stays on this machine, Qt needs no display, real recordings are optional."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

os.environ["LSLAPICFG"] = str(Path(__file__).parents[1] / "apps" / "lsl_machine.cfg")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Threads that wait for a core which another worker has make a training ten times slower.
os.environ["OMP_NUM_THREADS"] = "1" if "PYTEST_XDIST_WORKER" in os.environ else os.environ.get("OMP_NUM_THREADS", "2")

import numpy as np
import pytest

REAL_DATA = Path(os.environ.get("STREAMKIT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


LONG = ("test_demo.py", "test_export_of_every_model.py", "test_real_recordings.py", "test_calibrate_v1.py")
"""Files that take minutes: a worker of its own begins each, none is left with one at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; all else stays in the order drawn."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; the test skips where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real recordings are not at {REAL_DATA} (set STREAMKIT_TEST_DATA)")
    return REAL_DATA


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is remembered from, or for, anybody else; child processes inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def unique_id() -> str:
    """A source_id nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session", autouse=True)
def every_xdf_is_walked() -> Iterator[None]:
    """Whatever XDF file a test finishes in its own process is checked chunk by chunk."""
    from streamkit.recording import XdfWriter
    from tests.recording.walker import walk

    close = XdfWriter.close

    def close_and_walk(writer: XdfWriter) -> None:
        was_open = not writer.closed
        close(writer)
        if was_open:
            walk(writer.path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XdfWriter, "close", close_and_walk)
        yield


@pytest.fixture(autouse=True)
def same_numbers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module's RNG draws the same for each of its tests, whichever ran before it."""
    if hasattr(request.module, "RNG"):
        monkeypatch.setattr(request.module, "RNG", np.random.default_rng(0))
