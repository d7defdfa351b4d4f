"""The contenders: streamkit's loop, the same steps in a plain loop, and the loop of the textbooks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from apps.bench.train.job import TrainJob
from calibration.training.loop import fit
from calibration.training.schedule import factor_of

Rows = tuple[torch.Tensor, torch.Tensor]
Loop = Callable[[nn.Module, Rows, TrainJob], float]
CLIP = 1.0


def streamkit(module: nn.Module, rows: Rows, job: TrainJob) -> float:
    """Train as `streamkit calibrate` does; returns the loss of the last epoch."""
    return _fit(module, rows, job, fused=False)


def streamkit_fused(module: nn.Module, rows: Rows, job: TrainJob) -> float:
    """Train with ``train.fused``."""
    return _fit(module, rows, job, fused=True)


def plain(module: nn.Module, rows: Rows, job: TrainJob) -> float:
    """Train in a loop by hand, the rows in one tensor."""
    device = _device(job)
    module.to(device)
    X, y = (part.to(device) for part in rows)
    optimiser, schedule = _means(module, job)
    torch.manual_seed(job.seed)
    mean = 0.0
    for _ in range(job.epochs):
        module.train()
        total = 0.0
        for chosen in torch.randperm(len(X)).split(job.batch_size):
            total += _step(module, X[chosen.to(device)], y[chosen.to(device)], optimiser, schedule) * len(chosen)
        mean = total / len(X)
    return mean


def dataloader(module: nn.Module, rows: Rows, job: TrainJob) -> float:
    """Train with a shuffling DataLoader, as most tutorials do."""
    device = _device(job)
    module.to(device)
    loader = DataLoader(TensorDataset(*rows), batch_size=job.batch_size, shuffle=True)
    optimiser, schedule = _means(module, job)
    torch.manual_seed(job.seed)
    mean = 0.0
    for _ in range(job.epochs):
        module.train()
        total = 0.0
        for x, y in loader:
            total += _step(module, x.to(device), y.to(device), optimiser, schedule) * len(x)
        mean = total / len(rows[0])
    return mean


LOOPS: dict[str, Loop] = {
    "streamkit": streamkit,
    "streamkit_fused": streamkit_fused,
    "plain": plain,
    "dataloader": dataloader,
}


def _fit(module: nn.Module, rows: Rows, job: TrainJob, fused: bool) -> float:
    def loss_of(network: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": nn.functional.cross_entropy(network(batch["X"]), batch["y"])}

    settings = job.settings.model_copy(update={"fused": fused})
    return fit(module, loss_of, {"X": rows[0], "y": rows[1]}, settings).train[-1]


def _step(
    module: nn.Module, x: torch.Tensor, y: torch.Tensor, optimiser: torch.optim.Optimizer, schedule: object
) -> float:
    loss = nn.functional.cross_entropy(module(x), y)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), CLIP)
    optimiser.step()
    schedule.step()  # type: ignore[attr-defined]
    return loss.item()


def _means(module: nn.Module, job: TrainJob) -> tuple[torch.optim.Optimizer, object]:
    settings = job.settings
    optimiser = torch.optim.AdamW(module.parameters(), settings.lr, weight_decay=settings.weight_decay)
    factor = factor_of(settings, job.n_rows // job.batch_size)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _device(job: TrainJob) -> str:
    return "cuda" if job.accelerator == "gpu" else "cpu"
