"""The content of an ONNX file as a backend may have it: read once, and checked before a runtime sees it."""

from __future__ import annotations

from streamkit.errors import BackendError
from streamkit.inference import onnx_rules
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.onnx_file import DTYPES, NotOnnx, external_files, signature
from streamkit.inference.settings import Precision


def network(graph: Graph, precision: Precision = "float32") -> bytes:
    """Content of the ONNX file of `graph` that is to be run, checked to be what the graph says.

    Raises
    ------
    BackendError
        When there is none, it was changed, it is not ONNX, it keeps weights elsewhere, or its tensors are others.
    """
    file = graph.onnx_file(precision)
    content = graph.read(file)
    try:
        onnx_rules.check(content)
        found, outside = signature(content), external_files(content)
    except NotOnnx as error:
        raise BackendError(
            f"{file} is not an ONNX model ({error}): copy the bundle again, or export it again"
        ) from error
    if outside:
        raise BackendError(f"{file} keeps weights in another file, {min(outside)!r}: export it with all weights inside")
    for side, wanted, there in zip(("input", "output"), (graph.inputs, graph.outputs), found, strict=True):
        if not _fit(wanted, there):
            raise BackendError(
                f"{file} has the {side}s {_listed(there)}, graph {graph.name!r} says {_listed(wanted)}: "
                "name them as the file does, or export it again"
            )
    return content


def _fit(wanted: tuple[TensorSpec, ...], there: tuple[TensorSpec, ...]) -> bool:
    """The same names in any order, each with the same type and, where both state one, the same sizes."""
    by_name = {spec.name: spec for spec in there}
    return len(wanted) == len(there) and all(
        spec.name in by_name and _alike(spec, by_name[spec.name]) and spec.dtype in DTYPES.values() for spec in wanted
    )


def _alike(one: TensorSpec, other: TensorSpec) -> bool:
    same = len(one.shape) == len(other.shape) and one.dtype == other.dtype
    return same and all(a == b or a is None or b is None for a, b in zip(one.shape, other.shape, strict=True))


def _listed(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {spec.sizes}" for spec in specs) or "none"
