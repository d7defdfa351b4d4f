"""Files by which a folder is known for a bundle or a recording; light, so that a command can look before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

MANIFEST = "bundle.json"
XDF, JSON = "recording.xdf", "recording.json"


def is_recording(folder: Path) -> bool:
    """Whether `folder` has a file that only recordings have, finished or not."""
    return any((folder / name).is_file() for name in (XDF, JSON))


def kind_of(folder: Path) -> Literal["bundle", "recording"] | None:
    """What `folder` is, by its files' names; None for anything else, and for one that is not there."""
    if (folder / MANIFEST).is_file():
        return "bundle"
    return "recording" if is_recording(folder) else None
