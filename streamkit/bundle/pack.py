"""Making a bundle of anybody's ONNX model and a contract in TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from streamkit.bundle.contract import Contract, Provenance
from streamkit.bundle.read import ModelBundle, one_in_one_out
from streamkit.bundle.write import GraphFiles, write_bundle
from streamkit.errors import BackendError, BundleError, ConfigError, require
from streamkit.inference import Graph, Reference, Settings
from streamkit.inference.backend import said
from streamkit.inference.onnx_file import NotOnnx, external_files
from streamkit.inference.quarantine import pass_quarantine


def read_contract(path: str | Path) -> Contract:
    """Contract in a TOML file with the tables ``stream``, ``preprocess``, ``window``, ``output`` (and ``runner``).

    Raises
    ------
    ConfigError
        When the file is not TOML, or a key is unknown, missing or has a wrong value; names the key.
    """
    if not Path(path).is_file():
        raise ConfigError(f"there is no contract at {path}, expected a TOML file")
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not a readable TOML file: {error}") from error
    try:
        return Contract.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    where = ".".join(str(part) for part in detail["loc"])
    tables = ", ".join(Contract.model_fields)
    hint = f" (tables of a contract: {tables})" if len(detail["loc"]) <= 1 else ""
    what = {"missing": "is missing", "extra_forbidden": "is not a key of a contract"}.get(detail["type"], detail["msg"])
    return f"{where or 'contract'}: {what}{hint}"


def read_model(path: str | Path) -> bytes:
    """Content of an ONNX file, weights that lie in files beside it taken in.

    Raises
    ------
    BundleError
        When it is not ONNX, or its weights cannot be found.
    """
    if not Path(path).is_file():
        raise BundleError(f"there is no model at {path}, expected an ONNX file")
    try:
        content = Path(path).read_bytes()
        outside = external_files(content)
    except (OSError, NotOnnx) as error:
        raise BundleError(f"{path} is not a readable ONNX model: {error}") from error
    if not outside:
        return content
    onnx = require("onnx", "onnx", "packing a model whose weights are in separate files")
    try:
        whole: bytes = onnx.load(str(path)).SerializeToString()
    except Exception as error:
        raise BundleError(f"{path} keeps weights in {sorted(outside)}, which could not be read: {error}") from error
    return whole


def pack_onnx(
    model: str | Path,
    contract: Contract,
    out: str | Path,
    *,
    references: int = 8,
    seed: int = 0,
    overwrite: bool = False,
) -> ModelBundle:
    """Make a bundle of an ONNX model.

    The reference pair is `references` windows of standard normal noise and what ONNX Runtime makes of them.

    Raises
    ------
    BundleError
        When the model's input or output is not what the contract makes and names.
    """
    content = read_model(model)
    source, target = one_in_one_out(str(model), content)
    shape = source.at_batch(1)[1:]
    if None in source.shape[1:] or source.at_batch(1)[:1] != (1,) or source.dtype != "float32":
        raise BundleError(
            f"{model}: input {source.name!r} is {source.dtype} of shape {source.shape} (None: open), expected float32 "
            "(batch, n_chans, n_times) with a batch that is open or 1: export it with fixed channels and samples"
        )
    x = np.random.default_rng(seed).standard_normal((references, *shape)).astype(np.float32)
    graph = Graph(contract.runner.graph, (source,), (target,), Path(model))
    pair: Reference = x, _run(graph, content, x)
    return write_bundle(
        out,
        contract=contract,
        graphs={contract.runner.graph: GraphFiles(content)},
        references={contract.runner.graph: pair},
        provenance=Provenance(seed=seed, note=f"packed from {Path(model).name}; references are noise"),
        overwrite=overwrite,
        made_here=False,
    )


def _run(graph: Graph, content: bytes, x: NDArray[np.float32]) -> NDArray[Any]:
    """What ONNX Runtime says to each window; the file is somebody's, so it is tried in a process of its own first."""
    name, runtime = graph.onnx, require("onnxruntime", "onnx", "packing a model")
    try:
        pass_quarantine("onnxruntime", runtime.__version__, graph, Settings(), content)
    except BackendError as error:
        raise BundleError(str(error)) from error
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        first, second = (
            np.concatenate([session.run(None, {graph.input.name: row[None]})[0] for row in x]) for _ in range(2)
        )
    except Exception as error:
        raise BundleError(f"{name} does not run in ONNX Runtime: {said(error)}") from error
    if not np.array_equal(first, second):
        raise BundleError(f"{name} answers the same input differently twice: export it in evaluation mode")
    return first
