"""What makes a training the one it is: network, rows, settings, and, bit for bit, the machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from calibration.training.settings import LoopSettings

N_DIGITS = 16
PIECE = 2**24
"""Bytes of an array that are looked at together."""

Values = NDArray[np.generic] | Tensor


def identity_of(
    module: nn.Module,
    settings: LoopSettings,
    device: torch.device,
    about: Mapping[str, Any],
    **rows: dict[str, Tensor],
) -> dict[str, Any]:
    """Return the identity of a training, as JSON values.

    Parameters
    ----------
    about
        What `known_by` says of everything else that shapes the weights.
    rows
        Tensors by name, of each set of rows.
    """
    found: dict[str, Any] = {
        "network": {"name": type(module).__name__, "tensors": _digest(layout_of(module))},
        "rows": {name: _rows_of(tensors) for name, tensors in rows.items()},
        "settings": settings.model_dump(mode="json"),
        "about": dict(about),
    }
    if settings.deterministic:
        found["machine"] = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
    return found


def known_by(value: Any) -> Any:
    """What a checkpoint knows a value by, in JSON: settings key by key, arrays, tensors and networks by a digest.

    Parameters
    ----------
    value
        Numbers, text, arrays, tensors, networks, settings, and dataclasses, mappings and sequences of them.

    Raises
    ------
    TypeError
        For anything else: what is not known exactly would let another training pass.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.ndarray, Tensor)):
        return contents_of({"": value})
    if isinstance(value, nn.Module):
        return {"name": type(value).__name__, "contents": contents_of(value.state_dict())}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: known_by(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): known_by(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [known_by(each) for each in value]
    raise TypeError(f"a checkpoint cannot know {type(value).__name__} by its value")


def contents_of(arrays: Mapping[str, Values]) -> str:
    """Digest of arrays or tensors by name: names, shapes, types and contents."""
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        for piece in pieces_of(values):
            digest.update(piece)
    return digest.hexdigest()[:N_DIGITS]


def pieces_of(values: Values) -> Iterator[NDArray[np.uint8]]:
    """Bytes of an array in the order of its axes, some rows at a time, so that no large array is copied whole."""
    rows: Any = values if values.ndim else values.reshape(1)
    step = max(1, PIECE * len(rows) // max(1, rows.nbytes))
    for at in range(0, len(rows), step):
        piece = rows[at : at + step]
        if isinstance(piece, Tensor):
            yield piece.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        else:
            yield np.ascontiguousarray(piece).reshape(-1).view(np.uint8)


def layout_of(module: nn.Module) -> str:
    """Names, shapes and types of all tensors of a network."""
    return "\n".join(f"{name} {tuple(value.shape)} {value.dtype}" for name, value in module.state_dict().items())


def _rows_of(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {"number": len(next(iter(tensors.values()))), "contents": contents_of(tensors)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]
