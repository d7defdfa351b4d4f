"""streamkit: real-time decoding of brain signals over Lab Streaming Layer.

The names below are the public library; each is imported when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Chunk": "types",
    "Event": "types",
    "ModelBundle": "bundle",
    "Pipeline": "pipeline",
    "Prediction": "types",
    "Preprocessor": "preprocess",
    "Recording": "recording",
    "RingBuffer": "ring",
    "Session": "session",
    "StreamSpec": "types",
    "StreamkitError": "errors",
    "Window": "types",
    "load_bundle": "bundle",
    "read_recording": "recording",
    "write_recording": "recording",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'streamkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"streamkit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
