"""``bundle.json``: what is in a bundle, in canonical JSON, with a hash over it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from streamkit import __version__
from streamkit.bundle.contract import Contract, Effect, Metric, Part, Provenance
from streamkit.errors import BundleError
from streamkit.inference import TensorSpec
from streamkit.marks import MANIFEST

FORMAT = 2
REFERENCE, TENSORS, REPORT = "reference.safetensors", "tensors.safetensors", "report"
SIDES = ("input", "output")
SUFFIXES = (".json", ".onnx", ".safetensors")
MAX_BYTES = {".json": 16 << 20, ".onnx": (2 << 30) - 1, ".safetensors": 8 << 30}
AGAIN = "copy the bundle again from where it came, or calibrate it again"

FewerBits = Literal["fp16", "bf16", "int8"]


def graph_name(name: str) -> str:
    """Return `name` when it can be part of file names."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or name in ("reference", "tensors"):
        raise ValueError(f"{name!r} is no name for a graph, expected letters, digits, - and _ (not reference, tensors)")
    return name


GraphName = Annotated[str, AfterValidator(graph_name)]


class ReducedEntry(Part):
    """The same graph in fewer bits: its file, the error that passes its proof, and what it costs the task."""

    onnx: str
    tolerance: float = Field(gt=0, le=1)
    effect: tuple[Effect, ...]


class GraphEntry(Part):
    """One graph: names of its files, and its signature."""

    onnx: str
    weights: str | None = None
    builder: str | None = None
    builder_args: dict[str, Any] = Field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)
    reduced: dict[FewerBits, ReducedEntry] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _format_1(cls, entry: Any) -> Any:
        """Format 1 knew one input and one output."""
        if isinstance(entry, dict) and "input" in entry and "output" in entry:
            rest = {key: value for key, value in entry.items() if key not in SIDES}
            return rest | {"inputs": [entry["input"]], "outputs": [entry["output"]]}
        return entry

    @property
    def onnx_files(self) -> tuple[str, ...]:
        """Names of its ONNX files, the reduced ones included."""
        return (self.onnx, *(entry.onnx for entry in self.reduced.values()))


def tensor_key(graph: str, side: str, index: int) -> str:
    """Name of input or output `index` in a graph's reference: ``decoder.input``, ``decoder.input.1``."""
    return f"{graph}.{side}.{index}" if index else f"{graph}.{side}"


class FileEntry(Part):
    """What one file must be."""

    sha256: str
    size: int = Field(ge=0)


class Manifest(Part):
    """All of ``bundle.json``."""

    format: int
    hash: str
    contract: Contract
    metrics: tuple[Metric, ...]
    provenance: Provenance
    graphs: dict[GraphName, GraphEntry]
    files: dict[str, FileEntry]


def sha256(content: bytes) -> str:
    """Hex digest of `content`."""
    return hashlib.sha256(content).hexdigest()


def canonical(document: dict[str, Any]) -> bytes:
    """Return the one way to write `document`: keys in its order (which class patterns need), finite numbers, UTF-8."""
    try:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} cannot hold this: {error}. Metrics and provenance are finite JSON") from error
    return text.encode() + b"\n"


def read_manifest(path: Path) -> Manifest:
    """``bundle.json`` of the bundle at `path`, its own hash checked.

    Raises
    ------
    BundleError
        When it is missing, too large, cut short, changed or of a newer format.
    """
    file = path / MANIFEST
    if not path.exists():
        raise BundleError(f"there is no bundle at {path}, expected a folder with {MANIFEST}")
    if not path.is_dir():
        raise BundleError(f"{path} is not a folder, expected a bundle (a folder with {MANIFEST})")
    if not file.is_file() or file.is_symlink():
        raise BundleError(f"{file} is missing, so {path} is not a bundle: {AGAIN}")
    if file.stat().st_size > MAX_BYTES[".json"]:
        raise BundleError(f"{file} is larger than {MAX_BYTES['.json']} bytes and was not read: {AGAIN}")
    document = _parse_manifest(file)
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise BundleError(f"{file}: {first_of(error)}. {AGAIN.capitalize()}") from error


def first_of(error: ValidationError) -> str:
    """Where the first mistake is, and which."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _parse_manifest(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file} is not JSON ({error}); it may be cut short: {AGAIN}") from error
    if not isinstance(document, dict) or type(document.get("format")) is not int or document["format"] < 1:
        raise BundleError(f"{file} does not say which format it has, so it is not a bundle's: {AGAIN}")
    if document["format"] > FORMAT:
        raise BundleError(
            f"{file} has format {document['format']}, this streamkit {__version__} reads up to {FORMAT}: "
            "install a newer streamkit"
        )
    claimed = document.get("hash")
    rest = {key: value for key, value in document.items() if key != "hash"}
    if sha256(canonical(rest)) != claimed or canonical(document) != content:
        raise BundleError(f"{file} was changed after it was written (its hash does not fit): {AGAIN}")
    return document
