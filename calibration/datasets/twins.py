"""Near-identical images kept together, so that no near-twin crosses a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 14


def thumbnails(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n, channels, height, width)`` → ``(n, channels * THUMBNAIL²)`` block means, zero mean, unit length."""
    n, _, height, width = images.shape
    rows, columns = (np.linspace(0, size, THUMBNAIL + 1).astype(int)[:-1] for size in (height, width))
    small = np.add.reduceat(np.add.reduceat(images, rows, axis=2), columns, axis=3).reshape(n, -1)
    small = small - small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return (small / np.maximum(length, 1e-12)).astype(np.float32)


def clusters(images: NDArray[np.float32], correlation: float) -> NDArray[np.intp]:
    """``(n,)`` cluster of each image: linked, also through others, where thumbnails correlate at least so much."""
    small = thumbnails(images)
    first, second = np.nonzero(np.triu(small @ small.T >= correlation, k=1))
    label = np.arange(len(images))
    for a, b in zip(first, second, strict=True):
        label[label == label[b]] = label[a]
    return np.unique(label, return_inverse=True)[1]


def deal(cluster: NDArray[np.intp], n_blocks: int, seed: int) -> NDArray[np.intp]:
    """``(n,)`` block of each image: whole clusters, largest first, each to the block that holds fewest images.

    Clusters of one size are dealt in an order drawn from `seed`.
    """
    sizes = np.bincount(cluster)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    block_of = np.zeros(len(sizes), np.intp)
    filled = np.zeros(n_blocks, int)
    for one in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        block_of[one] = np.argmin(filled)
        filled[block_of[one]] += sizes[one]
    return block_of[cluster]
