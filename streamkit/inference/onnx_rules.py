"""What an ONNX model must keep to before a runtime sees it: versions that exist, and wiring without circles.

The specification asks for all of it, and a runtime may run forever on a file that does not: OpenVINO 2026.4 does for a
version of 2^62, for a node that reads what comes after it, and for a graph within an operator that has none.
"""

from __future__ import annotations

from streamkit.inference.onnx_file import MAX_DEPTH, NotOnnx, fields, number_in, parts, text_in

MAX_VERSION = 1000
HOLD_GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def check(content: bytes) -> None:
    """Check an ONNX model.

    Raises
    ------
    NotOnnx
        When it breaks a rule; says which.
    """
    model = memoryview(content)
    for opset in parts(model, 8):
        _check_version("operator set", number_in(opset, 2))
    _check_version("file format", number_in(model, 1))
    for graph in parts(model, 7):
        _check_graph(graph, frozenset(), 0)
    for function in parts(model, 25):
        known = {bytes(name) for name in parts(function, 4)}
        _check_nodes(list(parts(function, 7)), known, 0)


def _check_version(what: str, version: int | None) -> None:
    if version is None or not 1 <= version <= MAX_VERSION:
        raise NotOnnx(f"its {what} has version {version}")


def _check_graph(graph: memoryview, outer: frozenset[bytes], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotOnnx("graphs are nested too deeply")
    known = set(outer)
    known |= {_name(value, 1) for value in parts(graph, 11)}
    known |= {_name(tensor, 8) for tensor in parts(graph, 5)}
    known |= {_name(values, 8) for sparse in parts(graph, 15) for values in parts(sparse, 1)}
    _check_nodes(list(parts(graph, 1)), known, depth)
    for output in parts(graph, 12):
        if _name(output, 1) not in known:
            raise NotOnnx(f"nothing gives the output {_name(output, 1).decode(errors='replace')!r}")


def _check_nodes(nodes: list[memoryview], known: set[bytes], depth: int) -> None:
    """Add to `known` what each node gives; what it reads must be there already."""
    given: set[bytes] = set()
    for node in nodes:
        operator = text_in(node, 4)
        for name in map(bytes, parts(node, 1)):
            if name and name not in known:
                raise NotOnnx(f"{operator} reads {name.decode(errors='replace')!r}, which nothing before it gives")
        for graph in _graphs_in(node):
            if operator not in HOLD_GRAPHS:
                raise NotOnnx(f"{operator} holds a graph")
            _check_graph(graph, frozenset(known), depth + 1)
        outputs = {bytes(name) for name in parts(node, 2)} - {b""}
        if outputs & given:
            raise NotOnnx(f"{min(outputs & given).decode(errors='replace')!r} is given twice")
        given |= outputs
        known |= outputs


def _graphs_in(node: memoryview) -> list[memoryview]:
    return [
        value
        for attribute in parts(node, 5)
        for number, value in fields(attribute)
        if number in (6, 11) and not isinstance(value, int)
    ]


def _name(message: memoryview, number: int) -> bytes:
    return next((bytes(part) for part in parts(message, number)), b"")
