"""What an encoder of images is: a row of the table of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibration.features.images import Preparation

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Network:
    """A trained network: how it is built, filled and fed.

    Attributes
    ----------
    build
        Makes it, with weights at random: ``(n, 3, size, size)`` to ``(n, ...)``, of which all but the first axis are
        flattened; or to a dict with one such tensor.
    preparation
        As its authors prepared images for it.
    file, url
        Name of the weight file as published, and where.
    sha256
        How the sha256 of that file begins, where its authors say; empty where they do not.
    prefix, beside
        See `calibration.features.weights.fill`.
    """

    build: Callable[[], nn.Module]
    preparation: Preparation
    file: str
    url: str
    sha256: str = ""
    prefix: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureRow:
    """One encoder of images.

    Attributes
    ----------
    name
        What recipes call it.
    dim
        Values per image.
    summary
        One line: what they are.
    source
        Who published it.
    licence
        Of the weights, as their authors state it; of the method where there are none.
    network
        The trained network; None for an embedding without weights.
    version
        Counted up when the same images would give other values, so that no cache serves old ones.
    """

    name: str
    dim: int
    summary: str
    source: str
    licence: str
    network: Network | None = None
    version: int = 1

    @property
    def needs_weights(self) -> bool:
        """Whether a weight file of its authors is needed."""
        return self.network is not None
