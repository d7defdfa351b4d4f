"""From a trained module to the files of a bundle: ONNX, weights, and proof that both say the same."""

from __future__ import annotations

import contextlib
import copy
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
from streamkit.inference.proof import arrays_of

OPSET = 20
TOLERANCE = 1e-4
CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
Array = NDArray[Any]
Inputs = Array | tuple[Array, ...]


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
    from calibration.upsampling import has_upsampling, merge_upsampling

    module = module.cpu().float().eval()
    graph = merge_upsampling(copy.deepcopy(module)) if has_upsampling(module) else module
    examples = arrays_of(example_input)
    zeros = tuple(torch.zeros((2, *each.shape[1:])) for each in examples)  # a batch of one would be taken for constant
    batch = torch.export.Dim("batch")
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
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
            model = simplify(program.model)
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


def run_torch(module: Any, inputs: Inputs) -> Array:
    """Outputs of `module` in eval mode for ``(n, n_chans, n_times)``, one window at a time as live does.

    `inputs` is a tuple of arrays where the module takes several.
    """
    torch = require("torch", "train", "running a module")
    module.eval()
    given = [np.ascontiguousarray(each, np.float32) for each in arrays_of(inputs)]
    with torch.inference_mode():
        rows = (tuple(torch.from_numpy(each[i : i + 1]) for each in given) for i in range(len(given[0])))
        parts = [module(*row).numpy() for row in rows]
    return np.concatenate(parts)


def check_export(files: GraphFiles, inputs: Inputs, outputs: Array, tolerance: float = TOLERANCE) -> float:
    """Run the exported graph in ONNX Runtime and compare with what torch said.

    Parameters
    ----------
    inputs, outputs
        ``(n, n_chans, n_times)``, a tuple where the graph takes several, and torch's ``(n, *out_shape)``, as from
        `reference_pair`.
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
    names = [each.name for each in session.get_inputs()]
    given = [np.asarray(each, np.float32) for each in arrays_of(inputs)]
    rows = (dict(zip(names, (each[i : i + 1] for each in given), strict=True)) for i in range(len(given[0])))
    got = np.concatenate([session.run(None, row)[0] for row in rows])
    error = float(np.max(np.abs(got.astype(np.float64) - outputs)))
    allowed = tolerance * max(1.0, float(np.max(np.abs(outputs))))
    if not error <= allowed:
        raise CheckFailed(
            f"the exported graph differs from torch by {error:.2g}, allowed is {allowed:.2g}: do not use this export"
        )
    return error


def reference_pair(module: Any, windows: Inputs, n: int = 8) -> tuple[Inputs, Array]:
    """Up to `n` of the calibration windows, evenly spread, and what torch says to them.

    Parameters
    ----------
    windows
        ``(n_windows, n_chans, n_times)`` model inputs; a tuple of arrays where the module takes several.
    """
    arrays = arrays_of(windows)
    count = len(arrays[0])
    picked = np.unique(np.linspace(0, count - 1, min(n, count)).round().astype(int))
    inputs = tuple(np.ascontiguousarray(each[picked], np.float32) for each in arrays)
    given = inputs if isinstance(windows, tuple) else inputs[0]
    return given, run_torch(module, given)
