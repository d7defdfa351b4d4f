"""What an ONNX file says about itself, read without the onnx package and without running anything.

Only the protobuf wire format and the field numbers of ``onnx.proto`` are used, so a machine that decodes with
OpenVINO alone can still check a file it was handed.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamkit.inference.graph import TensorSpec

DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
EXTERNAL_DATA, DATA_LOCATION = 13, 14
MAX_DEPTH = 64
# Message -> field number -> message in that field: every path on which a tensor can hide.
CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
Field = tuple[int, int | memoryview]


class NotOnnx(ValueError):
    """The bytes are not an ONNX model."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70 and at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise NotOnnx("a number is cut short")


def fields(data: memoryview) -> Iterator[Field]:
    """Field number and content of each field of one protobuf message: an int, or a view of its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, at = _varint(data, at)
        elif key & 7 in (1, 5):
            size = 8 if key & 7 == 1 else 4
        else:
            raise NotOnnx(f"wire type {key & 7} at byte {at}")
        if at + size > len(data):
            raise NotOnnx("a field runs past the end")
        yield key >> 3, data[at : at + size]
        at += size


def parts(data: memoryview, number: int) -> Iterator[memoryview]:
    """Messages, texts or bytes in field `number` of one message."""
    for found, value in fields(data):
        if found == number:
            if isinstance(value, int):
                raise NotOnnx(f"field {number} is a number, expected a message")
            yield value


def number_in(data: memoryview, number: int) -> int | None:
    """The number in field `number` of one message; None when there is none."""
    return next((value for found, value in fields(data) if found == number and isinstance(value, int)), None)


def text_in(data: memoryview, number: int) -> str:
    """The text in field `number` of one message; empty when there is none."""
    return next((bytes(part).decode("utf-8", "replace") for part in parts(data, number)), "")


def _graph(model: memoryview) -> memoryview:
    graph = next(parts(model, 7), None)
    if graph is None or number_in(model, 1) is None:
        raise NotOnnx("there is no graph in it")
    return graph


def external_files(content: bytes) -> set[str]:
    """Names of the files that tensors of an ONNX model are to be read from.

    Raises
    ------
    NotOnnx
        When `content` is not an ONNX model.
    """
    model = memoryview(content)
    _graph(model)
    return set(_external(model, "model", 0))


def _external(data: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise NotOnnx("graphs are nested too deeply")
    if kind == "tensor":
        yield from _tensor_files(data)
        return
    children = CHILDREN[kind]
    for number, value in fields(data):
        if number in children and not isinstance(value, int):
            yield from _external(value, children[number], depth + 1)


def _tensor_files(tensor: memoryview) -> Iterator[str]:
    entries = list(parts(tensor, EXTERNAL_DATA))
    locations = [text_in(entry, 2) for entry in entries if text_in(entry, 1) == "location"]
    yield from locations
    if not locations and (entries or number_in(tensor, DATA_LOCATION)):
        yield ""


def _spec(value_info: memoryview) -> TensorSpec:
    kind = next(parts(value_info, 2), memoryview(b""))
    tensor = next(parts(kind, 1), None)
    if tensor is None:
        raise NotOnnx(f"{text_in(value_info, 1)!r} is not a tensor")
    shape = next(parts(tensor, 2), memoryview(b""))
    sizes = tuple(number_in(dim, 1) for dim in parts(shape, 1))
    code = number_in(tensor, 1) or 0
    return TensorSpec(name=text_in(value_info, 1), shape=sizes, dtype=DTYPES.get(code, f"type {code}"))


def signature(content: bytes) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of an ONNX model; inputs that merely give an initialiser a name are left out.

    Raises
    ------
    NotOnnx
        When `content` is not an ONNX model, or an input or output is not a tensor.
    """
    graph = _graph(memoryview(content))
    weights = {text_in(tensor, 8) for tensor in parts(graph, 5)}
    inputs = tuple(_spec(part) for part in parts(graph, 11))
    outputs = tuple(_spec(part) for part in parts(graph, 12))
    return tuple(spec for spec in inputs if spec.name not in weights), outputs


def batch_names(content: bytes) -> set[str]:
    """Names that an ONNX model gives to the first axis of its inputs, where that is open."""
    inputs = parts(_graph(memoryview(content)), 11)
    axes = (_axes(value) for value in inputs)
    return {name for first, *_ in axes if (name := text_in(first, 2))}


def _axes(value_info: memoryview) -> list[memoryview]:
    kind = next(parts(value_info, 2), memoryview(b""))
    shape = next((part for tensor in parts(kind, 1) for part in parts(tensor, 2)), memoryview(b""))
    return list(parts(shape, 1)) or [memoryview(b"")]
