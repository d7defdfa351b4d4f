"""A small sweep of real trainings, whose worker can be made to end in the middle of a task."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import torch

from calibration.network import Network
from calibration.training.fan_out import Task
from calibration.training.loop import LoopSettings, fit

SIZES = {"n_chans": 6, "n_times": 48, "out_shape": [2], "sfreq": 100.0}
SMALL = {"embedding": 8, "filters": 4, "kernel": 9, "dropout": 0.25}


def trained(subject: int, seed: int, fatal: Path | None = None) -> dict[str, float]:
    """Train on one subject and score it; the process ends in the first attempt when `fatal` is not there yet."""
    rng = np.random.default_rng(subject)
    y = np.arange(160) % 2
    X = rng.standard_normal((160, 6, 48)).astype(np.float32)
    X[:, 2, 20:30] += 0.8 * y[:, None]
    module = Network("brainae_classifier", {**SIZES, **SMALL}).build(seed)

    def loss_of(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if fatal is not None and not fatal.exists():
            fatal.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        logits = network(batch["X"])
        right = (logits.argmax(1) == batch["y"]).float().mean()
        return {"loss": torch.nn.functional.cross_entropy(logits, batch["y"]), "accuracy": right}

    told = LoopSettings(epochs=4, batch_size=16, seed=seed, accelerator="cpu", deterministic=True)
    history = fit(module, loss_of, {"X": X[:120], "y": y[:120]}, told, validation={"X": X[120:], "y": y[120:]})
    return {"loss": history.train[-1], "accuracy": history.logged["validation accuracy"][history.best]}


def tasks(fatal: Path | None = None) -> list[Task]:
    """Two subjects times two seeds; with `fatal`, the worker of the second task is lost once."""
    pairs = [(subject, seed) for subject in (1, 2) for seed in (0, 1)]
    return [
        Task(f"subject {s}, seed {seed}", {"subject": s, "seed": seed, "fatal": fatal if at == 1 else None})
        for at, (s, seed) in enumerate(pairs)
    ]
