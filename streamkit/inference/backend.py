"""Backend: the one contract every way of running a graph keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from operator import is_
from threading import Lock
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BackendError, StreamkitError
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
        One array per input, ready to be filled until `close`: given to `infer` or `run` they need no copy on the way
        to the network. Any other array is copied into them, so let one thread at a time fill them.
    """

    name: ClassVar[str]
    input_spec: TensorSpec
    output_spec: TensorSpec
    settings: Settings
    buffers: Arrays = ()

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shapes: tuple[tuple[int, ...], ...] = ()
        self._dtypes: tuple[np.dtype[Any], ...] = ()
        self._one_at_a_time = Lock()

    @classmethod
    def why_not(cls, device: Device) -> str:
        """Why it cannot use `device` here, although its package and the driver are there; empty when it can."""
        return ""

    @classmethod
    def why_missing(cls, message: str) -> str:
        """Why its package is not here, and what to install: `message`, unless it knows better."""
        return message

    def open(self, graph: Graph, settings: Settings | None = None) -> Self:
        """Load `graph`.

        Raises
        ------
        BackendError
            When this backend cannot run the graph, or is open already; says why. Nothing of the graph stays loaded.
        MissingPackage
            When its package is not installed; says which extra brings it.
        """
        if self._graph is not None:
            raise BackendError(f"backend {self.name!r} is open already: close it first, or make another")
        self.settings = settings = settings or Settings()
        self.input_spec, self.output_spec = graph.input, graph.output
        shapes = tuple(spec.at_batch(settings.batch) for spec in graph.inputs)
        dtypes = tuple(np.dtype(spec.dtype) for spec in graph.inputs)
        self.buffers = tuple(np.zeros(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True))
        try:
            self._open(graph, settings)
        except BaseException:
            self.buffers = ()
            raise
        self._graph, self._shapes, self._dtypes = graph, shapes, dtypes
        if len(self.buffers) == 1 and (steps := self._steps()):
            self.infer = self._in_one_step(*steps)  # type: ignore[method-assign, assignment]
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
            When the backend is closed, `x` has another shape or dtype, the graph has more inputs, or its runtime fails.
        """
        return self.run(x)[0]

    def run(self, *arrays: Array) -> Arrays:
        """Run the graph once: one array per input, in order, as `infer` says; returns one per output.

        Threads may call at the same time: they take turns.
        """
        with self._one_at_a_time:
            # What lies in place already, as live has it, is not looked at again.
            if not self.buffers or len(arrays) != len(self.buffers) or not all(map(is_, arrays, self.buffers)):
                self._fill(arrays)
            try:
                return self._run(self.buffers)
            except StreamkitError:
                raise
            except Exception as error:
                raise self._failure(error) from error

    def _fill(self, arrays: Arrays) -> None:
        """Copy what was given to where the network reads, once it is known to fit."""
        if len(arrays) != len(self.buffers) or self._graph is None:
            raise self._refusal(arrays)
        given = arrays if len(arrays) == 1 else _apart(arrays, self.buffers)
        for x, buffer, shape, dtype in zip(given, self.buffers, self._shapes, self._dtypes, strict=True):
            if x is not buffer:
                if not isinstance(x, np.ndarray) or x.shape != shape or x.dtype != dtype:
                    raise self._refusal(arrays)
                buffer[...] = x

    def close(self) -> None:
        """Let go of the graph; closing twice is fine."""
        with self._one_at_a_time:
            if self._graph is not None:
                self._graph, self.buffers = None, ()
                self.__dict__.pop("infer", None)
                self._close()

    def _refusal(self, arrays: Arrays) -> BackendError:
        if self._graph is None:
            return BackendError(f"backend {self.name!r} is not open: call open(graph) before infer(x)")
        given = ", ".join(map(_shown, arrays)) or "nothing"
        wanted = zip(self._dtypes, self._shapes, strict=True)
        expected = ", ".join(f"{dtype} of shape {shape}" for dtype, shape in wanted)
        names = ", ".join(spec.name for spec in self._graph.inputs)
        axes = "(batch, n_chans, n_times)" if len(self._shapes) == 1 else f"(for {names})"
        return BackendError(f"backend {self.name!r} was given {given}, expected {expected} {axes}")

    def _failure(self, error: Exception) -> BackendError:
        graph = "" if self._graph is None else self._graph.name
        return BackendError(f"backend {self.name!r} could not run graph {graph!r} ({said(error)}): try another backend")

    @abstractmethod
    def _open(self, graph: Graph, settings: Settings) -> None:
        """Load; may put arrays of the runtime's own into `buffers`. When it raises, nothing it loaded stays."""

    @abstractmethod
    def _run(self, arrays: Arrays) -> Arrays:
        """Outputs that the caller owns; `arrays` are `buffers`, filled."""

    @abstractmethod
    def _close(self) -> None: ...

    def _steps(self) -> tuple[Callable[[], object], Array] | None:
        """What runs the graph on `buffers`, and where its first output then lies; None where that takes more."""
        return None

    def _in_one_step(self, run: Callable[[], object], first: Array) -> Callable[[Array], Array]:
        """What `infer` is to be while open: the same for anything, in one step for what lies in `buffers` already.

        A small network takes microseconds, and between two windows the code that stands around it goes cold: every
        call and look-up less counts.
        """
        begin, end, failure = self._one_at_a_time.acquire, self._one_at_a_time.release, self._failure
        otherwise, buffer = partial(Backend.infer, self), self.buffers[0]

        def infer(x: Array) -> Array:
            if x is not buffer:
                return otherwise(x)
            begin()
            try:
                run()
                return first.copy()
            except Exception as error:
                raise failure(error) from error
            finally:
                end()

        return infer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def said(error: BaseException) -> str:
    """What a runtime says without the places in its sources, on one line of at most 300 characters."""
    lines = (line.strip() for line in str(error).splitlines())
    words = " ".join(line for line in lines if line and not line.startswith("Exception from "))
    return (words or type(error).__name__)[:300]


def _apart(arrays: Arrays, buffers: Arrays) -> Arrays:
    """The same, with copies of what lies in the buffer of another input: that is overwritten before it is read."""
    return tuple(x.copy() if _lies_in_another(x, own, buffers) else x for x, own in zip(arrays, buffers, strict=True))


def _lies_in_another(x: Array, own: Array, buffers: Arrays) -> bool:
    others = (buffer for buffer in buffers if buffer is not own)
    return isinstance(x, np.ndarray) and any(np.may_share_memory(x, buffer) for buffer in others)


def _shown(x: Any) -> str:
    return f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"


def copies(arrays: Arrays) -> Arrays:
    """One copy of each, for the caller to keep."""
    return (arrays[0].copy(),) if len(arrays) == 1 else tuple([array.copy() for array in arrays])
