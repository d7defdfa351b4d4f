"""Graph: one network in a file, and the tensors that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


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


@dataclass(frozen=True)
class Graph:
    """One network: an ONNX file, a registered builder with weights, or both.

    Attributes
    ----------
    name
        Unique in its bundle, ``"decoder"``.
    onnx
        The ONNX file; None when there is none.
    builder
        Entry point of the group ``streamkit.models``; None for somebody's ONNX.
    builder_args
        Keyword arguments of the builder, all of them (``n_chans``, ``n_times``, ``out_shape``, ``sfreq`` included).
    weights
        safetensors file that fits the built module.
    input, output
        ``(batch, n_chans, n_times)`` and ``(batch, *out_shape)``.
    """

    name: str
    input: TensorSpec
    output: TensorSpec
    onnx: Path | None = None
    builder: str | None = None
    builder_args: dict[str, Any] = field(default_factory=dict)
    weights: Path | None = None
