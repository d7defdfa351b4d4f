"""A small network with everything that makes a training hard to repeat, and rows to train it on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from calibration.training.loop import LoopSettings

QUICK: dict[str, Any] = {"epochs": 6, "batch_size": 16, "lr": 1e-2, "accelerator": "cpu"}


def settings(**changes: Any) -> LoopSettings:
    return LoopSettings(**{**QUICK, **changes})


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv1d(3, 8, 5), nn.BatchNorm1d(8), nn.ELU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8 * 12, 2)
    )


def rows(n: int = 100, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.standard_normal((n, 3, 16)).astype(np.float32)
    X[:, 0, 4:8] += 1.5 * y[:, None]
    return {"X": X, "y": y}


def loss_of(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    logits = module(batch["X"])
    right = (logits.argmax(1) == batch["y"]).float().mean()
    return {"loss": nn.functional.cross_entropy(logits, batch["y"]), "accuracy": right}


def noisy_loss_of(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same with noise of its own."""
    return loss_of(module, {**batch, "X": batch["X"] + 0.5 * torch.randn_like(batch["X"])})


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
