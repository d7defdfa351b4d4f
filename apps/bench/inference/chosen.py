"""What `--backend auto` takes for a network here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from apps.bench.inference.networks import Network
from streamkit.inference.choice import Choice, open_chosen
from streamkit.inference.wish import Wish

CACHE = "STREAMKIT_CACHE"


def choose(network: Network, threads: int | Literal["auto"], cadence: float, folder: Path) -> Choice:
    """Let the product choose on the processor, by a contest held now, whatever it remembers from before.

    Parameters
    ----------
    folder
        Where the choice is remembered instead.
    """
    with remembering_in(folder):
        backend, choice = open_chosen(network.graph, network.reference, Wish(device="cpu", threads=threads), cadence)
    backend.close()
    return choice


@contextlib.contextmanager
def remembering_in(folder: Path) -> Iterator[None]:
    """Let choices be looked up and kept in `folder`, and not where they usually are."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    try:
        yield
    finally:
        del os.environ[CACHE]
        if before is not None:
            os.environ[CACHE] = before
