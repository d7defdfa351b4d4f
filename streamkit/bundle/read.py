"""Reading a bundle: every byte is checked before it is parsed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.bundle.contract import Contract, Metric, Provenance
from streamkit.bundle.manifest import (
    AGAIN,
    MANIFEST,
    MAX_BYTES,
    REFERENCE,
    REPORT,
    SIDES,
    SUFFIXES,
    TENSORS,
    FileEntry,
    GraphEntry,
    Manifest,
    read_manifest,
    tensor_key,
)
from streamkit.errors import BundleError, ConfigError
from streamkit.inference import Graph, Reference, Runner, TensorSpec, open_runner
from streamkit.inference.graph import Reduced
from streamkit.inference.onnx_file import NotOnnx, external_files, signature

Specs = tuple[TensorSpec, ...]


@dataclass(frozen=True)
class ModelBundle:
    """A decoder with its contract, read from a folder.

    Attributes
    ----------
    path
        The folder.
    contract, metrics, provenance
        As written.
    hash
        sha256 over everything but ``report/``.
    graphs
        By name.
    """

    path: Path
    contract: Contract
    metrics: tuple[Metric, ...]
    provenance: Provenance
    hash: str
    graphs: dict[str, Graph]

    def references(self) -> dict[str, Reference]:
        """Reference input ``(n, n_chans, n_times)`` and output ``(n, *out_shape)`` of each graph.

        Tuples where a graph has several inputs or outputs.
        """
        return _read_references(self.path / REFERENCE, self.graphs)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Further arrays by name, such as the templates of a retrieval."""
        file = self.path / TENSORS
        return _load_tensors(file) if file.exists() else {}

    def open_runner(self, backend: str = "auto", threads: int = 1) -> Runner:
        """Open the decoder, proven and warm; see `streamkit.inference.open_runner`."""
        return open_runner(self.contract.runner, self.graphs, self.references(), self.contract.output, backend, threads)


def load_bundle(path: str | Path) -> ModelBundle:
    """Read a bundle, checking every file before it is parsed.

    Raises
    ------
    BundleError
        When a file is missing, changed, unlisted, too large, of a kind that does not belong here, or at odds with the
        contract; names the file and what to do.
    """
    path = Path(path)
    manifest = read_manifest(path)
    check_files(path, manifest.files)
    graphs = {name: _graph(path, name, entry, manifest) for name, entry in manifest.graphs.items()}
    _check_agreement(path, manifest.contract, graphs)
    _read_references(path / REFERENCE, graphs)
    if TENSORS in manifest.files:
        _load_tensors(path / TENSORS)
    return ModelBundle(path, manifest.contract, manifest.metrics, manifest.provenance, manifest.hash, graphs)


def signature_of(name: str, content: bytes) -> tuple[Specs, Specs]:
    """Inputs and outputs of an ONNX model; `name` is for the message."""
    try:
        return signature(content)
    except NotOnnx as error:
        raise BundleError(f"{name} is not an ONNX model ({error}): pack or calibrate the bundle again") from error


def one_in_one_out(name: str, content: bytes) -> tuple[TensorSpec, TensorSpec]:
    """Input and output of an ONNX model that has one of each; `name` is for the message."""
    inputs, outputs = signature_of(name, content)
    if len(inputs) != 1 or len(outputs) != 1:
        raise BundleError(
            f"{name} has {len(inputs)} inputs ({', '.join(spec.name for spec in inputs)}) and {len(outputs)} outputs "
            f"({', '.join(spec.name for spec in outputs)}), expected one of each: export it with a single input "
            "(batch, n_chans, n_times) and a single output"
        )
    return inputs[0], outputs[0]


def check_files(path: Path, listed: Mapping[str, FileEntry]) -> None:
    """Every listed file is there, whole and unchanged, and no other file is."""
    for name in listed:
        if Path(name).name != name or Path(name).suffix not in SUFFIXES or name == MANIFEST:
            raise BundleError(
                f"{path / MANIFEST} lists {name!r}; a bundle holds only {', '.join(SUFFIXES)} files, side by side: "
                "do not trust it"
            )
    for found in sorted(path.iterdir()):
        if found.name not in listed and found.name not in (MANIFEST, REPORT):
            raise BundleError(f"{found} is not listed in {MANIFEST}: remove it, or {AGAIN}")
    for name, entry in listed.items():
        _check_file(path / name, entry)


def _check_file(file: Path, entry: FileEntry) -> None:
    if not file.is_file() or file.is_symlink():
        raise BundleError(f"{file} is missing (or not a plain file): {AGAIN}")
    size, limit = file.stat().st_size, MAX_BYTES[file.suffix]
    if entry.size > limit:
        raise BundleError(f"{file} is said to have {entry.size} bytes, more than the {limit} allowed: {AGAIN}")
    if size != entry.size:
        raise BundleError(f"{file} has {size} bytes, {entry.size} were written; it is cut short or changed: {AGAIN}")
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != entry.sha256:
        raise BundleError(f"{file} was changed after it was written (its sha256 does not fit): {AGAIN}")


def _graph(path: Path, name: str, entry: GraphEntry, manifest: Manifest) -> Graph:
    for file in (*entry.onnx_files, entry.weights):
        if file is not None and file not in manifest.files:
            raise BundleError(f"{path / MANIFEST}: graph {name!r} names {file!r}, which is not in the bundle: {AGAIN}")
    for file in entry.onnx_files:
        _check_onnx(path / file, entry)
    weights = None if entry.weights is None else path / entry.weights
    if weights is not None:
        _safetensors_header(weights)
    return Graph(
        name,
        entry.inputs,
        entry.outputs,
        path / entry.onnx,
        entry.builder,
        entry.builder_args,
        weights,
        {precision: Reduced(path / each.onnx, each.tolerance) for precision, each in entry.reduced.items()},
        {file: listed.sha256 for file, listed in manifest.files.items()},
    )


def _check_onnx(onnx: Path, entry: GraphEntry) -> None:
    content = onnx.read_bytes()
    if signature_of(str(onnx), content) != (entry.inputs, entry.outputs):
        raise BundleError(f"{onnx} has another input or output than {MANIFEST} says: {AGAIN}")
    for file in external_files(content):
        raise BundleError(f"{onnx} keeps weights in another file, {file!r}: export it with all weights inside")


def _safetensors_header(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise BundleError(f"{file} is not a safetensors file ({error}): {AGAIN}") from error


def _load_tensors(file: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{file} is not a safetensors file ({error}): {AGAIN}") from error


def _read_references(file: Path, graphs: Mapping[str, Graph]) -> dict[str, Reference]:
    tensors = _load_tensors(file)
    return {name: _reference(file, graph, tensors) for name, graph in graphs.items()}


def _reference(file: Path, graph: Graph, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    first, second = (
        tuple(_reference_tensor(file, tensor_key(graph.name, side, i), spec, tensors) for i, spec in enumerate(specs))
        for side, specs in zip(SIDES, (graph.inputs, graph.outputs), strict=True)
    )
    return first[0] if len(first) == 1 else first, second[0] if len(second) == 1 else second


def _reference_tensor(file: Path, key: str, spec: TensorSpec, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    found = tensors.get(key)
    if found is None:
        raise BundleError(f"{file} has no {key}, so no backend could prove itself: {AGAIN}")
    if not len(found) or found.shape[1:] != spec.at_batch(1)[1:] or not np.isfinite(found).all():
        raise BundleError(f"{file}: {key} has shape {found.shape}, expected finite (n, *{spec.at_batch(1)[1:]})")
    return found


def _check_agreement(path: Path, contract: Contract, graphs: Mapping[str, Graph]) -> None:
    graph = graphs.get(contract.runner.graph)
    if graph is None:
        raise BundleError(f"{path}: the runner needs graph {contract.runner.graph!r}, there are {sorted(graphs)}")
    try:
        n_chans = contract.processed.n_chans
    except ConfigError as error:
        raise BundleError(f"{path}: the contract's preprocessing does not fit its stream: {error}") from error
    window = (n_chans, contract.window.n_times)
    if graph.input.dtype != "float32" or graph.input.at_batch(1) != (1, *window):
        raise BundleError(
            f"{path}: graph {graph.name!r} takes {graph.input.dtype} {_shown(graph.input)}, the contract makes windows "
            f"of float32 (batch, {n_chans} channels, {contract.window.n_times} samples). Change the contract's "
            "channels or window.n_times, or export the graph for this window"
        )
    if graph.output.at_batch(1)[1:] != contract.output.shape:
        raise BundleError(
            f"{path}: graph {graph.name!r} gives {_shown(graph.output)}, the contract's output.shape is "
            f"{contract.output.shape}. Change output.labels and output.shape, or export the graph for this output"
        )


def _shown(spec: TensorSpec) -> str:
    return "(" + ", ".join("batch" if size is None else str(size) for size in spec.shape) + ")"
