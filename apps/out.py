"""Can an output be written where it was asked for? Asked before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from streamkit.errors import BadInput


def check_out(path: Path | None, what: str = "OUT") -> None:
    """Raise BadInput where nothing could be made at `path`; None will do. Makes nothing.

    Parameters
    ----------
    path
        File or folder to be written; its parents need not exist.
    what
        The option or argument that named it, for the message.
    """
    if path is None:
        return
    base = path.absolute()
    while not os.path.lexists(base):
        base = base.parent
    if not base.is_dir() and base != path.absolute():
        raise BadInput(f"{what} {path}: {base} is not a folder, so nothing can be written in it. Choose another place.")
    if not os.access(base, os.W_OK):
        raise BadInput(f"{what} {path}: {base} cannot be written to. Choose another place, or change its permissions.")
