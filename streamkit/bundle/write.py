"""Writing a bundle: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from streamkit.bundle.contract import Contract, Effect, Metric, Provenance
from streamkit.bundle.manifest import (
    FORMAT,
    REFERENCE,
    SIDES,
    TENSORS,
    FewerBits,
    GraphEntry,
    ReducedEntry,
    canonical,
    first_of,
    graph_name,
    sha256,
    tensor_key,
)
from streamkit.bundle.read import ModelBundle, load_bundle, signature_of
from streamkit.errors import BundleError
from streamkit.inference import Reference, quarantine
from streamkit.inference.proof import arrays_of
from streamkit.marks import MANIFEST

Array = NDArray[Any]


@dataclass(frozen=True)
class ReducedFiles:
    """A graph in fewer bits, the error that passes its proof, and what it does to the scores."""

    onnx: bytes
    tolerance: float
    effect: tuple[Effect, ...]


@dataclass(frozen=True)
class GraphFiles:
    """What becomes the files of one graph.

    Attributes
    ----------
    onnx
        Content of the ONNX file, all weights inside.
    builder, builder_args
        Entry point of ``streamkit.models`` and all its keyword arguments; None and {} when there is none.
    state_dict
        Weights of the built module by name; None when there is no builder.
    reduced
        Versions in fewer bits.
    """

    onnx: bytes
    builder: str | None = None
    builder_args: dict[str, Any] = field(default_factory=dict)
    state_dict: Mapping[str, Array] | None = None
    reduced: Mapping[FewerBits, ReducedFiles] = field(default_factory=dict)


def write_bundle(
    path: str | Path,
    *,
    contract: Contract,
    graphs: Mapping[str, GraphFiles],
    references: Mapping[str, Reference],
    metrics: tuple[Metric, ...] = (),
    provenance: Provenance | None = None,
    tensors: Mapping[str, Array] | None = None,
    overwrite: bool = False,
    made_here: bool = True,
) -> ModelBundle:
    """Write a bundle: whole or not at all.

    Parameters
    ----------
    path
        The folder to make; its parent is made when needed.
    references
        For each graph, inputs ``(n, n_chans, n_times)`` and the outputs a backend must reproduce.
    tensors
        Further arrays by name, such as the templates of a retrieval.
    overwrite
        Replace a bundle that is already there, its report included. Anything that is not a bundle is never replaced.
    made_here
        Its ONNX files were made on this machine by code that is trusted, so they need no quarantine here.

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
        _write_files(temporary, contract, graphs, references, metrics, provenance or Provenance(), tensors or {})
        _check(temporary, path)
        _move(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if made_here:
        for files in graphs.values():
            for content in (files.onnx, *(each.onnx for each in files.reduced.values())):
                quarantine.made_here(content)
    return load_bundle(path)


def _check_way(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    is_bundle = (path / MANIFEST).is_file()
    if not is_bundle and not (path.is_dir() and not any(path.iterdir())):
        raise BundleError(f"{path} is in the way and is not a bundle: choose another --out")
    if is_bundle and not overwrite:
        raise BundleError(f"{path} is already a bundle: choose another --out, or allow overwriting")


def _check(temporary: Path, path: Path) -> None:
    try:
        load_bundle(temporary)
    except BundleError as error:
        raise BundleError(str(error).replace(str(temporary), str(path))) from error


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
    more: Mapping[str, Array],
) -> None:
    from safetensors.numpy import save

    entries: dict[str, GraphEntry] = {}
    contents: dict[str, bytes] = {}
    for name, files in graphs.items():
        try:
            entries[graph_name(name)], parts = _graph_files(name, files)
        except ValidationError as error:
            raise BundleError(f"graph {name!r}: {first_of(error)}") from error
        except ValueError as error:
            raise BundleError(str(error)) from error
        contents |= parts
    tensors = {
        tensor_key(name, side, i): array
        for name, pair in references.items()
        for side, arrays in zip(SIDES, map(arrays_of, pair), strict=True)
        for i, array in enumerate(arrays)
    }
    for file, arrays_by_name in ((REFERENCE, tensors), (TENSORS, more)):
        if arrays_by_name:
            contents[file] = save({name: np.asarray(array, order="C") for name, array in arrays_by_name.items()})
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    document: dict[str, Any] = {
        "format": FORMAT,
        "contract": contract.model_dump(mode="json"),
        "metrics": [metric.model_dump(mode="json") for metric in metrics],
        "provenance": provenance.model_dump(mode="json"),
        "graphs": {name: entry.model_dump(mode="json") for name, entry in entries.items()},
        "files": {name: {"sha256": sha256(content), "size": len(content)} for name, content in contents.items()},
    }
    document["hash"] = sha256(canonical(document))
    (folder / MANIFEST).write_bytes(canonical(document))


def _graph_files(name: str, files: GraphFiles) -> tuple[GraphEntry, dict[str, bytes]]:
    from safetensors.numpy import save

    inputs, outputs = signature_of(f"{name}.onnx", files.onnx)
    contents = {f"{name}.onnx": files.onnx}
    if files.state_dict is not None:
        weights = {key: np.asarray(array, order="C") for key, array in files.state_dict.items()}
        contents[f"{name}.safetensors"] = save(weights)
    contents |= {f"{name}.{precision}.onnx": each.onnx for precision, each in files.reduced.items()}
    entry = GraphEntry(
        onnx=f"{name}.onnx",
        weights=None if files.state_dict is None else f"{name}.safetensors",
        builder=files.builder,
        builder_args=files.builder_args,
        inputs=inputs,
        outputs=outputs,
        reduced={
            precision: ReducedEntry(onnx=f"{name}.{precision}.onnx", tolerance=each.tolerance, effect=each.effect)
            for precision, each in files.reduced.items()
        },
    )
    return entry, contents
