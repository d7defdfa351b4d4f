"""Every backend keeps one contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import BackendError
from streamkit.inference import BACKENDS, Backend, open_backend, prove
from tests import small_graphs

SOURCES = Path(__file__).parents[2] / "streamkit" / "inference"


@pytest.fixture(params=sorted(BACKENDS))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    row = BACKENDS[request.param]
    available, why_not = row.available()
    if not available:
        pytest.skip(why_not)
    with open_backend(request.param, small_graphs.graph(tmp_path)) as backend:
        yield backend


def test_every_backend_file_has_a_row() -> None:
    files = {path.stem for path in SOURCES.glob("*_backend.py")}
    assert files == {row.home.partition(":")[0] for row in BACKENDS.values()}


def test_every_row_says_what_it_is() -> None:
    for name, row in BACKENDS.items():
        assert name == row.name == row.create().name
        assert row.summary
        assert not row.available()[0] or row.version()


def test_it_gives_the_reference_output(opened: Backend) -> None:
    x = small_graphs.windows()
    assert prove(opened, x, small_graphs.answers(x)) <= 1e-5


def test_it_says_the_same_bits_every_time(opened: Backend) -> None:
    x = small_graphs.windows(1)
    first = opened.infer(x)
    opened.infer(-x)
    np.testing.assert_array_equal(opened.infer(x), first)


def test_its_answer_belongs_to_the_caller(opened: Backend) -> None:
    x = small_graphs.windows(2)
    first = opened.infer(x[:1])
    kept = first.copy()
    opened.infer(x[1:])
    np.testing.assert_array_equal(first, kept)
    first[:] = 0
    np.testing.assert_array_equal(opened.infer(x[:1]), kept)


def test_its_input_is_left_alone_and_may_be_reused(opened: Backend) -> None:
    x = small_graphs.windows(2)
    buffer = x[:1].copy()
    first = opened.infer(buffer)
    np.testing.assert_array_equal(buffer, x[:1])
    buffer[:] = x[1:]
    np.testing.assert_allclose(opened.infer(buffer), small_graphs.answers(x[1:]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first, small_graphs.answers(x[:1]), rtol=1e-4, atol=1e-5)


def test_a_transposed_view_is_read_in_its_own_order(opened: Backend) -> None:
    x = small_graphs.windows(1)
    view = np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)
    np.testing.assert_array_equal(opened.infer(view), opened.infer(x))


def test_another_shape_is_refused_with_what_was_expected(opened: Backend) -> None:
    with pytest.raises(BackendError, match=r"of shape \(1, 8, 3\), expected float32 of shape \(1, 3, 8\)"):
        opened.infer(np.zeros((1, 8, 3), np.float32))


def test_another_dtype_is_refused(opened: Backend) -> None:
    with pytest.raises(BackendError, match="was given float64 of shape"):
        opened.infer(np.zeros((1, 3, 8)))


def test_a_closed_backend_says_so(opened: Backend) -> None:
    opened.close()
    opened.close()
    with pytest.raises(BackendError, match="is not open: call open"):
        opened.infer(small_graphs.windows(1))


def test_it_runs_batches_when_opened_for_them(opened: Backend, tmp_path: Path) -> None:
    x = small_graphs.windows(3)
    with open_backend(opened.name, small_graphs.graph(tmp_path), batch=3) as wide:
        np.testing.assert_allclose(wide.infer(x), small_graphs.answers(x), rtol=1e-4, atol=1e-5)


def test_two_threads_change_nothing_that_matters(opened: Backend, tmp_path: Path) -> None:
    x = small_graphs.windows(1)
    with open_backend(opened.name, small_graphs.graph(tmp_path), threads=2) as other:
        np.testing.assert_allclose(other.infer(x), opened.infer(x), rtol=1e-5)
    BACKENDS[opened.name].create().open(small_graphs.graph(tmp_path), threads=1).close()


def test_no_threads_at_all_are_refused(opened: Backend, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="threads=0 and batch=1 were given, expected at least 1"):
        open_backend(opened.name, small_graphs.graph(tmp_path), threads=0)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_file_that_is_no_onnx_is_refused_by_name(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    graph = small_graphs.graph(tmp_path)
    (tmp_path / "decoder.onnx").write_bytes(b"not a network")
    with pytest.raises(BackendError, match=rf"{name} could not load .*decoder\.onnx"):
        open_backend(name, graph)
