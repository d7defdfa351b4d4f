"""PyTorch on an NVIDIA GPU: can it be used, the process-wide switches of its arithmetic, and a module between buffers.

*Not run* but for its switches and refusals: written without a GPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from streamkit.errors import BackendError, MissingPackage, StreamkitError, require
from streamkit.inference import cuda_driver
from streamkit.inference.backend import Arrays, said
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Precision, Settings
from streamkit.inference.torch_backend import build, load_weights

WARM_UP = 3
INSTALL = "install a build that fits, see https://pytorch.org/get-started/locally"
_switching = RLock()


def why_not() -> str:
    """Why this PyTorch cannot use the GPU, and what to do; empty when it can."""
    driver = cuda_driver.probe()
    if driver.why_not:
        return driver.why_not
    torch = require("torch", "train", "using the GPU")
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} was built without CUDA: {INSTALL}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of, a driver that is too old, is said below
        usable = torch.cuda.is_available()
    if not usable:
        return (
            f"PyTorch {torch.__version__} is built for CUDA {torch.version.cuda} and cannot use this GPU (the driver "
            f"goes up to CUDA {driver.version}): update the driver, or {INSTALL}"
        )
    archs = torch.cuda.get_arch_list()
    if not has_kernels(driver.capabilities[0], archs):
        return (
            f"PyTorch {torch.__version__} has no kernels for {driver.gpus[0]} (compute capability "
            f"{driver.capabilities[0]}; it has {' '.join(archs)}): {INSTALL}"
        )
    return ""


def has_kernels(capability: str, archs: Iterable[str]) -> bool:
    """Whether one of `archs` (``sm_90``, ``sm_90a``, ``compute_120``) runs on a GPU of compute capability ``"9.0"``.

    Machine code runs on the same major version at the same or a higher minor one, that of an ``a`` only on its own;
    ``compute_`` is code that the driver compiles for any later GPU.
    """
    major, minor = map(int, capability.split("."))
    return any(_runs_on(arch, (major, minor)) for arch in archs)


def _runs_on(arch: str, gpu: tuple[int, int]) -> bool:
    kind, _, number = arch.partition("_")
    digits = number.rstrip("af")
    made_for = int(digits[:-1]), int(digits[-1])
    if number.endswith("a"):
        return made_for == gpu
    if kind == "compute":
        return made_for <= gpu
    return made_for[0] == gpu[0] and made_for[1] <= gpu[1]


@contextmanager
def arithmetic(torch: Any, precision: Precision) -> Iterator[None]:
    """Set torch's switches for TF32 and for repeatable kernels, one thread at a time, and put them back.

    They hold for the whole process, and torch reads them when it picks a kernel: hold this while work is enqueued or
    recorded, not while waiting for it.
    """
    cudnn, tf32 = torch.backends.cudnn, "tf32" if precision == "tf32" else "ieee"
    products = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    with _switching:
        before = [product.fp32_precision for product in products]
        picking = cudnn.deterministic, cudnn.benchmark
        try:
            for product in products:
                product.fp32_precision = tf32
            cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            for product, value in zip(products, before, strict=True):
                product.fp32_precision = value
            cudnn.deterministic, cudnn.benchmark = picking


class OnGpu:
    """A graph's module on the GPU, between page-locked arrays on the host, on a stream of its own.

    Attributes
    ----------
    inputs, outputs
        Arrays over page-locked memory, which the GPU reads and writes by itself; shaped as the graph's tensors.
    stream
        Where all of it happens.

    Raises
    ------
    MissingPackage
        When torch cannot use a GPU here.
    BackendError
        When the module does not run there, or the memory does not suffice.
    """

    def __init__(self, graph: Graph, settings: Settings) -> None:
        if trouble := why_not():
            raise MissingPackage(trouble)
        self._torch: Any = require("torch", "train", "using the GPU")
        self._precision = settings.precision
        reduced = {"fp16": self._torch.float16, "bf16": self._torch.bfloat16}
        self._kind = reduced.get(settings.precision, self._torch.float32)
        self.stream: Any = self._torch.cuda.Stream()
        try:
            self._load(graph, settings)
            self._warm_up(len(graph.outputs))
        except StreamkitError:
            raise
        except Exception as error:
            raise BackendError(f"torch could not run graph {graph.name!r} ({settings}): {said(error)}") from error
        self.inputs: Arrays = tuple(tensor.numpy() for tensor in self._host_in)
        self.outputs: Arrays = tuple(tensor.numpy() for tensor in self._host_out)
        # Without blocking=True a wait spins (or yields, where GPU contexts outnumber processors): waking a thread that
        # sleeps takes tens of microseconds, about as long as a small network runs.
        self._done: Any = self._torch.cuda.Event(blocking=False)

    def _load(self, graph: Graph, settings: Settings) -> None:
        torch = self._torch
        module = load_weights(build(graph), graph).eval().requires_grad_(False).to("cuda", self._kind)
        self._module: Any = torch.compile(module, dynamic=False) if settings.compiled else module
        shapes = [(spec.at_batch(settings.batch), getattr(torch, spec.dtype)) for spec in graph.inputs]
        self._host_in: list[Any] = [torch.zeros(shape, dtype=kind).pin_memory() for shape, kind in shapes]
        self._in: list[Any] = [tensor.cuda() for tensor in self._host_in]

    def _warm_up(self, n_outputs: int) -> None:
        """Run a few times: libraries allocate, compilers compile, and the shapes of the outputs come to light."""
        torch = self._torch
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(self.stream), arithmetic(torch, self._precision):
            for _ in range(WARM_UP):
                results = self._forward()
        self.stream.synchronize()
        if len(results) != n_outputs:
            raise BackendError(f"the module gives {len(results)} outputs, its graph names {n_outputs}")
        self._host_out: list[Any] = [torch.empty(part.shape, dtype=part.dtype).pin_memory() for part in results]

    def _forward(self) -> list[Any]:
        full = self._torch.float32
        given = [tensor.to(self._kind) if tensor.dtype == full else tensor for tensor in self._in]
        result = self._module(*given)
        results = result if isinstance(result, tuple | list) else (result,)
        return [tensor.to(full) if tensor.dtype == self._kind else tensor for tensor in results]

    def step(self) -> None:
        """Enqueue on the stream, or record, one run: copy in, forward, copy out."""
        torch = self._torch
        with torch.inference_mode(), torch.cuda.stream(self.stream), arithmetic(torch, self._precision):
            for device, host in zip(self._in, self._host_in, strict=True):
                device.copy_(host, non_blocking=True)
            for host, device in zip(self._host_out, self._forward(), strict=True):
                host.copy_(device, non_blocking=True)

    def finish(self) -> Arrays:
        """Wait for what was enqueued; returns copies of the outputs."""
        self._done.record(self.stream)
        self._done.synchronize()
        return tuple(output.copy() for output in self.outputs)

    def run(self) -> Arrays:
        """One run of what `inputs` hold, each operation launched by itself."""
        self.step()
        return self.finish()
