"""Recursive filtering of many channels at once: compiled by Numba where it is installed, else SciPy's, the same bits.

SciPy's `sosfilt` walks channel after channel, each of them strided through the whole array. The kernel here takes a
block of channels that fits the first-level cache through one section at a time, so the processor's vector units work
on neighbouring channels. Each channel sees the additions and multiplications of `sosfilt` in their order, without
fused or reassociated arithmetic, so live and offline agree to the bit even when only one of them has Numba.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

Engine = Literal["numba", "scipy"]
Kernel = Callable[..., None]

BLOCK = 64
"""Channels filtered together: a row of them and their state stay in the first-level cache."""


class Cascade:
    """A cascade of second-order sections with its state, for all channels of a stream.

    Parameters
    ----------
    sos
        ``(n_sections, 6)``, as `scipy.signal.sosfilt` takes them.
    state
        ``(n_sections, 2, n_chans)`` before the first sample.
    kernel
        What filters: `best_kernel`, or None for SciPy.
    """

    def __init__(self, sos: NDArray[np.float64], state: NDArray[np.float64], kernel: Kernel | None) -> None:
        self._sos = np.ascontiguousarray(sos, np.float64)
        self._state = np.array(state, np.float64, order="C")
        self._kernel = kernel

    def __call__(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filter the next ``(n_times, n_chans)`` into a new array."""
        out: NDArray[np.float64]
        if self._kernel is None:
            out, self._state = sosfilt(self._sos, data, axis=0, zi=self._state)
            return out
        out = np.empty(data.shape)
        self._kernel(self._sos, np.require(data, np.float64, ("C", "A")), self._state, out)
        return out


@functools.cache
def best_kernel() -> Kernel | None:
    """Give the kernel ``(sos, data, state, out)``, compiled now or read from Numba's cache; None without Numba.

    Compiling takes about half a second, so a stage asks for it when it is built, before there are samples.
    """
    try:
        import numba
    except ImportError:  # not installed, or not made for this NumPy
        return None
    read_only = numba.types.Array(numba.float64, 2, "C", readonly=True)
    signature = numba.void(read_only, read_only, numba.float64[:, :, ::1], numba.float64[:, ::1])
    try:
        compiled: Kernel = numba.njit(signature, cache=True, error_model="numpy")(_sections)
    except RuntimeError:  # neither the folder of this file nor the user's cache can be written
        compiled = numba.njit(signature, error_model="numpy")(_sections)
    return compiled


def engine() -> Engine:
    """Which of the two filters here: ``"numba"`` where the extra ``fast`` is installed and works."""
    return "scipy" if best_kernel() is None else "numba"


def _sections(sos: Any, data: Any, state: Any, out: Any) -> None:
    """Direct form II transposed, as in SciPy's ``_sosfilt.pyx``: the order of operations is what must not change."""
    n_times, n_chans = data.shape
    for first in range(0, n_chans, BLOCK):
        last = min(first + BLOCK, n_chans)
        for s in range(sos.shape[0]):
            b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
            z0, z1 = state[s, 0, first:last], state[s, 1, first:last]
            for n in range(n_times):
                row = out[n, first:last]
                if s == 0:
                    source = data[n, first:last]
                    for c in range(last - first):
                        row[c] = source[c]
                for c in range(last - first):
                    x = row[c]
                    y = b0 * x + z0[c]
                    z0[c] = b1 * x - a1 * y + z1[c]
                    z1[c] = b2 * x - a2 * y
                    row[c] = y
