"""From a trained module to the files of a bundle: ONNX, weights, and proof that both say the same."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.attention import translations
from calibration.simplify import simplify
from streamkit.bundle import GraphFiles
from streamkit.errors import CheckFailed, require

OPSET = 20
TOLERANCE = 1e-4
CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
Array = NDArray[Any]


def export_graph(
    module: Any,
    example_input: Any,
    *,
    builder: str | None = None,
    builder_args: dict[str, Any] | None = None,
    input_names: Sequence[str] = ("input",),
    output_names: Sequence[str] = ("output",),
) -> GraphFiles:
    """Export a module, in eval mode, with a dynamic batch and everything else fixed.

    Parameters
    ----------
    module
        Maps ``(B, n_chans, n_times)`` float32 to ``(B, *out_shape)``, or several such tensors to several; moved to the
        processor and to eval mode.
    example_input
        ``(n, n_chans, n_times)`` array or tensor, a tuple of them where the module takes several; only their shapes
        matter.
    builder, builder_args
        Entry point of ``streamkit.models`` that built it and all its keyword arguments; without them the bundle holds
        ONNX only and the torch backend cannot run it.
    input_names, output_names
        What the graph calls its tensors, in the order of the module.

    Raises
    ------
    CheckFailed
        When torch cannot express the module in ONNX.
    """
    torch = require("torch", "train", "exporting a model")
    require("onnxscript", "train", "exporting a model")
    module = module.cpu().float().eval()
    examples = example_input if isinstance(example_input, tuple) else (example_input,)
    zeros = tuple(torch.zeros((2, *each.shape[1:])) for each in examples)  # a batch of one would be taken for constant
    batch = torch.export.Dim("batch")
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                zeros,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(input_names),
                output_names=list(output_names),
                dynamic_shapes=tuple({0: batch} for _ in zeros),
                custom_translation_table=translations(),
                external_data=False,
                verbose=False,
            )
            model = simplify(program.model_proto)
    except Exception as error:
        raise CheckFailed(
            f"{type(module).__name__} could not be exported to ONNX: {str(error).strip().splitlines()[0]}. "
            "Its forward must be traceable with a free batch size"
        ) from error
    state = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()} if builder else None
    return GraphFiles(_bare(model), builder, dict(builder_args or {}), state)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _bare(model: Any) -> bytes:
    """Drop what the exporter notes about this machine's source files; the graph stays."""
    holders = [model, model.graph, *model.functions]
    for part in (*holders, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def run_torch(module: Any, inputs: Array) -> Array:
    """Outputs of `module` in eval mode for ``(n, n_chans, n_times)``, one window at a time as live does."""
    torch = require("torch", "train", "running a module")
    module.eval()
    with torch.inference_mode():
        parts = [module(torch.from_numpy(np.ascontiguousarray(x[None], np.float32))).numpy() for x in inputs]
    return np.concatenate(parts)


def check_export(files: GraphFiles, inputs: Array, outputs: Array, tolerance: float = TOLERANCE) -> float:
    """Run the exported graph in ONNX Runtime and compare with what torch said.

    Parameters
    ----------
    inputs, outputs
        ``(n, n_chans, n_times)`` and torch's ``(n, *out_shape)``, as from `reference_pair`.
    tolerance
        Largest absolute difference, times the largest absolute output where that is above 1.

    Returns
    -------
    float
        Largest absolute difference.

    Raises
    ------
    CheckFailed
        When it is larger than allowed.
    """
    runtime = require("onnxruntime", "train", "checking an export")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(files.onnx, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    got = np.concatenate([session.run(None, {name: np.asarray(x[None], np.float32)})[0] for x in inputs])
    error = float(np.max(np.abs(got.astype(np.float64) - outputs)))
    allowed = tolerance * max(1.0, float(np.max(np.abs(outputs))))
    if not error <= allowed:
        raise CheckFailed(
            f"the exported graph differs from torch by {error:.2g}, allowed is {allowed:.2g}: do not use this export"
        )
    return error


def reference_pair(module: Any, windows: Array, n: int = 8) -> tuple[Array, Array]:
    """Up to `n` of the calibration windows, evenly spread, and what torch says to them.

    Parameters
    ----------
    windows
        ``(n_windows, n_chans, n_times)`` model inputs.
    """
    picked = np.unique(np.linspace(0, len(windows) - 1, min(n, len(windows))).round().astype(int))
    inputs = np.ascontiguousarray(windows[picked], np.float32)
    return inputs, run_torch(module, inputs)
