"""The pictures of what a decision names: the likeliest candidates, as images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.lsl import wire
from streamkit.lsl.outlet import Outlet, best_of
from streamkit.recording.images import as_float
from streamkit.types import Prediction, StreamSpec


class CandidateOutlet(Outlet):
    """Pictures of the likeliest labels of each prediction, likeliest first, all in one sample.

    Parameters
    ----------
    name, source_id
        As LSL has them.
    gallery
        ``(n_labels, channels, height, width)`` uint8.
    keys
        Further pairs below ``<streamkit>``.
    n
        How many; fewer where there are fewer labels.
    """

    def __init__(
        self,
        name: str,
        gallery: NDArray[np.uint8],
        source_id: str,
        keys: Mapping[str, Any] | None = None,
        n: int = wire.TOP,
    ) -> None:
        self._gallery, self._n = gallery, min(n, len(gallery))
        self.shape = (self._n, *gallery.shape[1:])
        size = int(np.prod(self.shape))
        spec = StreamSpec(
            name=name, type=wire.TYPE_CANDIDATES, ch_names=tuple(map(str, range(size))), sfreq=0, source_id=source_id
        )
        shape = {"shape": ",".join(map(str, self.shape)), "layout": "NCHW", "role": "candidates"}
        super().__init__(spec, shape | dict(keys or {}), channels=False)

    def push(self, prediction: Prediction) -> None:
        """Send the pictures of what `prediction` finds likeliest, with its stamp."""
        pictures = as_float(self._gallery[best_of(prediction.values.ravel(), self._n)])
        self.lsl.push_chunk(np.ascontiguousarray(pictures, np.float32).reshape(1, -1), prediction.stamp)
