"""A training that takes its time, to be killed: ``python -m tests.calibration.training.killed FOLDER``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from torch import nn

from calibration.training.checkpoint import Checkpoint
from calibration.training.loop import History, fit
from tests.calibration.training.networks import loss_of, network, noisy_loss_of, rows, settings

TOLD = settings(epochs=24, deterministic=True, patience=24)


def train(module: nn.Module, folder: Path | None, pause: float = 0.0) -> History:
    """Train on one thread; `pause` seconds pass after every epoch."""
    held = {name: torch.from_numpy(part) for name, part in rows(40, seed=1).items()}

    def watch(network: nn.Module) -> dict[str, float]:
        time.sleep(pause)
        with torch.no_grad():
            return {"loss": float(loss_of(network, held)["loss"])}

    torch.set_num_threads(1)
    checkpoint = None if folder is None else Checkpoint(folder, every=0)
    return fit(module, noisy_loss_of, rows(), TOLD, validation=watch, checkpoint=checkpoint)


if __name__ == "__main__":
    train(network(), Path(sys.argv[1]), pause=0.1)
