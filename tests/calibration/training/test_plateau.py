"""A learning rate that falls on plateaus of the validation loss, and a training that ends on the last."""

from __future__ import annotations

import numpy as np
import torch

from calibration.training.loop import fit
from calibration.training.schedule import after_plateaus, plateaus
from calibration.training.settings import LoopSettings

SETTINGS = LoopSettings(schedule="plateau", plateau=2, decays=2, gamma=0.5, lr=1.0, least=0.3, patience=99)


def test_epochs_without_a_lower_loss_are_counted_anew_after_each_plateau() -> None:
    assert plateaus(SETTINGS, []) == 0
    assert plateaus(SETTINGS, [3, 2, 1, 1]) == 0
    assert plateaus(SETTINGS, [3, 4, 5]) == 1
    assert plateaus(SETTINGS, [3, 4, 5, 4, 4]) == 2
    assert plateaus(SETTINGS, [3, 4, 5, 2, 4, 1]) == 1


def test_the_rate_falls_and_never_below_the_least() -> None:
    losses = [1.0] * 9
    assert [after_plateaus(SETTINGS, losses[:n]) for n in (1, 3, 5, 9)] == [1.0, 0.5, 0.3, 0.3]
    other = SETTINGS.model_copy(update={"schedule": "constant"})
    assert after_plateaus(other, losses) == 1.0


def test_the_training_ends_after_the_last_plateau() -> None:
    torch.manual_seed(0)
    module, x = torch.nn.Linear(2, 1), np.zeros((4, 2), np.float32)
    history = fit(
        module,
        lambda network, batch: {"loss": network(batch["x"]).square().mean()},
        {"x": x},
        SETTINGS.model_copy(update={"epochs": 50, "accelerator": "cpu", "warm_up": 0.0}),
        validation=lambda network: {"loss": 1.0},
    )
    assert len(history.train) == 7  # one that is the lowest, and three plateaus of two
    assert history.stopped == "no better validation loss after 2 smaller learning rates"
