"""Backend: the one contract every way of running a graph keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import Lock
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BackendError
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.settings import Device, Settings

Array = NDArray[Any]
Arrays = tuple[Array, ...]


class Backend(ABC):
    """Runs one graph on one device; a context manager.

    Subclasses implement ``_open``, ``_run`` and ``_close`` and may rely on every check having been made, and on one
    call at a time. The same input gives the same bits every time.

    Attributes
    ----------
    input_spec, output_spec
        What `infer` takes and returns; set by `open`.
    settings
        As opened.
    buffers
        One array per input, ready to be filled: given to `infer` or `run` they need no copy on the way to the network.
    """

    name: ClassVar[str]
    input_spec: TensorSpec
    output_spec: TensorSpec
    settings: Settings
    buffers: Arrays = ()

    def __init__(self) -> None:
        self._shapes: tuple[tuple[int, ...], ...] = ()
        self._dtypes: tuple[np.dtype[Any], ...] = ()
        self._inputs: tuple[TensorSpec, ...] = ()
        self._one_at_a_time = Lock()

    @classmethod
    def why_not(cls, device: Device) -> str:
        """Why it cannot use `device` here, although its package and the driver are there; empty when it can."""
        return ""

    def open(self, graph: Graph, settings: Settings | None = None) -> Self:
        """Load `graph`.

        Raises
        ------
        BackendError
            When this backend cannot run the graph, or is open already; says why.
        MissingPackage
            When its package is not installed; says which extra brings it.
        """
        if self._shapes:
            raise BackendError(f"backend {self.name!r} is open already: close it first, or make another")
        self.settings = settings = settings or Settings()
        self.input_spec, self.output_spec, self._inputs = graph.input, graph.output, graph.inputs
        shapes = tuple(spec.at_batch(settings.batch) for spec in graph.inputs)
        self._dtypes = tuple(np.dtype(spec.dtype) for spec in graph.inputs)
        self.buffers = tuple(np.zeros(shape, dtype) for shape, dtype in zip(shapes, self._dtypes, strict=True))
        self._open(graph, settings)
        self._shapes = shapes
        return self

    def infer(self, x: Array) -> Array:
        """Run a graph of one input once.

        Parameters
        ----------
        x
            ``(batch, n_chans, n_times)`` as `input_spec` says; left unmodified. Values that are not finite are the
            network's to deal with and spoil this answer only.

        Returns
        -------
        ndarray
            ``(batch, *out_shape)``, the first output, owned by the caller: no later call changes it.

        Raises
        ------
        BackendError
            When the backend is closed, `x` has another shape or dtype, or the graph has more inputs.
        """
        return self.run(x)[0]

    def run(self, *arrays: Array) -> Arrays:
        """Run the graph once: one array per input, in order, as `infer` says; returns one per output.

        Threads may call at the same time: they take turns.
        """
        with self._one_at_a_time:
            if len(arrays) != len(self._shapes):
                raise self._refusal(arrays)
            for x, shape, dtype in zip(arrays, self._shapes, self._dtypes, strict=True):
                if x.shape != shape or x.dtype != dtype:
                    raise self._refusal(arrays)
            return self._run(tuple(x if x.flags.c_contiguous else np.ascontiguousarray(x) for x in arrays))

    def close(self) -> None:
        """Let go of the graph; closing twice is fine."""
        with self._one_at_a_time:
            if self._shapes:
                self._shapes, self.buffers = (), ()
                self._close()

    def _refusal(self, arrays: Arrays) -> BackendError:
        if not self._shapes:
            return BackendError(f"backend {self.name!r} is not open: call open(graph) before infer(x)")
        given = ", ".join(f"{x.dtype} of shape {x.shape}" for x in arrays)
        expected = ", ".join(
            f"{dtype} of shape {shape}" for dtype, shape in zip(self._dtypes, self._shapes, strict=True)
        )
        if len(self._shapes) == 1:
            return BackendError(f"backend {self.name!r} was given {given}, expected {expected} (batch, n_chans, n_times)")
        names = ", ".join(spec.name for spec in self._inputs)
        return BackendError(f"backend {self.name!r} was given {given}, expected {expected} (for {names})")

    @abstractmethod
    def _open(self, graph: Graph, settings: Settings) -> None:
        """Load; may put arrays of the runtime's own into `buffers`."""

    @abstractmethod
    def _run(self, arrays: Arrays) -> Arrays:
        """Outputs that the caller owns; an array of `buffers` may be among `arrays`."""

    @abstractmethod
    def _close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
