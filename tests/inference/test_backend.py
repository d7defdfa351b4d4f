"""What the base class does for every backend, shown on one that is arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import BackendError
from streamkit.inference import Backend, Graph, Settings
from tests import small_graphs


class Arithmetic(Backend):
    """Says what the linear decoder says, unless told to fail."""

    name = "arithmetic"
    fails: Exception | None = None

    def _open(self, graph: Graph, settings: Settings) -> None:
        if self.fails:
            raise self.fails

    def _run(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        if self.fails:
            raise self.fails
        return (small_graphs.answers(arrays[0]),)

    def _close(self) -> None:
        pass


def test_a_runtime_that_fails_is_one_line_and_not_the_end(tmp_path: Path) -> None:
    x = small_graphs.windows(1)
    with Arithmetic().open(small_graphs.graph(tmp_path)) as backend:
        backend.fails = RuntimeError("Exception from src/core.cpp:92:\nCheck 'a == b' failed:\n  the axis is 7\n")
        with pytest.raises(BackendError) as failure:
            backend.infer(x)
        assert str(failure.value) == (
            "backend 'arithmetic' could not run graph 'decoder' (Check 'a == b' failed: the axis is 7): "
            "try another backend"
        )
        backend.fails = None
        np.testing.assert_array_equal(backend.infer(x), small_graphs.answers(x))


def test_an_error_of_ours_is_passed_on_as_it_is(tmp_path: Path) -> None:
    with Arithmetic().open(small_graphs.graph(tmp_path)) as backend:
        backend.fails = BackendError("the GPU fell off the bus: reboot")
        with pytest.raises(BackendError, match=r"^the GPU fell off the bus: reboot$"):
            backend.infer(small_graphs.windows(1))


def test_what_failed_to_open_may_be_opened_again(tmp_path: Path) -> None:
    backend = Arithmetic()
    backend.fails = MemoryError()
    with pytest.raises(MemoryError):
        backend.open(small_graphs.graph(tmp_path))
    assert backend.buffers == ()
    backend.fails = None
    backend.open(small_graphs.graph(tmp_path)).close()


def test_the_network_sees_the_buffers_whatever_was_given(tmp_path: Path) -> None:
    seen = []

    class Watching(Arithmetic):
        def _run(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
            seen.append(arrays[0])
            return super()._run(arrays)

    x = small_graphs.windows(1)
    with Watching().open(small_graphs.graph(tmp_path)) as backend:
        (buffer,) = backend.buffers
        backend.infer(x)
        np.testing.assert_array_equal(buffer, x)
        backend.infer(buffer)
    assert all(array is buffer for array in seen)
