"""Winograd's convolutions: an ONNX graph whose wide convolutions take a fraction of their products.

Tiles of n x n inputs, overlapping by k - 1, give m x m outputs of a k x k kernel each (n = m + k - 1). Taken to where
multiplying polynomials is pointwise, a tile costs n² products per pair of channels instead of k² m²: 64 instead of 400
for a kernel of 5 and tiles of 8. What a tile costs besides does not grow with the product of the channels, so this
pays where there are many. No runtime for processors does so for kernels other than 3 x 3, and the two used here not at
all. Only float32 carries it: the sums lose about a decimal digit.

Source: S. Winograd, Arithmetic Complexity of Computations, 1980; for networks: Lavin & Gray, arXiv:1509.09308.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require
from streamkit.inference.onnx_nodes import attributes, inferred, replace

Matrix = NDArray[np.float64]

POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
"""Where the polynomials are evaluated, besides at infinity; more or others lose more digits."""

TILES = (4, 6, 8)
KERNELS = range(3, 8)

OPERATIONS_PER_BYTE = 10.0
"""Multiplications and additions that a core makes while it moves one byte to memory or back, roughly."""

GAIN = 1.5
"""How many times cheaper it must be by count; counts are coarse."""

SMALL = 2**17
"""Bytes of a file in which no layer can be wide enough."""


@dataclass(frozen=True)
class Layer:
    """A convolution of stride 1 with a square kernel: its channels, its extents, and the zeros around its input.

    Attributes
    ----------
    pads
        At the begin of rows and columns, then at their end.
    """

    n_in: int
    n_out: int
    kernel: int
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    pads: tuple[int, int, int, int]

    def operations(self, batch: int) -> float:
        """What it costs as it is, in operations; bytes moved count as those that could be made meanwhile."""
        weights = self.n_in * self.n_out * self.kernel**2
        return 2.0 * weights * batch * self.outputs[0] * self.outputs[1] + 4 * weights * OPERATIONS_PER_BYTE

    def operations_in_tiles(self, tile: int, batch: int) -> float:
        """What it costs in tiles of `tile`."""
        rows, cols = self.tiles(tile)
        n_tiles, points, made = batch * rows * cols, tile**2, (tile - self.kernel + 1) ** 2
        weights = points * self.n_in * self.n_out
        turning = points * n_tiles * (points * self.n_in + made * self.n_out)
        moved = 4 * (weights + 3 * points * n_tiles * (self.n_in + self.n_out))
        return 2.0 * (weights * n_tiles + turning) + moved * OPERATIONS_PER_BYTE

    def tiles(self, tile: int) -> tuple[int, int]:
        """Tiles down and across that cover the output."""
        step = tile - self.kernel + 1
        return -(-self.outputs[0] // step), -(-self.outputs[1] // step)

    def tile(self, batch: int) -> int:
        """The tile that costs least, if it pays; else 0."""
        possible = [tile for tile in TILES if tile > self.kernel]
        best = min(possible, key=lambda tile: self.operations_in_tiles(tile, batch))
        return best if GAIN * self.operations_in_tiles(best, batch) < self.operations(batch) else 0


def in_tiles(content: bytes, batch: int = 1) -> bytes:
    """Rewrite an ONNX file so that convolutions for which it pays are computed in tiles.

    Parameters
    ----------
    content
        A whole ONNX file that computes in float32.
    batch
        Items in a batch when it runs; the result is for this batch alone.

    Returns
    -------
    bytes
        The same network with the same inputs and outputs, rounding apart (about 1e-5 of the largest output); the same
        bytes every time. `content` itself where nothing pays, or it cannot be read, which the runtime will say better.
    """
    if len(content) < SMALL:
        return content
    onnx = require("onnx", "onnx", "computing convolutions in tiles")
    try:
        model = onnx.load_model_from_string(content)
        shapes = _shapes(onnx, model, batch)
    except Exception:
        return content
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = [(node, layer) for node in model.graph.node if (layer := _layer(onnx, node, weights, shapes))]
    paying = [(node, layer, tile) for node, layer in found if (tile := layer.tile(batch))]
    if not paying:
        return content
    for node, layer, tile in paying:
        _Rewriter(onnx, model.graph, weights, node, layer, tile).rewrite()
    del model.graph.value_info[:]
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def toom_cook(n_out: int, n_taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """Matrices that correlate a tile with a kernel by pointwise products.

    Parameters
    ----------
    n_out, n_taps
        Outputs of a tile, and taps of the kernel.

    Returns
    -------
    out, kernel, tile
        ``(n_out, n)``, ``(n, n_taps)`` and ``(n, n)`` for n = n_out + n_taps - 1, so that ``out @ ((kernel @ g) *
        (tile @ d))`` is ``numpy.correlate(d, g, "valid")``; rows are scaled by powers of 2 to be of like size.
    """
    points = POINTS[: n_out + n_taps - 2]
    others = [[other for other in points if other != point] for point in points]
    norms = [_product([point - other for other in rest]) for point, rest in zip(points, others, strict=True)]
    out = [[point**power for point in points] + [Fraction(power == n_out - 1)] for power in range(n_out)]
    kernel = [[point**power / norm for power in range(n_taps)] for point, norm in zip(points, norms, strict=True)]
    kernel.append([Fraction(power == n_taps - 1) for power in range(n_taps)])
    tile = [[*_coefficients(rest), Fraction(0)] for rest in others] + [_coefficients(points)]
    return _balanced(*(np.array(rows, float) for rows in (out, kernel, tile)))


def _product(factors: list[Fraction]) -> Fraction:
    product = Fraction(1)
    for factor in factors:
        product *= factor
    return product


def _coefficients(roots: tuple[Fraction, ...] | list[Fraction]) -> list[Fraction]:
    """Of the polynomial with these roots, the constant first."""
    found = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *found]
        found = [above - root * here for above, here in zip(shifted, [*found, Fraction(0)], strict=True)]
    return found


def _balanced(out: Matrix, kernel: Matrix, tile: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    ratio = np.linalg.norm(tile, axis=1) / np.linalg.norm(kernel, axis=1)
    scale = 2.0 ** np.round(np.log2(ratio) / 2)
    return out, kernel * scale[:, None], tile / scale[:, None]


def _shapes(onnx: Any, model: Any, batch: int) -> dict[str, tuple[int, ...]]:
    """Shape of each float32 tensor of the graph at `batch`; 0 where a size is unknown."""
    graph = inferred(model, batch)
    kinds = {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info, *graph.output)}
    return {
        name: tuple(dim.dim_value for dim in kind.shape.dim)
        for name, kind in kinds.items()
        if kind.elem_type == onnx.TensorProto.FLOAT
    }


def _layer(onnx: Any, node: Any, weights: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> Layer | None:
    """What kind of convolution `node` is, if it can be done in tiles at all."""
    if node.op_type != "Conv" or any(name not in weights for name in node.input[1:] if name):
        return None
    given = attributes(node)
    steps = {1, given.get("group", 1), *given.get("strides", ()), *given.get("dilations", ())}
    kernel = tuple(weights[node.input[1]].dims)
    known = [shapes.get(name, ()) for name in (node.input[0], node.output[0])]
    padded = given.get("auto_pad", b"NOTSET") != b"NOTSET"
    if steps != {1} or padded or len(kernel) != 4 or any(len(shape) != 4 or 0 in shape for shape in known):
        return None
    if kernel[2] != kernel[3] or kernel[2] not in KERNELS or weights[node.input[1]].data_type != onnx.TensorProto.FLOAT:
        return None
    inputs, outputs = ((shape[2], shape[3]) for shape in known)
    return Layer(kernel[1], kernel[0], kernel[2], inputs, outputs, tuple(given.get("pads", (0, 0, 0, 0))))


class _Rewriter:
    """Puts the nodes that compute one convolution in tiles where it was."""

    def __init__(self, onnx: Any, graph: Any, weights: dict[str, Any], node: Any, layer: Layer, tile: int) -> None:
        self._onnx, self._graph, self._node, self._layer, self._tile = onnx, graph, node, layer, tile
        self._kernel = onnx.numpy_helper.to_array(weights[node.input[1]])
        biased = len(node.input) > 2 and node.input[2]
        self._bias = onnx.numpy_helper.to_array(weights[node.input[2]]) if biased else None
        self._nodes: list[Any] = []

    def rewrite(self) -> None:
        layer, tile = self._layer, self._tile
        step = tile - layer.kernel + 1
        rows, cols = layer.tiles(tile)
        out, kernel, turn = toom_cook(step, layer.kernel)
        top, left, _, _ = layer.pads
        below, right = (
            count * step + layer.kernel - 1 - size - before
            for count, size, before in zip((rows, cols), layer.inputs, (top, left), strict=True)
        )
        turns = self._constant("turn", np.kron(turn, turn).reshape(tile**2, 1, tile, tile))
        backs = self._constant("back", np.kron(out, out).reshape(step**2, tile**2, 1, 1))
        taps = self._kernel.reshape(-1, layer.kernel**2).astype(np.float64)
        weights = self._constant("weight", (np.kron(kernel, kernel) @ taps.T).reshape(-1, layer.n_out, layer.n_in))

        planes = self._shaped(self._node.input[0], -1, 1, *layer.inputs)
        tiles = self._add("Conv", planes, turns, strides=[step, step], pads=[top, left, below, right])
        tiles = self._add("Transpose", self._shaped(tiles, -1, layer.n_in, tile**2, rows * cols), perm=[0, 2, 1, 3])
        summed = self._add("Transpose", self._add("MatMul", weights, tiles), perm=[0, 2, 1, 3])
        made = self._add("Conv", self._shaped(summed, -1, tile**2, rows, cols), backs)
        made = self._shaped(self._add("DepthToSpace", made, blocksize=step), -1, layer.n_out, rows * step, cols * step)
        ends = self._sizes("begin", 0, 0), self._sizes("end", *layer.outputs), self._sizes("axes", 2, 3)
        self._finish(self._add("Slice", made, *ends))

    def _finish(self, made: str) -> None:
        if self._bias is not None:
            made = self._add("Add", made, self._constant("bias", self._bias.reshape(1, -1, 1, 1)))
        self._nodes[-1].output[0] = self._node.output[0]
        replace(self._graph, [self._node], self._nodes)

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = self._name(f"{len(self._nodes)}")
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def _shaped(self, x: str, *sizes: int) -> str:
        return self._add("Reshape", x, self._sizes(f"shape{len(self._nodes)}", *sizes))

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        return self._keep(name, values.astype(np.float32))

    def _sizes(self, name: str, *sizes: int) -> str:
        return self._keep(name, np.array(sizes, np.int64))

    def _keep(self, name: str, values: NDArray[Any]) -> str:
        tensor = self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), self._name(name))
        self._graph.initializer.append(tensor)
        return str(tensor.name)

    def _name(self, part: str) -> str:
        return f"{self._node.output[0]}__tiles_{part}"
