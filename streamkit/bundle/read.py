"""Reading a bundle: every byte is checked before it is parsed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.bundle.contract import Contract, Metric, Provenance
from streamkit.bundle.files import Files, check_files, check_weights, content_of, tensors_of
from streamkit.bundle.manifest import AGAIN, REFERENCE, SIDES, TENSORS, GraphEntry, read_manifest, tensor_key
from streamkit.encoding import Predictor, encoding_problems, open_predictor
from streamkit.errors import BundleError, ConfigError
from streamkit.inference import Graph, Reference, Runner, TensorSpec, Wishes, onnx_rules, open_runner
from streamkit.inference.graph import Reduced
from streamkit.inference.onnx_file import DTYPES, NotOnnx, external_files, signature
from streamkit.inference.runners import Parts
from streamkit.marks import MANIFEST

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
    files
        What each file must be, by name.
    """

    path: Path
    contract: Contract
    metrics: tuple[Metric, ...]
    provenance: Provenance
    hash: str
    graphs: dict[str, Graph]
    files: Files

    def references(self) -> dict[str, Reference]:
        """Reference input ``(n, n_chans, n_times)`` and output ``(n, *out_shape)`` of each graph.

        Tuples where a graph has several inputs or outputs.
        """
        return _references(self.path, self.files, self.graphs)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Further arrays by name, such as the templates of a retrieval."""
        return tensors_of(self.path, TENSORS, self.files) if TENSORS in self.files else {}

    @property
    def cadence(self) -> float | None:
        """Seconds between the predictions of a continuous decoder; None for one whose windows follow events."""
        hop = self.contract.window.hop
        return hop / self.contract.processed.sfreq if hop else None

    def open_runner(
        self, wish: Wishes = "auto", *, strict: bool = False, clock: Callable[[], float] = time.perf_counter
    ) -> Runner:
        """Open the decoder, proven and warm; see `streamkit.inference.open_runner`."""
        return open_runner(
            self.contract.runner,
            self.graphs,
            self.references(),
            self.contract.output,
            wish,
            cadence=self.cadence,
            strict=strict,
            tensors=self.tensors(),
            clock=clock,
        )

    def open_predictor(self, wish: Wishes = "auto", *, strict: bool = False) -> Predictor | None:
        """Open what predicts the brain's answer to a stimulus, proven and warm; None where the bundle only decodes."""
        spec = self.contract.encoding
        if spec is None:
            return None
        return open_predictor(spec, self.graphs, self.references(), self.tensors(), wish, strict)

    def gallery(self) -> NDArray[np.uint8] | None:
        """``(n_labels, channels, height, width)`` pictures of the output's labels; None where there are none."""
        name = self.contract.gallery
        return None if name is None else self.tensors()[name]


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
    graphs = {name: _graph(path, name, entry, manifest.files) for name, entry in manifest.graphs.items()}
    bundle = ModelBundle(
        path, manifest.contract, manifest.metrics, manifest.provenance, manifest.hash, graphs, manifest.files
    )
    bundle.references()
    _check_agreement(bundle)
    return bundle


def signature_of(name: str, content: bytes) -> tuple[Specs, Specs]:
    """Inputs and outputs of an ONNX model that has all its weights inside; `name` is for the message."""
    try:
        onnx_rules.check(content)
        found, outside = signature(content), external_files(content)
    except NotOnnx as error:
        raise BundleError(f"{name} is not an ONNX model ({error}): pack or calibrate the bundle again") from error
    if outside:
        raise BundleError(f"{name} keeps weights in another file, {min(outside)!r}: export it with all weights inside")
    return found


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


def _graph(path: Path, name: str, entry: GraphEntry, files: Files) -> Graph:
    for file in (*entry.onnx_files, entry.weights):
        if file is not None and file not in files:
            raise BundleError(f"{path / MANIFEST}: graph {name!r} names {file!r}, which is not in the bundle: {AGAIN}")
    for file in entry.onnx_files:
        _check_onnx(path, file, entry, files)
    weights = None if entry.weights is None else path / entry.weights
    if weights is not None:
        check_weights(weights)
    return Graph(
        name,
        entry.inputs,
        entry.outputs,
        path / entry.onnx,
        entry.builder,
        entry.builder_args,
        weights,
        {precision: Reduced(path / each.onnx, each.tolerance) for precision, each in entry.reduced.items()},
        {file: listed.sha256 for file, listed in files.items()},
    )


def _check_onnx(path: Path, name: str, entry: GraphEntry, files: Files) -> None:
    if signature_of(str(path / name), content_of(path, name, files)) != (entry.inputs, entry.outputs):
        raise BundleError(f"{path / name} has another input or output than {MANIFEST} says: {AGAIN}")
    for spec in (*entry.inputs, *entry.outputs):
        if spec.dtype not in DTYPES.values() or spec.shape[:1] not in ((None,), (1,)):
            raise BundleError(
                f"{path / name}: {spec.name!r} is {spec.dtype} {spec.sizes}, expected numbers with the batch, open or "
                "1, as the first axis: export it so"
            )


def _references(path: Path, files: Files, graphs: Mapping[str, Graph]) -> dict[str, Reference]:
    tensors = tensors_of(path, REFERENCE, files)
    return {name: _reference(path / REFERENCE, graph, tensors) for name, graph in graphs.items()}


def _reference(file: Path, graph: Graph, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    first, second = (
        tuple(_reference_tensor(file, tensor_key(graph.name, side, i), spec, tensors) for i, spec in enumerate(specs))
        for side, specs in zip(SIDES, (graph.inputs, graph.outputs), strict=True)
    )
    if len({len(array) for array in (*first, *second)}) != 1:
        raise BundleError(f"{file}: the tensors of graph {graph.name!r} have different numbers of items: {AGAIN}")
    return first[0] if len(first) == 1 else first, second[0] if len(second) == 1 else second


def _reference_tensor(file: Path, key: str, spec: TensorSpec, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    found = tensors.get(key)
    if found is None:
        raise BundleError(f"{file} has no {key}, so no backend could prove itself: {AGAIN}")
    expected = spec.at_batch(1)[1:]
    fits = found.ndim and found.shape[1:] == expected and found.dtype == spec.dtype
    if not fits or not len(found) or not np.isfinite(found).all():
        raise BundleError(
            f"{file}: {key} is {found.dtype} of shape {found.shape}, expected finite {spec.dtype} (n, *{expected})"
        )
    return found


def _check_agreement(bundle: ModelBundle) -> None:
    path, contract = bundle.path, bundle.contract
    try:
        n_chans = contract.processed.n_chans
    except ConfigError as error:
        raise BundleError(f"{path}: the contract's preprocessing does not fit its stream: {error}") from error
    parts = Parts(bundle.graphs, bundle.tensors(), contract.output, (n_chans, contract.window.n_times))
    why_not = contract.runner.lacks(parts)
    if not why_not and contract.encoding is not None:
        why_not = next(encoding_problems(contract.encoding, parts, contract.processed), "")
    if why_not := why_not or _gallery_problem(contract, parts):
        raise BundleError(f"{path}: {why_not}")


def _gallery_problem(contract: Contract, parts: Parts) -> str:
    """Say so when the pictures are missing, or not one for each label."""
    if contract.gallery is None:
        return ""
    found = parts.tensors.get(contract.gallery)
    if found is None:
        return f"the gallery needs tensor {contract.gallery!r}, there are {sorted(parts.tensors)}"
    n = len(contract.output.labels)
    if found.dtype == np.uint8 and found.ndim == 4 and found.shape[:1] == (n,) and found.shape[1] in (1, 3):
        return ""
    return (
        f"tensor {contract.gallery!r} is {found.dtype} of shape {found.shape}, expected uint8 ({n} labels, 1 or 3 "
        "channels, height, width): give one picture per label of the output"
    )
