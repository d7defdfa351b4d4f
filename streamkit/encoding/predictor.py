"""Predictor: the epoch that a graph makes of a stimulus's features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamkit.encoding.spec import EncodingSpec
from streamkit.errors import ConfigError
from streamkit.inference import Choice, Graph, Reference, Wishes, open_chosen
from streamkit.inference.backend import Array, Backend
from streamkit.inference.wish import wish_for

KEPT_BYTES = 64 << 20
"""Predicted epochs kept, so that a stimulus shown again is not computed again."""


class Predictor:
    """Predicts epochs of known stimuli; close it when done.

    Parameters
    ----------
    spec
        What is predicted.
    backend
        Its graph, open and proven.
    features
        ``(n_stimuli, n_features)`` float32.
    choice
        What runs the graph, and why.

    Notes
    -----
    One thread at a time may call `predict`. A prediction depends on the stimulus alone: the same bits each time.
    """

    def __init__(self, spec: EncodingSpec, backend: Backend, features: Array, choice: Choice) -> None:
        self.spec, self.choice = spec, choice
        self._backend, self._features = backend, features
        self._rows = {label: row for row, label in enumerate(spec.labels)}
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    def row(self, label: str) -> int:
        """Number of a stimulus among the labels.

        Raises
        ------
        ConfigError
            When the bundle has no features of it.
        """
        if label not in self._rows:
            raise ConfigError(f"no stimulus is labelled {label!r}: the bundle has features of {len(self._rows)} others")
        return self._rows[label]

    def predict(self, label: str) -> NDArray[np.float32]:
        """``(n_times, n_chans)`` of the stimulus called `label`, in units of the processed signal; not to be changed.

        Raises
        ------
        ConfigError
            When the bundle has no features of it.
        """
        row = self.row(label)
        if row not in self._kept:
            answer = self._backend.infer(np.ascontiguousarray(self._features[row : row + 1]))[0]
            self._kept[row] = np.ascontiguousarray(answer.T, np.float32)
            self._kept[row].flags.writeable = False
        self._kept.move_to_end(row)
        epoch = self._kept[row]
        while len(self._kept) * epoch.nbytes > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return epoch

    def close(self) -> None:
        """Let go of the graph."""
        self._backend.close()


def open_predictor(
    spec: EncodingSpec,
    graphs: Mapping[str, Graph],
    references: Mapping[str, Reference],
    tensors: Mapping[str, Array],
    wishes: Wishes = "auto",
    strict: bool = False,
) -> Predictor:
    """Open the graph of an encoding: chosen, proven on its reference, and warm; raises as `open_chosen` does.

    A wish for 8 bits is one for the runner; where this graph has none, it runs in float32.
    """
    wish = wish_for(spec.graph, wishes)
    if wish.precision == "int8" and "int8" not in graphs[spec.graph].reduced:
        wish = replace(wish, precision="float32")
    backend, choice = open_chosen(graphs[spec.graph], references[spec.graph], wish, None, strict)
    return Predictor(spec, backend, tensors[spec.features], choice)
