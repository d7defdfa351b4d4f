"""What makes a training the one it is: network, rows, settings, and, bit for bit, the machine."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from calibration.training.settings import LoopSettings

N_DIGITS = 16


def identity_of(module: nn.Module, settings: LoopSettings, device: torch.device, **rows: dict[str, Tensor]) -> Any:
    """Return the identity of a training, as JSON values.

    Parameters
    ----------
    rows
        Tensors by name, of each set of rows.
    """
    found: dict[str, Any] = {
        "network": {"name": type(module).__name__, "tensors": _digest(layout_of(module))},
        "rows": {name: _rows_of(tensors) for name, tensors in rows.items()},
        "settings": settings.model_dump(mode="json"),
    }
    if settings.deterministic:
        found["machine"] = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
    return found


def layout_of(module: nn.Module) -> str:
    """Names, shapes and types of all tensors of a network."""
    return "\n".join(f"{name} {tuple(value.shape)} {value.dtype}" for name, value in module.state_dict().items())


def _rows_of(tensors: dict[str, Tensor]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return {"number": len(next(iter(tensors.values()))), "contents": digest.hexdigest()[:N_DIGITS]}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]
