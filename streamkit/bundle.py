"""ModelBundle: a decoder and its contract in one folder, nothing executable in it.

::

    bundle.json             contract, metrics, provenance; size and sha256 of every other file; a hash over all
    decoder.onnx            the graph
    decoder.safetensors     the same weights, for the registered builder; absent for somebody's ONNX
    reference.safetensors   inputs and outputs on which a backend proves itself
    report/                 optional, for people; not part of the hash

Every byte is checked against its sha256 before it is parsed. There is no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamkit import __version__
from streamkit.errors import BundleError, ConfigError
from streamkit.inference import Graph, Runner, RunnerConfig, TensorSpec, open_runner
from streamkit.inference.onnx_file import NotOnnx, external_files, signature
from streamkit.preprocess import PreprocessConfig, Preprocessor, WindowConfig
from streamkit.types import OutputSpec, StreamSpec

FORMAT = 1
MANIFEST, REFERENCE, REPORT = "bundle.json", "reference.safetensors", "report"
SUFFIXES = (".json", ".onnx", ".safetensors")
MAX_BYTES = {".json": 16 << 20, ".onnx": (2 << 30) - 1, ".safetensors": 8 << 30}
Array = NDArray[Any]
Reference = tuple[Array, Array]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Contract(_Part):
    """What a stream must be, what is done to it, and what the answer means.

    Parameters
    ----------
    stream
        Channels, rate and unit the decoder was calibrated on; name, source_id and hostname stay empty.
    preprocess, window, output, runner
        As their own pages say.
    """

    stream: StreamSpec
    preprocess: PreprocessConfig = PreprocessConfig()
    window: WindowConfig
    output: OutputSpec
    runner: RunnerConfig = RunnerConfig()

    @model_validator(mode="after")
    def _one_label_per_output(self) -> Contract:
        labels, shape = self.output.labels, self.output.shape
        if self.output.kind != "image" and shape != (len(labels),):
            raise ValueError(f"output: {len(labels)} labels for shape {shape}, expected one label per output")
        if self.stream.source_id or self.stream.hostname:
            raise ValueError("stream: source_id and hostname name one outlet; a contract leaves them empty")
        return self


class Metric(_Part):
    """One score on data the decoder was not trained on.

    Parameters
    ----------
    value, chance, ci95
        The score, what a guess would get, and its 95 % interval.
    n
        How many items were scored.
    """

    name: str
    value: float
    chance: float | None = None
    ci95: tuple[float, float] | None = None
    n: int = Field(ge=0)
    note: str = ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Provenance(_Part):
    """Where a decoder came from.

    Parameters
    ----------
    created
        ISO 8601, UTC.
    trained_on, held_out
        Groups of recordings used and not used for training.
    """

    created: str = Field(default_factory=_now)
    streamkit: str = __version__
    recipe: dict[str, Any] = Field(default_factory=dict)
    dataset: str = ""
    simulated: bool = False
    trained_on: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    seed: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class GraphFiles:
    """What becomes the files of one graph.

    Attributes
    ----------
    onnx
        Content of the ONNX file; one input, one output.
    builder, builder_args
        Entry point of ``streamkit.models`` and all its keyword arguments; None and {} when there is none.
    state_dict
        Weights of the built module by name; None when there is no builder.
    """

    onnx: bytes
    builder: str | None = None
    builder_args: dict[str, Any] = field(default_factory=dict)
    state_dict: Mapping[str, Array] | None = None


class _GraphEntry(_Part):
    onnx: str
    weights: str | None = None
    builder: str | None = None
    builder_args: dict[str, Any] = Field(default_factory=dict)
    input: TensorSpec
    output: TensorSpec


class _FileEntry(_Part):
    sha256: str
    size: int = Field(ge=0)


class _Manifest(_Part):
    format: int
    hash: str
    contract: Contract
    metrics: tuple[Metric, ...]
    provenance: Provenance
    graphs: dict[str, _GraphEntry]
    files: dict[str, _FileEntry]


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
        """Reference input ``(n, n_chans, n_times)`` and output ``(n, *out_shape)`` of each graph."""
        return _read_references(self.path / REFERENCE, self.graphs)

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
    manifest = _read_manifest(path)
    _check_files(path, manifest.files)
    graphs = {name: _graph(path, name, entry, manifest) for name, entry in manifest.graphs.items()}
    _check_agreement(path, manifest.contract, graphs)
    _read_references(path / REFERENCE, graphs)
    return ModelBundle(path, manifest.contract, manifest.metrics, manifest.provenance, manifest.hash, graphs)


def write_bundle(
    path: str | Path,
    *,
    contract: Contract,
    graphs: Mapping[str, GraphFiles],
    references: Mapping[str, Reference],
    metrics: tuple[Metric, ...] = (),
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> ModelBundle:
    """Write a bundle: whole or not at all.

    Parameters
    ----------
    path
        The folder to make; its parent is made when needed.
    references
        For each graph, inputs ``(n, n_chans, n_times)`` and the outputs a backend must reproduce.
    overwrite
        Replace a bundle that is already there, its report included. Anything that is not a bundle is never replaced.

    Raises
    ------
    BundleError
        When something is in the way, or the parts do not fit together.
    """
    path = Path(path)
    _check_way(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        _write_files(temporary, contract, graphs, references, metrics, provenance or Provenance())
        load_bundle(temporary)
        _move(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load_bundle(path)


def _check_way(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    is_bundle = (path / MANIFEST).is_file()
    if not is_bundle and not (path.is_dir() and not any(path.iterdir())):
        raise BundleError(f"{path} is in the way and is not a bundle: choose another --out")
    if is_bundle and not overwrite:
        raise BundleError(f"{path} is already a bundle: choose another --out, or allow overwriting")


def _move(temporary: Path, path: Path) -> None:
    os.chmod(temporary, 0o755)
    if not path.exists():
        os.rename(temporary, path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    os.rename(path, old / "bundle")
    os.rename(temporary, path)
    shutil.rmtree(old, ignore_errors=True)


def _write_files(
    folder: Path,
    contract: Contract,
    graphs: Mapping[str, GraphFiles],
    references: Mapping[str, Reference],
    metrics: tuple[Metric, ...],
    provenance: Provenance,
) -> None:
    from safetensors.numpy import save

    entries: dict[str, _GraphEntry] = {}
    contents: dict[str, bytes] = {}
    for name, files in graphs.items():
        entries[name], more = _graph_files(name, files)
        contents |= more
    tensors = {f"{name}.{side}": pair[i] for name, pair in references.items() for i, side in enumerate(SIDES)}
    contents[REFERENCE] = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    document: dict[str, Any] = {
        "format": FORMAT,
        "contract": contract.model_dump(mode="json"),
        "metrics": [metric.model_dump(mode="json") for metric in metrics],
        "provenance": provenance.model_dump(mode="json"),
        "graphs": {name: entry.model_dump(mode="json") for name, entry in entries.items()},
        "files": {name: {"sha256": _sha256(content), "size": len(content)} for name, content in contents.items()},
    }
    document["hash"] = _sha256(_canonical(document))
    (folder / MANIFEST).write_bytes(_canonical(document))


SIDES = ("input", "output")


def _graph_files(name: str, files: GraphFiles) -> tuple[_GraphEntry, dict[str, bytes]]:
    from safetensors.numpy import save

    source, target = _one_in_one_out(f"{name}.onnx", files.onnx)
    contents = {f"{name}.onnx": files.onnx}
    if files.state_dict is not None:
        weights = {key: np.ascontiguousarray(array) for key, array in files.state_dict.items()}
        contents[f"{name}.safetensors"] = save(weights)
    entry = _GraphEntry(
        onnx=f"{name}.onnx",
        weights=None if files.state_dict is None else f"{name}.safetensors",
        builder=files.builder,
        builder_args=files.builder_args,
        input=source,
        output=target,
    )
    return entry, contents


def _one_in_one_out(name: str, content: bytes) -> tuple[TensorSpec, TensorSpec]:
    try:
        inputs, outputs = signature(content)
    except NotOnnx as error:
        raise BundleError(f"{name} is not an ONNX model ({error}): pack or calibrate the bundle again") from error
    if len(inputs) != 1 or len(outputs) != 1:
        raise BundleError(
            f"{name} has {len(inputs)} inputs ({', '.join(spec.name for spec in inputs)}) and {len(outputs)} outputs "
            f"({', '.join(spec.name for spec in outputs)}), expected one of each: export it with a single input "
            "(batch, n_chans, n_times) and a single output"
        )
    return inputs[0], outputs[0]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _canonical(document: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"{MANIFEST} cannot hold this: {error}. Metrics and provenance are finite JSON") from error
    return text.encode() + b"\n"


AGAIN = "copy the bundle again from where it came, or calibrate it again"


def _read_manifest(path: Path) -> _Manifest:
    file = path / MANIFEST
    if not path.is_dir():
        raise BundleError(f"{path} is not a folder, expected a bundle (a folder with {MANIFEST})")
    if not file.is_file() or file.is_symlink():
        raise BundleError(f"{file} is missing, so {path} is not a bundle: {AGAIN}")
    if file.stat().st_size > MAX_BYTES[".json"]:
        raise BundleError(f"{file} is larger than {MAX_BYTES['.json']} bytes and was not read: {AGAIN}")
    document = _parse_manifest(file)
    try:
        return _Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{file}: {where}: {first['msg']}. {AGAIN.capitalize()}") from error


def _parse_manifest(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file} is not JSON ({error}); it may be cut short: {AGAIN}") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise BundleError(f"{file} does not say which format it has, so it is not a bundle's: {AGAIN}")
    if document["format"] > FORMAT:
        raise BundleError(
            f"{file} has format {document['format']}, this streamkit {__version__} reads up to {FORMAT}: "
            "install a newer streamkit"
        )
    claimed = document.get("hash")
    rest = {key: value for key, value in document.items() if key != "hash"}
    if _sha256(_canonical(rest)) != claimed or _canonical(document) != content:
        raise BundleError(f"{file} was changed after it was written (its hash does not fit): {AGAIN}")
    return document


def _check_files(path: Path, listed: Mapping[str, _FileEntry]) -> None:
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


def _check_file(file: Path, entry: _FileEntry) -> None:
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


def _graph(path: Path, name: str, entry: _GraphEntry, manifest: _Manifest) -> Graph:
    for file in (entry.onnx, entry.weights):
        if file is not None and file not in manifest.files:
            raise BundleError(f"{path / MANIFEST}: graph {name!r} names {file!r}, which is not in the bundle: {AGAIN}")
    onnx = path / entry.onnx
    content = onnx.read_bytes()
    if _one_in_one_out(str(onnx), content) != (entry.input, entry.output):
        raise BundleError(f"{onnx} has another input or output than {MANIFEST} says: {AGAIN}")
    for file in external_files(content):
        if file not in manifest.files:
            raise BundleError(
                f"{onnx} keeps weights outside the bundle, in {file!r}: export it with all weights inside"
            )
    weights = None if entry.weights is None else path / entry.weights
    if weights is not None:
        _safetensors_header(weights)
    return Graph(name, entry.input, entry.output, onnx, entry.builder, entry.builder_args, weights)


def _safetensors_header(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise BundleError(f"{file} is not a safetensors file ({error}): {AGAIN}") from error


def _read_references(file: Path, graphs: Mapping[str, Graph]) -> dict[str, Reference]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{file} is not a safetensors file ({error}): {AGAIN}") from error
    for name, graph in graphs.items():
        for side, spec in zip(SIDES, (graph.input, graph.output), strict=True):
            found = tensors.get(f"{name}.{side}")
            if found is None:
                raise BundleError(f"{file} has no {name}.{side}, so no backend could prove itself: {AGAIN}")
            if not len(found) or found.shape[1:] != spec.at_batch(1)[1:] or not np.isfinite(found).all():
                raise BundleError(
                    f"{file}: {name}.{side} has shape {found.shape}, expected finite (n, *{spec.at_batch(1)[1:]})"
                )
    return {name: (tensors[f"{name}.input"], tensors[f"{name}.output"]) for name in graphs}


def _check_agreement(path: Path, contract: Contract, graphs: Mapping[str, Graph]) -> None:
    graph = graphs.get(contract.runner.graph)
    if graph is None:
        raise BundleError(f"{path}: the runner needs graph {contract.runner.graph!r}, there are {sorted(graphs)}")
    try:
        n_chans = Preprocessor(contract.stream, contract.preprocess).out.n_chans
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
