"""Where a GPU cannot be used, every way of asking for one says why and touches nothing that could crash."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from streamkit.errors import BackendError, MissingPackage
from streamkit.inference import BACKENDS, Settings, cuda_driver, open_backend, table, torch_cuda
from streamkit.inference.cuda_driver import Driver, probe
from streamkit.inference.tensorrt_backend import TensorRtBackend
from tests import small_graphs

ROOT = Path(__file__).parents[2]
ON_GPU = ["cuda_graph", "tensorrt", "torch"]
H100 = Driver("13.0", ("NVIDIA H100",), "", ("9.0",), "580.65.06")
CUDA = Settings(device="cuda")


class Watch:
    """Notes which modules are looked for, and finds none."""

    def __init__(self) -> None:
        self.wanted: list[str] = []

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        self.wanted.append(name)
        return None


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def absent(name: str) -> Any:
        raise OSError(name)

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", absent)
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver with a GPU, as far as anybody asks."""
    monkeypatch.setattr(cuda_driver, "probe", lambda: H100)


@pytest.mark.usefixtures("no_driver")
@pytest.mark.parametrize("name", ON_GPU)
def test_without_a_driver_the_table_says_so(name: str, tmp_path: Path) -> None:
    assert BACKENDS[name].available("cuda") == (False, probe().why_not)
    with pytest.raises(MissingPackage, match=r"there is no NVIDIA driver .*install it, or use a processor backend"):
        open_backend(name, small_graphs.graph(tmp_path), CUDA)


@pytest.mark.usefixtures("no_driver")
@pytest.mark.parametrize("name", ON_GPU)
def test_without_a_driver_the_backend_itself_says_so_too(name: str, tmp_path: Path) -> None:
    backend = BACKENDS[name].create()
    with pytest.raises(MissingPackage, match="there is no NVIDIA driver"):
        backend.open(small_graphs.graph(tmp_path), CUDA)
    backend.close()
    assert backend.buffers == ()


@pytest.mark.usefixtures("no_driver")
def test_without_a_driver_tensorrt_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    monkeypatch.setattr(sys, "meta_path", [watch, *sys.meta_path])
    with pytest.raises(MissingPackage):
        open_backend("tensorrt", small_graphs.graph(tmp_path), CUDA)
    with pytest.raises(MissingPackage):
        TensorRtBackend().open(small_graphs.graph(tmp_path), CUDA)
    assert not [name for name in watch.wanted if name.partition(".")[0] in ("tensorrt", "tensorrt_lean", "pycuda")]
    assert "tensorrt" not in sys.modules


def test_a_processor_is_nothing_for_backends_of_gpus(tmp_path: Path) -> None:
    for name in ("cuda_graph", "tensorrt"):
        assert BACKENDS[name].available("cpu") == (False, f"backend {name} does not run on cpu, only on cuda")
        with pytest.raises(BackendError, match=f"backend {name} does not run on cpu, only on cuda"):
            open_backend(name, small_graphs.graph(tmp_path), Settings())


@pytest.mark.usefixtures("driver")
def test_a_torch_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "was built without CUDA: install a build that fits" in torch_cuda.why_not()


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("name", ["cuda_graph", "torch"])
def test_a_driver_too_old_for_torch_names_both_versions(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.version, "cuda", "14.2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingPackage, match=r"built for CUDA 14\.2 .*goes up to CUDA 13\.0\): update the driver"):
        open_backend(name, small_graphs.graph(tmp_path), CUDA)


@pytest.mark.usefixtures("driver")
def test_a_torch_without_kernels_for_the_gpu_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_100", "sm_120"])
    assert "has no kernels for NVIDIA H100 (compute capability 9.0; it has sm_100 sm_120)" in torch_cuda.why_not()
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90"])
    assert torch_cuda.why_not() == ""


@pytest.mark.parametrize(
    ("capability", "archs", "fits"),
    [
        ("9.0", "sm_90", True),
        ("8.9", "sm_80", True),  # a later minor version runs code for an earlier one
        ("8.0", "sm_86", False),  # and not the other way round
        ("9.0", "sm_80", False),  # nor across major versions
        ("12.0", "sm_80 compute_90", True),  # compute_ is compiled for later GPUs by the driver
        ("8.6", "compute_90", False),
        ("9.0", "sm_90a", True),  # an a is for one GPU only
        ("10.3", "sm_100a", False),
        ("10.3", "sm_100f", True),
        ("12.1", "sm_120", True),
        ("9.0", "", False),
    ],
)
def test_kernels_fit_by_the_rules_of_compute_capability(capability: str, archs: str, fits: bool) -> None:
    assert torch_cuda.has_kernels(capability, archs.split()) is fits


def put(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name.replace("__", "."), module)


@pytest.mark.usefixtures("driver")
def test_a_tensorrt_too_old_names_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, pycuda=ModuleType("pycuda"), pycuda__driver=ModuleType("pycuda.driver"))
    put(monkeypatch, tensorrt=SimpleNamespace(__version__="8.6.1"))
    assert TensorRtBackend.why_not("cuda").startswith("TensorRT 8.6.1 is too old, expected 10.8 or later: pip install")
    put(monkeypatch, tensorrt=SimpleNamespace(__version__="10.8.0.43"))
    assert TensorRtBackend.why_not("cuda") == ""
    put(monkeypatch, tensorrt=SimpleNamespace(__version__="11.4.0.106"))
    assert TensorRtBackend.why_not("cuda") == ""


@pytest.mark.usefixtures("driver")
def test_an_absent_pycuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, tensorrt=SimpleNamespace(__version__="11.4.0.106"), pycuda=None)
    why_not = TensorRtBackend.why_not("cuda")
    assert "needs the package 'pycuda'" in why_not
    assert "pip install 'streamkit[tensorrt]'" in why_not


@pytest.mark.usefixtures("driver")
def test_a_runtime_without_builder_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"tensorrt_lean"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in here else None)
    monkeypatch.setattr(table, "find_spec", importlib.util.find_spec)
    put(monkeypatch, tensorrt=None)
    for why_not in (BACKENDS["tensorrt"].available("cuda")[1], TensorRtBackend.why_not("cuda")):
        assert "only the lean TensorRT runtime is installed, which cannot build engines" in why_not
        assert "pip install 'streamkit[tensorrt]'" in why_not
    here.clear()
    for why_not in (BACKENDS["tensorrt"].available("cuda")[1], TensorRtBackend.why_not("cuda")):
        assert "needs the package 'tensorrt'" in why_not


@pytest.mark.parametrize(("precision", "expected"), [("float32", "ieee"), ("fp16", "ieee"), ("tf32", "tf32")])
def test_switches_of_torch_are_put_back(precision: Any, expected: str) -> None:
    torch = pytest.importorskip("torch")
    backends = torch.backends

    def state() -> list[Any]:
        products = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
        return [*(each.fp32_precision for each in products), backends.cudnn.deterministic, backends.cudnn.benchmark]

    before = state()
    with torch_cuda.arithmetic(torch, precision):
        assert state() == [expected] * 3 + [True, False]
    assert state() == before
    with pytest.raises(ZeroDivisionError), torch_cuda.arithmetic(torch, precision):
        raise ZeroDivisionError
    assert state() == before


def test_the_gpu_benchmark_refuses_in_one_sentence() -> None:
    if not probe().why_not:
        pytest.skip("there is a GPU: the benchmark would run")
    command = [sys.executable, "-m", "benchmarks.gpu_inference"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr == f"nothing to measure here: {probe().why_not}\n"
