"""PyTorch on an NVIDIA GPU as one recorded graph: copy in, forward and copy out are a single launch.

*Not run*: written without a GPU.
"""

from __future__ import annotations

from typing import Any

from streamkit.errors import BackendError, require
from streamkit.inference import torch_cuda
from streamkit.inference.backend import Arrays, Backend, said
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Device, Settings


class CudaGraphBackend(Backend):
    """One module, recorded once with all its tensors at fixed addresses and replayed by every call.

    A small network spends most of its time on the GPU waiting for the processor to launch the next operation; a replay
    launches all of them at once. `buffers` are page-locked. `_run` spins while it waits: it burns the microseconds of
    one inference on one core rather than the tens of microseconds that waking up takes.
    """

    name = "cuda_graph"

    @classmethod
    def why_not(cls, device: Device) -> str:
        """See `Backend.why_not`."""
        return torch_cuda.why_not()

    def _open(self, graph: Graph, settings: Settings) -> None:
        self._gpu = torch_cuda.OnGpu(graph, settings)
        self._torch: Any = require("torch", "train", "the cuda_graph backend")
        self._recording: Any = self._torch.cuda.CUDAGraph()
        stream = self._gpu.stream
        try:
            # thread_local: other threads may use the GPU meanwhile.
            with self._torch.cuda.graph(self._recording, stream=stream, capture_error_mode="thread_local"):
                self._gpu.step()
        except Exception as error:
            raise BackendError(
                f"graph {graph.name!r} cannot be recorded as a CUDA graph (its forward must not look at values on the "
                f"processor): {said(error)}. Use the torch backend"
            ) from error
        self.buffers = self._gpu.inputs

    def _run(self, arrays: Arrays) -> Arrays:
        with self._torch.cuda.stream(self._gpu.stream):
            self._recording.replay()
        return self._gpu.finish()

    def _close(self) -> None:
        self._recording.reset()
        del self._recording, self._gpu
