"""Keep one core busy, caches included, until ended."""

from __future__ import annotations

import numpy as np


def main(size: int = 400) -> None:
    """Multiply matrices for ever, in one thread (the starter sets ``OMP_NUM_THREADS=1``)."""
    a = np.random.default_rng(0).standard_normal((size, size))
    while True:
        np.tanh(a @ a.T, out=a)


if __name__ == "__main__":
    main()
