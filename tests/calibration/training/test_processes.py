from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calibration.progress import Progress
from calibration.training.loop import fit
from streamkit.errors import StreamkitError
from tests.calibration.training.networks import rows, settings, weights


class Noted(Progress):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
        self.calls.append((what, total))

    def at(self, done: float, note: str | None = None) -> None:
        self.calls.append(done)


def simple() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Tanh(), nn.Linear(4, 2), nn.Identity())


def mean_loss(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"loss": nn.functional.cross_entropy(module(batch["X"]), batch["y"])}


@pytest.mark.slow
def test_two_processes_share_every_batch_and_end_where_one_does() -> None:
    one, two, noted = simple(), simple(), Noted()
    told = settings(epochs=1, lr=1e-3, clip=0)
    alone = fit(one, mean_loss, rows(96), told, validation=rows(40, seed=1))
    before = dict(os.environ)
    together = fit(
        two,
        mean_loss,
        rows(96),
        told.model_copy(update={"devices": 2}),
        validation=rows(40, seed=1),
        progress=noted,
    )
    assert together.train == pytest.approx(alone.train, rel=1e-4)
    assert together.validation == pytest.approx(alone.validation, rel=1e-4)
    for name, value in weights(one).items():
        assert weights(two)[name] == pytest.approx(value, abs=2e-4)
    assert noted.calls[0] == ("training", 1)
    assert noted.calls[-1] == 1
    assert dict(os.environ) == before


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_is_said_as_in_one() -> None:
    data = rows(32)
    data["X"][5] = np.nan
    with pytest.raises(StreamkitError, match="training diverged in epoch 1"):
        fit(simple(), mean_loss, data, settings(devices=2))
