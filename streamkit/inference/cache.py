"""What is worth keeping from one start to the next: one folder, small JSON files, none of them needed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Folder of what is kept; it need not exist.

    ``STREAMKIT_CACHE``, else ``$XDG_CACHE_HOME/streamkit``, else ``~/.cache/streamkit``.
    """
    if own := os.environ.get("STREAMKIT_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "streamkit"
    try:
        return Path.home() / ".cache" / "streamkit"
    except RuntimeError:
        return Path(os.devnull) / "streamkit"  # a user without a home keeps nothing: nothing can be written there


def read_json(file: Path) -> Any:
    """Content of `file`; None when it is not there, cannot be read or is no JSON."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        logger.debug("%s is ignored: %s", file, error)
        return None


def write_json(file: Path, document: Any) -> bool:
    """Put `document` into `file`, whole or not at all; False where it cannot be written."""
    content = json.dumps(document, indent=1, allow_nan=False)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content.encode())
    except OSError as error:
        logger.debug("%s is not written: %s", file, error)
        return False
    return True


def write_whole(file: Path, content: bytes) -> None:
    """Put `content` into `file`, which appears whole and on the disk, or not at all; OSError where it cannot be."""
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove(file: Path) -> bool:
    """Forget `file`; whether there was one that could be removed."""
    try:
        file.unlink()
    except OSError:
        return False
    return True
