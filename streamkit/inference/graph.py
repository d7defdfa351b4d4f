"""Graph: one network in a file, and the tensors that go in and come out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from streamkit.errors import BackendError, CannotRun
from streamkit.inference.settings import TOLERANCES, Precision


class TensorSpec(BaseModel):
    """One input or output of a graph.

    Parameters
    ----------
    name
        As the ONNX file has it.
    shape
        Axis sizes; None is the batch.
    dtype
        NumPy name, ``"float32"``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"

    def at_batch(self, batch: int) -> tuple[int, ...]:
        """Shape of an array of `batch` items."""
        return tuple(batch if size is None else size for size in self.shape)

    @property
    def sizes(self) -> str:
        """Shape for people: ``(batch, 3, 8)``."""
        return "(" + ", ".join("batch" if size is None else str(size) for size in self.shape) + ")"


@dataclass(frozen=True)
class Reduced:
    """The same network in fewer bits.

    Attributes
    ----------
    onnx
        ONNX file with the same inputs and outputs, in float32.
    tolerance
        Largest error of its outputs, relative to the largest reference output, that passes the proof.
    """

    onnx: Path
    tolerance: float


@dataclass(frozen=True)
class Graph:
    """One network: an ONNX file, a registered builder with weights, or both.

    Attributes
    ----------
    name
        Unique in its bundle, ``"decoder"``.
    inputs, outputs
        All tensors, in the order in which `Backend.run` takes and returns them. The first axis is the batch.
    onnx
        The ONNX file; None when there is none.
    builder
        Entry point of the group ``streamkit.models``; None for somebody's ONNX.
    builder_args
        Keyword arguments of the builder, all of them (``n_chans``, ``n_times``, ``out_shape``, ``sfreq`` included).
    weights
        safetensors file that fits the built module.
    reduced
        Versions of the ONNX file by precision.
    digests
        sha256 (hex) by file name; a file named here is refused when its content is another.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    onnx: Path | None = None
    builder: str | None = None
    builder_args: dict[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    reduced: Mapping[Precision, Reduced] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def input(self) -> TensorSpec:
        """The first input: the window, in a graph that decodes by itself."""
        return self.inputs[0]

    @property
    def output(self) -> TensorSpec:
        """The first output: the answer, in a graph that decodes by itself."""
        return self.outputs[0]

    def tolerance(self, precision: Precision) -> float:
        """Largest relative error that passes a proof at `precision`."""
        self._check_made(precision)
        return self.reduced[precision].tolerance if precision in self.reduced else TOLERANCES[precision]

    def onnx_file(self, precision: Precision = "float32") -> Path:
        """The ONNX file to run at `precision`: its own where the bundle has one, else the float32 one.

        Raises
        ------
        BackendError
            When there is none.
        """
        self._check_made(precision)
        file = self.reduced[precision].onnx if precision in self.reduced else self.onnx
        if file is None:
            raise CannotRun(f"graph {self.name!r} has no ONNX file: use the torch backend")
        return file

    def _check_made(self, precision: Precision) -> None:
        if precision == "int8" and precision not in self.reduced:
            raise CannotRun(f"graph {self.name!r} has no int8 version: make one with `streamkit quantize`")

    def read(self, file: Path) -> bytes:
        """Content of one of its files: what was checked is what is used.

        Raises
        ------
        BackendError
            When it cannot be read, or is not what `digests` says.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise BackendError(f"{file} cannot be read: {error.strerror}") from error
        wanted = self.digests.get(file.name)
        if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
            raise BackendError(
                f"{file} was changed after the bundle was read (its sha256 does not fit): copy the bundle again"
            )
        return content
