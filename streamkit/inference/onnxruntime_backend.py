"""ONNX Runtime on the processor, or on an NVIDIA GPU by its CUDA or TensorRT provider.

The GPU providers were *not run*: written without a GPU, and without the package ``onnxruntime-gpu`` that has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import BackendError, require
from streamkit.inference import cuda_driver
from streamkit.inference.backend import Array, Arrays, Backend, copies, said
from streamkit.inference.checked import network
from streamkit.inference.engines import EngineKey, default_folder, only_we_write
from streamkit.inference.graph import Graph
from streamkit.inference.onnx_file import batch_names
from streamkit.inference.quarantine import pass_quarantine
from streamkit.inference.settings import Device, Settings
from streamkit.inference.winograd import in_tiles

QUIET = 4  # fatal only: what goes wrong reaches the user as one of our messages
PROVIDERS: dict[Device, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class OnnxRuntimeBackend(Backend):
    """One session; its threads sleep between calls rather than spin, for a decoder is idle most of the time.

    Inputs and outputs are bound once. On the processor the session reads `buffers` where they are; for a GPU they are
    copied to memory there by each call. A graph runs as a whole on the device that was asked for, or not at all.
    """

    name = "onnxruntime"

    @classmethod
    def why_not(cls, device: Device) -> str:
        """See `Backend.why_not`."""
        here = require("onnxruntime", "onnx", "the onnxruntime backend").get_available_providers()
        if PROVIDERS[device] in here:
            return ""
        return (
            f"the installed onnxruntime has no {PROVIDERS[device]} (it has {', '.join(here)}): "
            "pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        )

    def _open(self, graph: Graph, settings: Settings) -> None:
        runtime = require("onnxruntime", "onnx", "the onnxruntime backend")
        content = network(graph, settings.precision)
        if graph.digests and settings.device == "cpu":
            pass_quarantine(self.name, runtime.__version__, graph, settings, content)
        if settings.device == "cpu" and settings.precision == "float32":
            content = in_tiles(content, settings.batch)
        provider = PROVIDERS[settings.device], _provider_options(content, settings, runtime.__version__)
        try:
            # Left to itself, a session that fails prints so and starts anew on the processor.
            session: Any = runtime.InferenceSession(
                content, _options(runtime, content, settings), providers=[provider], enable_fallback=0
            )
            _check_provider(session, PROVIDERS[settings.device])
            self._bind(runtime, session, graph, settings)
        except BackendError:
            raise
        except Exception as error:
            file = graph.onnx_file(settings.precision)
            raise BackendError(
                f"onnxruntime could not load {file} ({said(error)}): try the openvino backend"
            ) from error

    def _bind(self, runtime: Any, session: Any, graph: Graph, settings: Settings) -> None:
        binding = session.io_binding()
        where = "cpu" if settings.device == "cpu" else "cuda"
        # On the processor an OrtValue shares the memory of its array; a copy is made elsewhere.
        inputs = tuple(runtime.OrtValue.ortvalue_from_numpy(buffer, where) for buffer in self.buffers)
        outputs = tuple(np.zeros(spec.at_batch(settings.batch), spec.dtype) for spec in graph.outputs)
        for spec, value in zip(graph.inputs, inputs, strict=True):
            binding.bind_ortvalue_input(spec.name, value)
        for spec, out in zip(graph.outputs, outputs, strict=True):
            binding.bind_output(spec.name, "cpu", 0, out.dtype, out.shape, out.ctypes.data)
        self._elsewhere = inputs if where != "cpu" else ()
        self._outputs, self._binding, self._session = outputs, binding, session

    def _run(self, arrays: Arrays) -> Arrays:
        if self._elsewhere:
            for value, x in zip(self._elsewhere, arrays, strict=True):
                value.update_inplace(x)
        self._session.run_with_iobinding(self._binding)
        return copies(self._outputs)

    def _steps(self) -> tuple[Callable[[], object], Array] | None:
        if self._elsewhere:
            return None
        return _directly(self._session, self._binding), self._outputs[0]

    def _close(self) -> None:
        del self._elsewhere, self._binding, self._session, self._outputs


def _directly(session: Any, binding: Any) -> Callable[[], object]:
    """What runs a session on its binding, without the Python around it that looks whether a GPU records.

    Where the package is built otherwise, its own method.
    """
    inner, bound = getattr(session, "_sess", None), getattr(binding, "_iobinding", None)
    if inner is None or bound is None or not hasattr(inner, "run_with_iobinding"):
        return partial(session.run_with_iobinding, binding)
    return partial(inner.run_with_iobinding, bound, None)


def _options(runtime: Any, content: bytes, settings: Settings) -> Any:
    options = runtime.SessionOptions()
    for name in batch_names(content):
        options.add_free_dimension_override_by_name(name, settings.batch)
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if settings.device != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _provider_options(content: bytes, settings: Settings, version: str) -> dict[str, str]:
    """Options of the provider, as strings.

    The TensorRT provider has no switch for TF32 and uses it: whether that is float32 enough, the proof says.
    """
    if settings.device == "cuda":
        # The heuristic picks the same kernel every time; the default measures, and so may pick another.
        return {"use_tf32": str(int(settings.precision == "tf32")), "cudnn_conv_algo_search": "HEURISTIC"}
    if settings.device == "tensorrt":
        folder = _engine_folder(_engine_key(content, settings, version))
        kept = {"trt_engine_cache_path": str(folder)} if folder else {}
        return {
            "trt_fp16_enable": str(int(settings.precision == "fp16")),
            "trt_engine_cache_enable": str(int(bool(folder))),
            **kept,
        }
    return {}


def _engine_folder(key: EngineKey) -> Path | None:
    """Where the provider may keep its engines; None where somebody else could put one, for it trusts them blindly."""
    folder = default_folder() / key.file.removesuffix(".engine")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if only_we_write(folder) else None
    except OSError:
        return None


def _engine_key(content: bytes, settings: Settings, version: str) -> EngineKey:
    driver = cuda_driver.probe()
    return EngineKey(
        onnx=hashlib.sha256(content).hexdigest(),
        gpu=", ".join(driver.gpus[:1]),
        tensorrt=f"of onnxruntime {version}",
        driver=driver.version,
        precision=settings.precision,
        batch=settings.batch,
    )


def _check_provider(session: Any, wanted: str) -> None:
    used = session.get_providers()[0]
    if used != wanted:
        raise BackendError(
            f"onnxruntime fell back from {wanted} to {used}, so its libraries (CUDA, cuDNN, TensorRT) are missing or "
            "of another version: install those that its release notes name, or use --device cpu"
        )
