"""Backends on an NVIDIA GPU: the contract, the proof, buffers, other users of the GPU, time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamkit.errors import BackendError
from streamkit.inference import BACKENDS, Backend, Graph, Settings, open_backend, prove
from streamkit.inference.cuda_driver import probe
from streamkit.inference.proof import open_proven
from streamkit.inference.settings import TOLERANCES, Precision
from tests import small_graphs

pytestmark = pytest.mark.skipif(bool(probe().why_not), reason=f"not run: {probe().why_not}")
SLOWEST = 5e-3
"""Seconds that a tiny network may take from host to host, in the middle: far more than any GPU needs."""


@dataclass(frozen=True)
class Way:
    """One way of running a graph on the GPU."""

    backend: str
    settings: Settings

    def open(self, folder: Path, **changes: Any) -> Backend:
        return open_backend(self.backend, small_graphs.graph(folder, **changes), self.settings)


def ways(*precisions: Precision) -> Iterator[Any]:
    for name, row in BACKENDS.items():
        for precision in row.precisions.get("cuda", ()):
            for compiled in (False, True) if name == "cuda_graph" else (False,):
                if not precisions or precision in precisions:
                    settings = Settings(device="cuda", precision=precision, compiled=compiled)
                    yield pytest.param(Way(name, settings), id=f"{name} {settings}")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> Way:
    return here(request.param)


@pytest.fixture(params=ways("float32"))
def plain(request: pytest.FixtureRequest) -> Way:
    return here(request.param)


def here(way: Way) -> Way:
    why_not = BACKENDS[way.backend].available(way.settings.device)[1]
    if why_not:
        pytest.skip(f"not run: {why_not}")
    return way


@pytest.fixture
def opened(plain: Way, tmp_path: Path) -> Iterator[Backend]:
    with plain.open(tmp_path) as backend:
        yield backend


def test_it_proves_itself_at_every_precision(way: Way, tmp_path: Path) -> None:
    graph, reference = small_graphs.graph(tmp_path), small_graphs.references()["decoder"]
    backend, error = open_proven(way.backend, graph, reference, way.settings)
    with backend:
        assert error <= TOLERANCES[way.settings.precision]


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_the_tensorrt_provider_of_onnxruntime_proves_itself(precision: Precision, tmp_path: Path) -> None:
    way = here(Way("onnxruntime", Settings(device="tensorrt", precision=precision)))
    graph, reference = small_graphs.graph(tmp_path), small_graphs.references()["decoder"]
    backend, error = open_proven(way.backend, graph, reference, way.settings)
    with backend:
        assert error <= TOLERANCES[precision]


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
def test_fewer_bits_are_really_fewer(precision: Precision, tmp_path: Path) -> None:
    graph, (x, y) = small_graphs.graph(tmp_path), small_graphs.references()["decoder"]
    here(Way("cuda_graph", Settings(device="cuda")))
    errors = {}
    for each in ("float32", precision):
        with open_backend("cuda_graph", graph, Settings(device="cuda", precision=each)) as backend:
            errors[each] = prove(backend, (x, y), TOLERANCES[each])
    # A matrix this small may be multiplied without tensor cores, so tf32 may be exact.
    assert errors["float32"] < 1e-5
    assert precision == "tf32" or errors[precision] > 10 * errors["float32"]


def test_it_says_the_same_bits_every_time(way: Way, tmp_path: Path) -> None:
    x = small_graphs.windows(1)
    with way.open(tmp_path) as backend:
        first = backend.infer(x)
        backend.infer(-x)
        assert all(np.array_equal(backend.infer(x), first) for _ in range(50))


def test_its_answer_belongs_to_the_caller(opened: Backend) -> None:
    x = small_graphs.windows(2)
    first = opened.infer(x[:1])
    kept = first.copy()
    opened.infer(x[1:])
    np.testing.assert_array_equal(first, kept)
    first[:] = 0
    np.testing.assert_array_equal(opened.infer(x[:1]), kept)


def test_buffers_filled_in_place_give_the_same_answer(opened: Backend) -> None:
    x = small_graphs.windows(1)
    (buffer,) = opened.buffers
    buffer[...] = x
    np.testing.assert_array_equal(opened.infer(buffer), opened.infer(x))
    buffer[...] = -x
    np.testing.assert_allclose(opened.infer(buffer), small_graphs.answers(-x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["cuda_graph", "torch"])
def test_buffers_are_page_locked(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with here(Way(name, Settings(device="cuda"))).open(tmp_path) as backend:
        assert all(torch.from_numpy(buffer).is_pinned() for buffer in backend.buffers)


def test_a_value_that_is_no_number_spoils_one_answer_only(opened: Backend) -> None:
    x = small_graphs.windows(1)
    spoilt = x.copy()
    spoilt[0, 0, 0] = np.nan
    before = opened.infer(x)
    assert np.isnan(opened.infer(spoilt)).all()
    np.testing.assert_array_equal(opened.infer(x), before)


def test_threads_take_turns(opened: Backend) -> None:
    x = small_graphs.windows(8)
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda i: opened.infer(x[i % 8 : i % 8 + 1]), range(200)))
    wanted = small_graphs.answers(x)
    for i, answer in enumerate(got):
        np.testing.assert_allclose(answer[0], wanted[i % 8], rtol=1e-4, atol=1e-5)


def test_it_opens_in_one_thread_runs_in_another_and_closes_in_a_third(plain: Way, tmp_path: Path) -> None:
    x = small_graphs.windows(1)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second, ThreadPoolExecutor(1) as third:
        backend = first.submit(plain.open, tmp_path).result()
        answer = second.submit(backend.infer, x).result()
        third.submit(backend.close).result()
    np.testing.assert_allclose(answer, small_graphs.answers(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(BackendError, match="is not open"):
        backend.infer(x)


def test_it_runs_batches_when_opened_for_them(plain: Way, tmp_path: Path) -> None:
    x = small_graphs.windows(3)
    settings = Settings(batch=3, device=plain.settings.device, compiled=plain.settings.compiled)
    with open_backend(plain.backend, small_graphs.graph(tmp_path), settings) as wide:
        np.testing.assert_allclose(wide.infer(x), small_graphs.answers(x), rtol=1e-4, atol=1e-5)


def test_all_of_them_live_in_one_process(tmp_path: Path) -> None:
    x = small_graphs.windows(1)
    present = [param.values[0] for param in ways("float32")]
    present = [way for way in present if BACKENDS[way.backend].available(way.settings.device)[0]]
    opened = [way.open(tmp_path) for way in present]
    for backend in (*opened, *reversed(opened)):
        np.testing.assert_allclose(backend.infer(x), small_graphs.answers(x), rtol=1e-4, atol=1e-5)
    for backend in opened[::2]:
        backend.close()
    for backend in opened[1::2]:
        np.testing.assert_allclose(backend.infer(x), small_graphs.answers(x), rtol=1e-4, atol=1e-5)
        backend.close()


@pytest.mark.parametrize("name", ["cuda_graph", "torch"])
def test_the_switches_of_torch_are_left_alone(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    backends = torch.backends

    def state() -> list[Any]:
        products = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
        return [*(each.fp32_precision for each in products), backends.cudnn.deterministic, torch.get_num_threads()]

    before = state()
    with here(Way(name, Settings(device="cuda", precision="tf32"))).open(tmp_path) as backend:
        backend.infer(small_graphs.windows(1))
        assert state() == before
    assert state() == before


def test_a_network_of_convolutions_proves_itself(way: Way, tmp_path: Path) -> None:
    backend, error = open_proven(way.backend, *convolutions(tmp_path), way.settings)
    with backend:
        assert error <= TOLERANCES[way.settings.precision]


def convolutions(folder: Path) -> tuple[Graph, Any]:
    networks = pytest.importorskip("apps.bench.inference.networks")
    made = networks.make("brainae_classifier", folder)
    return made.graph, made.reference


def test_from_host_to_host_it_is_quick(opened: Backend) -> None:
    x = small_graphs.windows(1)
    took = []
    for _ in range(500):
        begin = time.perf_counter()
        opened.infer(x)
        took.append(time.perf_counter() - begin)
    assert np.median(took) < SLOWEST


def test_an_engine_is_built_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit.inference import tensorrt_backend

    way = here(Way("tensorrt", Settings(device="cuda", precision="fp16")))
    x = small_graphs.windows(1)
    with way.open(tmp_path) as backend:
        first = backend.infer(x)

    def again(*args: object, **options: object) -> bytes:
        raise AssertionError("it was built again")

    monkeypatch.setattr(tensorrt_backend, "build_engine", again)
    with way.open(tmp_path) as backend:
        np.testing.assert_array_equal(backend.infer(x), first)


def test_a_spoilt_engine_is_built_anew(tmp_path: Path) -> None:
    way = here(Way("tensorrt", Settings(device="cuda")))
    x = small_graphs.windows(1)
    way.open(tmp_path).close()
    (kept,) = (tmp_path / "cache" / "engines").glob("*.engine")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with way.open(tmp_path) as backend:
        np.testing.assert_allclose(backend.infer(x), small_graphs.answers(x), rtol=1e-4, atol=1e-5)


def test_a_graph_tensorrt_cannot_express_is_refused_by_name(tmp_path: Path) -> None:
    way = here(Way("tensorrt", Settings(device="cuda")))
    model = small_graphs.onnx_model()
    model.graph.node[0].op_type = "Nothing"
    file = tmp_path / "other.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(BackendError, match="TensorRT cannot express graph 'decoder'"):
        way.open(tmp_path, onnx=file)
