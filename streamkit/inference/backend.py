"""Backend: the one contract every way of running a graph keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BackendError
from streamkit.inference.graph import Graph, TensorSpec

Array = NDArray[Any]


class Backend(ABC):
    """Runs one graph on one device; a context manager.

    Subclasses implement ``_open``, ``_infer`` and ``_close`` and may rely on every check having been made.
    The same input gives the same bits every time.

    Attributes
    ----------
    input_spec, output_spec
        What `infer` takes and returns; set by `open`.
    """

    name: ClassVar[str]
    input_spec: TensorSpec
    output_spec: TensorSpec
    _shape: tuple[int, ...] = ()
    _dtype: np.dtype[Any]

    def open(self, graph: Graph, threads: int = 1, batch: int = 1) -> Self:
        """Load `graph` for arrays of `batch` items.

        Raises
        ------
        BackendError
            When this backend cannot run the graph; says why.
        MissingPackage
            When its package is not installed; says which extra brings it.
        """
        if threads < 1 or batch < 1:
            raise BackendError(f"threads={threads} and batch={batch} were given, expected at least 1 each")
        self.input_spec, self.output_spec = graph.input, graph.output
        self._dtype = np.dtype(graph.input.dtype)
        self._open(graph, threads, batch)
        self._shape = graph.input.at_batch(batch)
        return self

    def infer(self, x: Array) -> Array:
        """Run the graph once.

        Parameters
        ----------
        x
            ``(batch, n_chans, n_times)`` as `input_spec` says; left unmodified.

        Returns
        -------
        ndarray
            ``(batch, *out_shape)``, owned by the caller: no later call changes it.

        Raises
        ------
        BackendError
            When the backend is closed, or `x` has another shape or dtype.
        """
        if x.shape != self._shape or x.dtype != self._dtype:
            raise self._refusal(x)
        return self._infer(x if x.flags.c_contiguous else np.ascontiguousarray(x))

    def close(self) -> None:
        """Let go of the graph; closing twice is fine."""
        if self._shape:
            self._shape = ()
            self._close()

    def _refusal(self, x: Array) -> BackendError:
        if not self._shape:
            return BackendError(f"backend {self.name!r} is not open: call open(graph) before infer(x)")
        return BackendError(
            f"backend {self.name!r} was given {x.dtype} of shape {x.shape}, expected {self._dtype} of shape "
            f"{self._shape} (batch, n_chans, n_times)"
        )

    @abstractmethod
    def _open(self, graph: Graph, threads: int, batch: int) -> None: ...

    @abstractmethod
    def _infer(self, x: Array) -> Array: ...

    @abstractmethod
    def _close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
