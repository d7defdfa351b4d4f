"""The same function in fewer operations: what an exporter leaves in a graph, and what no runtime takes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require
from streamkit.inference.onnx_nodes import attributes, inferred, replace

Array = NDArray[Any]
WHY = "exporting a model"
FEW_CHANNELS = 16
"""Of a transposed convolution that reads fewer, a runtime spends its time on adding up columns, not on products."""

FOLDED_BYTES = 2**29
"""Constants up to this size are computed now; the exporter's own limit would leave combined kernels in the graph."""


def simplify(model: Any) -> Any:
    """Return an ONNX model that computes the same: constants folded, linear layers in a row merged.

    `model` is the model itself or an `onnx_ir.Model`, which is changed.

    Rounding apart (about 1e-7 of a sum) it gives the same answers. In this order: constants and batch normalisations
    are folded; a convolution and the convolution or average pool that follows it become one where that is less
    arithmetic; transposed convolutions of stride 1 become convolutions, and those of a larger stride that read few
    channels become convolutions whose channels are then dealt out over the plane.
    """
    model = folded(model)
    merged = False
    while merge_one(inferred(model), model):
        merged = True
    if merged:
        model = folded(model)
    write_as_convolutions(model)
    write_as_subpixels(model)
    return model


def folded(model: Any) -> Any:
    """Fold constants of any reasonable size, and batch normalisations into what precedes them."""
    ir = require("onnx_ir", "train", WHY)
    optimizer = require("onnxscript.optimizer", "train", WHY)
    graph = model if isinstance(model, ir.Model) else ir.from_proto(model)
    optimizer.optimize_ir(graph, input_size_limit=FOLDED_BYTES, output_size_limit=FOLDED_BYTES)
    return ir.to_proto(graph)


@dataclass(frozen=True)
class Layer:
    """A convolution, or a pool written as one: its kernel is ``(n_out, n_in, *sizes)``, over all channels."""

    kernel: Array
    bias: Array
    strides: tuple[int, ...]
    pads: tuple[int, ...]

    def then(self, after: Layer) -> Layer:
        """Both at once; the second must not pad."""
        sizes = grown(self.sizes, self.strides, after.sizes)
        kernel = np.zeros((len(after.kernel), self.kernel.shape[1], *sizes))
        for place in np.ndindex(*after.sizes):
            part = np.einsum("om,mi...->oi...", after.kernel[(..., *place)], self.kernel.astype(np.float64))
            starts = [p * s for p, s in zip(place, self.strides, strict=True)]
            kernel[(..., *(slice(a, a + k) for a, k in zip(starts, self.sizes, strict=True)))] += part
        axes = tuple(range(2, after.kernel.ndim))
        bias = after.kernel.sum(axes) @ self.bias + after.bias
        strides = tuple(a * b for a, b in zip(self.strides, after.strides, strict=True))
        return Layer(kernel.astype(np.float32), bias.astype(np.float32), strides, self.pads)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Extent of the kernel along each axis."""
        return self.kernel.shape[2:]


def grown(sizes: Sequence[int], strides: Sequence[int], after: Sequence[int]) -> list[int]:
    """Extent of a kernel together with that of the layer after it."""
    return [k + s * (n - 1) for k, s, n in zip(sizes, strides, after, strict=True)]


def merge_one(known: Any, model: Any) -> bool:
    """Merge the first pair that pays, in `model`; whether there was one.

    Parameters
    ----------
    known
        Its graph with the shapes of its tensors.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    shapes = {value.name: _sizes(value) for value in (*known.value_info, *known.output)}
    makers = {name: node for node in model.graph.node for name in node.output}
    used = [name for node in model.graph.node for name in node.input] + [each.name for each in model.graph.output]
    for second in model.graph.node:
        first = makers.get(second.input[0]) if second.input else None
        if first is None or used.count(first.output[0]) > 1 or not pays(first, second, weights, shapes):
            continue
        a, b = convolution(first, weights), convolution(second, weights) or pool(second, shapes[first.output[0]])
        if a is not None and b is not None and not any(b.pads):
            _replace(model, first, second, a.then(b))
            return True
    return False


def pays(first: Any, second: Any, weights: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether one kernel for both takes fewer multiply-adds per window than one for each."""
    inner, outer = (shapes.get(node.output[0], ()) for node in (first, second))
    one, two = kernel_shape(first, weights, inner), kernel_shape(second, weights, inner)
    if first.op_type != "Conv" or _n_groups(first) != 1 or not one or not two or not positions(inner):
        return False
    strides = attributes(first).get("strides", [1] * (len(one) - 2))
    merged = two[0] * one[1] * math.prod(grown(one[2:], strides, two[2:]))
    apart = positions(inner) * math.prod(one) + positions(outer) * math.prod(two)
    return 0 < positions(outer) * merged < apart and 4 * merged <= FOLDED_BYTES


def kernel_shape(node: Any, weights: dict[str, Any], inner: tuple[int, ...]) -> tuple[int, ...]:
    """``(n_out, n_in / groups, *sizes)`` of a convolution with constant weights or a pool over `inner`; else ``()``."""
    if node.op_type == "Conv" and node.input[1] in weights:
        return tuple(weights[node.input[1]].dims)
    if node.op_type == "AveragePool" and positions(inner):
        return (inner[1], 1, *attributes(node)["kernel_shape"])
    return ()


def convolution(node: Any, weights: dict[str, Any]) -> Layer | None:
    """What a convolution does, if its weights are constant and it skips no samples within its kernel."""
    onnx = require("onnx", "train", WHY)
    if node.op_type != "Conv" or any(name not in weights for name in node.input[1:] if name):
        return None
    kernel, *rest = (onnx.numpy_helper.to_array(weights[name]) for name in node.input[1:] if name)
    given, groups = attributes(node), _n_groups(node)
    axes = kernel.ndim - 2
    if {1, *given.get("dilations", ())} != {1} or given.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    dense = np.zeros((len(kernel), kernel.shape[1] * groups, *kernel.shape[2:]), np.float32)
    for group, rows in enumerate(np.split(np.arange(len(kernel)), groups)):
        dense[rows, group * kernel.shape[1] : (group + 1) * kernel.shape[1]] = kernel[rows]
    bias = rest[0] if rest else np.zeros(len(kernel), np.float32)
    strides, pads = given.get("strides", [1] * axes), given.get("pads", [0] * 2 * axes)
    return Layer(dense, bias, tuple(strides), tuple(pads))


def pool(node: Any, shape: tuple[int, ...]) -> Layer | None:
    """An average pool over a tensor of `shape` as the convolution it is; None for anything else."""
    given = attributes(node)
    plain = not given.get("ceil_mode", 0) and given.get("auto_pad", b"NOTSET") == b"NOTSET"
    if node.op_type != "AveragePool" or not plain or {1, *given.get("dilations", ())} != {1}:
        return None
    sizes = tuple(given["kernel_shape"])
    kernel = np.zeros((shape[1], shape[1], *sizes))
    kernel[np.arange(shape[1]), np.arange(shape[1])] = 1 / np.prod(sizes)
    strides, pads = given.get("strides", [1] * len(sizes)), given.get("pads", [0] * 2 * len(sizes))
    return Layer(kernel, np.zeros(shape[1]), tuple(strides), tuple(pads))


def positions(shape: tuple[int, ...]) -> int:
    """Positions per window and channel of a tensor; 0 where they are not known."""
    return math.prod(shape[2:]) if len(shape) > 2 else 0


def write_as_convolutions(model: Any) -> int:
    """Replace each transposed convolution of stride 1 by the convolution it is; returns how many.

    The kernel is mirrored, its two channel axes change places, and what was cut from the edges is what is now missing
    from a full padding. Those with groups, or cut by more than the kernel overhangs, stay.
    """
    onnx = require("onnx", "train", WHY)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    uses = [name for node in model.graph.node for name in node.input]
    changed: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "ConvTranspose" or node.input[1] not in weights or uses.count(node.input[1]) > 1:
            continue
        weight = weights[node.input[1]]
        pads = full_pads(node, tuple(weight.dims))
        if pads is None:
            continue
        kernel = onnx.numpy_helper.to_array(weight)
        mirrored = np.ascontiguousarray(np.flip(kernel.swapaxes(0, 1), tuple(range(2, kernel.ndim))))
        weight.CopyFrom(onnx.numpy_helper.from_array(mirrored, weight.name))
        _become_a_convolution(node, pads)
        changed.add(weight.name)
    _forget_shapes(model, changed)
    return len(changed)


def full_pads(node: Any, shape: tuple[int, ...]) -> list[int] | None:
    """Padding at the begin and end of each axis of the convolution that `node` is; None when it is none."""
    given = attributes(node)
    axes = len(shape) - 2
    moves = {1, *given.get("strides", ()), given.get("group", 1)} != {1} or any(given.get("output_padding", ()))
    if moves or "output_shape" in given or given.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    reach = [rate * (size - 1) for rate, size in zip(given.get("dilations", [1] * axes), shape[2:], strict=True)]
    pads = [full - cut for full, cut in zip(reach * 2, given.get("pads", [0] * 2 * axes), strict=True)]
    return pads if min(pads) >= 0 else None


def write_as_subpixels(model: Any) -> int:
    """Replace transposed convolutions of a larger stride that read few channels; returns how many.

    Each phase of the stride is a convolution of stride 1 with every s-th tap; all of them are one convolution with s²
    times as many channels, dealt out over the plane by DepthToSpace and cropped (Shi et al. 2016, arXiv:1609.05158).
    """
    onnx = require("onnx", "train", WHY)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = [node for node in model.graph.node if node.op_type == "ConvTranspose" and node.input[1] in weights]
    if not found:
        return 0
    sizes = {value.name: _sizes(value) for value in inferred(model).value_info}
    sizes |= {value.name: _sizes(value) for value in model.graph.output}
    changed = 0
    for node in found:
        kernel = onnx.numpy_helper.to_array(weights[node.input[1]])
        stride = phases(node, kernel.shape)
        if stride and len(sizes.get(node.output[0], ())) == 4 and all(sizes[node.output[0]][2:]):
            _deal_out(model, node, kernel, stride, sizes[node.output[0]][2:])
            changed += 1
    return changed


def phases(node: Any, shape: tuple[int, ...]) -> int:
    """The stride of a transposed convolution in two dimensions that can, and should, be dealt out; else 0."""
    given = attributes(node)
    strides = set(given.get("strides", (1,)))
    plain = {1, *given.get("dilations", ()), given.get("group", 1)} == {1} and not any(given.get("output_padding", ()))
    if len(shape) != 4 or len(strides) != 1 or not plain or "output_shape" in given or shape[0] >= FEW_CHANNELS:
        return 0
    if given.get("auto_pad", b"NOTSET") != b"NOTSET":
        return 0
    (stride,) = strides
    return int(stride) if stride > 1 and min(shape[2:]) >= stride else 0


def subpixel_kernel(kernel: Array, stride: int) -> Array:
    """``(n_in, n_out, *sizes)`` of a transposed convolution to ``(n_out * stride², n_in, *taps)`` of a convolution."""
    n_in, n_out, *sizes = kernel.shape
    taps = [-(-size // stride) for size in sizes]
    whole = np.zeros((n_in, n_out, *(stride * n for n in taps)), kernel.dtype)
    whole[:, :, : sizes[0], : sizes[1]] = kernel
    apart = whole.reshape(n_in, n_out, taps[0], stride, taps[1], stride)  # tap, phase, tap, phase
    turned = apart[:, :, ::-1, :, ::-1].transpose(1, 3, 5, 0, 2, 4)
    return np.ascontiguousarray(turned.reshape(n_out * stride**2, n_in, *taps))


def _deal_out(model: Any, node: Any, kernel: Array, stride: int, sizes: Sequence[int]) -> None:
    onnx = require("onnx", "train", WHY)
    made = subpixel_kernel(kernel, stride)
    top, left, *_ = attributes(node).get("pads", (0, 0, 0, 0))
    base, names = node.output[0], list(node.input)
    tensors = {
        "kernel": made,
        "begin": np.array([top, left], np.int64),
        "end": np.array([top + sizes[0], left + sizes[1]], np.int64),
        "axes": np.array([2, 3], np.int64),
    }
    inputs = [names[0], f"{base}_dealt_kernel"]
    if len(names) > 2 and names[2]:
        bias = next(tensor for tensor in model.graph.initializer if tensor.name == names[2])
        tensors["bias"] = np.repeat(onnx.numpy_helper.to_array(bias), stride**2)
        inputs.append(f"{base}_dealt_bias")
    for part, values in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, f"{base}_dealt_{part}"))
    reach = [n - 1 for n in made.shape[2:]]
    ends = [f"{base}_dealt_{part}" for part in ("begin", "end", "axes")]
    steps = [
        onnx.helper.make_node("Conv", inputs, [f"{base}_phases"], pads=reach * 2, kernel_shape=list(made.shape[2:])),
        onnx.helper.make_node("DepthToSpace", [f"{base}_phases"], [f"{base}_dealt"], blocksize=stride, mode="CRD"),
        onnx.helper.make_node("Slice", [f"{base}_dealt", *ends], [base]),
    ]
    for offset, step in enumerate(steps):
        step.name = f"{base}_step{offset}"
    replace(model.graph, [node], steps)


def _become_a_convolution(node: Any, pads: list[int]) -> None:
    onnx = require("onnx", "train", WHY)
    kept = [attribute for attribute in node.attribute if attribute.name not in ("pads", "output_padding")]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", pads)])
    node.op_type = "Conv"


def _replace(model: Any, first: Any, second: Any, layer: Layer) -> None:
    onnx = require("onnx", "train", WHY)
    names = [f"{second.output[0]}_merged_{part}" for part in ("weight", "bias")]
    for name, values in zip(names, (layer.kernel, layer.bias), strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    merged = onnx.helper.make_node(
        "Conv",
        [first.input[0], *names],
        list(second.output),
        name=second.name or first.name,
        kernel_shape=list(layer.sizes),
        strides=list(layer.strides),
        pads=list(layer.pads),
    )
    replace(model.graph, [second, first], [merged])
    _forget_shapes(model, set(first.output))


def _forget_shapes(model: Any, names: set[str]) -> None:
    kept = [info for info in model.graph.value_info if info.name not in names]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def _n_groups(node: Any) -> int:
    return int(attributes(node).get("group", 1))


def _sizes(value: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
