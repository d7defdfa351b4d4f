"""What the graphs of a bundle are given while recordings run through its own pipeline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import run_pipeline
from calibration.recipe import Recipe
from streamkit.bundle import ModelBundle
from streamkit.errors import RecordingError
from streamkit.inference import Settings
from streamkit.inference.backend import Array, Arrays, Backend
from streamkit.inference.proof import open_proven
from streamkit.inference.runners.base import Parts
from streamkit.recording import Recording

BACKEND = "onnxruntime"
Place = tuple[Array, int, int]
"""A window ``(1, n_chans, n_times)``, the number of its recording, and the index of its newest sample in it."""


@dataclass(frozen=True)
class Heard:
    """What was listened to.

    Attributes
    ----------
    inputs
        Graph → one array ``(n, ...)`` per input: a random draw of its runs.
    windows
        How many windows ran through.
    left_out
        Windows that were cut and did not, by reason.
    """

    inputs: dict[str, Arrays]
    windows: int
    left_out: dict[str, int]


class Listener:
    """Stands for an open backend and keeps a draw of what it is given: `n` runs, each as likely as any other."""

    def __init__(self, inner: Backend, n: int, seed: int) -> None:
        self._inner, self._n, self._rng = inner, n, np.random.default_rng(seed)
        self._seen = 0
        self._kept: list[Arrays] = []
        self.name, self.buffers = inner.name, inner.buffers

    def run(self, *arrays: Array) -> Arrays:
        """Run it, and keep what it was given, or not."""
        self._seen += 1
        place = len(self._kept) if len(self._kept) < self._n else int(self._rng.integers(self._seen))
        if place < self._n:
            self._kept[place : place + 1] = [tuple(x.copy() for x in arrays)]
        return self._inner.run(*arrays)

    def infer(self, x: Array) -> Array:
        """First output of a graph of one input."""
        return self.run(x)[0]

    def heard(self) -> Arrays:
        """All that was kept, one array per input."""
        return tuple(np.concatenate(parts) for parts in zip(*self._kept, strict=True))

    def close(self) -> None:
        """Close the backend."""
        self._inner.close()


class _Keeper:
    """Stands where a runner stands, and keeps the windows."""

    def __init__(self, bundle: ModelBundle) -> None:
        self.windows: list[Array] = []
        self._nothing = np.zeros(bundle.contract.output.shape, np.float32)

    def infer(self, x: Array, *_: object, **__: object) -> NDArray[np.float32]:
        """Keep the window; the answer is nothing."""
        self.windows.append(x.copy())
        return self._nothing


def listen(bundle: ModelBundle, recordings: Sequence[Recording], recipe: Recipe, n: int, seed: int = 0) -> Heard:
    """Run recordings through a bundle in float32 and keep a draw of what each of its graphs was given.

    Windows that hold invalid samples, or values that training left out (``train.reject``), do not run.

    Parameters
    ----------
    n
        How many runs of each graph are kept, at most.

    Raises
    ------
    ContractMismatch
        When a recording is not what the bundle was calibrated on.
    RecordingError
        When not one window is left.
    """
    left_out: dict[str, int] = {}
    windows: list[Place] = []
    for number, recording in enumerate(recordings):
        for x, last, reason in _windows(bundle, recording, recipe):
            if reason:
                left_out[reason] = left_out.get(reason, 0) + 1
            else:
                windows.append((x, number, last))
    if not windows:
        names = ", ".join(recording.meta.name for recording in recordings)
        raise RecordingError(f"no window can set ranges in {names}; left out: {left_out or 'none'}")
    if bundle.contract.runner.repeated:  # each window gives many runs
        windows = [windows[k] for k in np.unique(np.linspace(0, len(windows) - 1, n).round().astype(int))]
    return Heard(_run(bundle, windows, n, seed), len(windows), left_out)


def _windows(bundle: ModelBundle, recording: Recording, recipe: Recipe) -> list[tuple[Array, int, str]]:
    keeper = _Keeper(bundle)
    predictions, _ = run_pipeline(bundle, keeper, recording, recipe)
    reject = recipe.train.reject or np.inf
    return [
        (x, said.last, "" if said.valid and np.abs(x).max() <= reject else _why(said.valid))
        for x, said in zip(keeper.windows, predictions, strict=True)
    ]


def _why(valid: bool) -> str:
    return "larger than train.reject" if valid else "invalid samples"


def _run(bundle: ModelBundle, windows: Sequence[Place], n: int, seed: int) -> dict[str, Arrays]:
    contract, references = bundle.contract, bundle.references()
    listeners: dict[str, Listener] = {}
    try:
        for name in contract.runner.needs:
            opened, _ = open_proven(BACKEND, bundle.graphs[name], references[name], Settings())
            listeners[name] = Listener(opened, n, seed)
        parts = Parts(bundle.graphs, bundle.tensors(), contract.output)
        runner = contract.runner.build(listeners, parts, time.perf_counter)
        before = None
        for x, number, last in windows:
            if number != before:
                runner.reset()
            before = number
            runner.infer(x, last)
        return {name: listener.heard() for name, listener in listeners.items()}
    finally:
        for listener in listeners.values():
            listener.close()
