from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calibration.losses import loss_for
from calibration.progress import Progress
from calibration.sections import TrainSection
from calibration.train import predict, train
from calibration.training.loop import fit
from calibration.training.schedule import factor_of
from streamkit.errors import ConfigError, StreamkitError
from tests.calibration.training.networks import loss_of, network, noisy_loss_of, rows, same, settings, weights


def reference(module: nn.Module, data: Any, held: Any, told: TrainSection) -> tuple[list[float], list[float]]:
    """The loop that `calibrate` ran before there was a house for it: torch alone, step by step."""
    torch.manual_seed(told.seed)
    X, y = (torch.from_numpy(part) for part in data)
    criterion = loss_for("class", data[1], 0.0)
    spread = X.std(dim=(0, 2), keepdim=True)
    optimiser = torch.optim.AdamW(module.parameters(), told.lr, weight_decay=told.weight_decay)
    batches = max(1, len(X) // told.batch_size)
    steps = told.epochs * batches
    warm = max(1, int(0.1 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))) + 1e-3),
    )
    losses, watched, best = [], [], copy.deepcopy(module.state_dict())
    for _ in range(told.epochs):
        module.train()
        total = 0.0
        for part in np.array_split(torch.randperm(len(X)).numpy(), batches):
            x = X[part] + told.noise * spread * torch.randn_like(X[part])
            loss = criterion(module(x), y[part])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(part)
        losses.append(total / len(X))
        watched.append(float(criterion(torch.from_numpy(predict(module, held[0])), torch.from_numpy(held[1]))))
        if watched[-1] == min(watched):
            best = copy.deepcopy(module.state_dict())
        if len(watched) - 1 - int(np.argmin(watched)) >= told.patience:
            break
    module.load_state_dict(best)
    return losses, watched


def test_a_training_ends_on_the_bits_of_a_plain_loop() -> None:
    data, held = tuple(rows(90).values()), tuple(rows(70, seed=1).values())
    told = TrainSection(method="gradient", epochs=20, batch_size=16, lr=0.02, noise=0.3, patience=4, accelerator="cpu")
    ours, plain = network(), network()
    history = train(ours, "class", data, held, told)
    losses, watched = reference(plain, data, held, told)
    assert history.train == losses
    assert history.validation == watched
    assert len(watched) < told.epochs
    assert same(weights(ours), weights(plain))


def test_without_validation_the_last_epoch_counts() -> None:
    whole, half = network(), network()
    history = fit(whole, loss_of, rows(), settings(schedule="constant"))
    fit(half, loss_of, rows(), settings(schedule="constant", epochs=3))
    assert history.best == 5
    assert not same(weights(whole), weights(half))
    assert not whole.training


def test_the_best_epoch_is_kept_or_the_last_as_asked() -> None:
    told = settings(schedule="constant", warm_up=0)

    def kept(keep: str) -> tuple[nn.Module, int]:
        losses = iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0])
        module = network()
        asked = told.model_copy(update={"keep": keep})
        return module, fit(module, loss_of, rows(), asked, validation=lambda m: {"loss": next(losses)}).best

    (best, best_epoch), (last, last_epoch), two, six = kept("best"), kept("last"), network(), network()
    fit(two, loss_of, rows(), told.model_copy(update={"epochs": 2}))
    fit(six, loss_of, rows(), told)
    assert (best_epoch, last_epoch) == (1, 5)
    assert same(weights(best), weights(two))
    assert same(weights(last), weights(six))
    assert not same(weights(best), weights(last))


def test_patience_ends_a_training_that_gets_no_better() -> None:
    losses = iter([2.0, 1.0, 1.5, 1.4, 0.1])
    history = fit(network(), loss_of, rows(), settings(patience=2), validation=lambda module: {"loss": next(losses)})
    assert history.validation == [2.0, 1.0, 1.5, 1.4]
    assert "for 2 epochs" in history.stopped


def test_validation_rows_are_scored_in_evaluation_mode_and_everything_is_noted() -> None:
    module = network()
    history = fit(module, loss_of, rows(), settings(epochs=2), validation=rows(40, seed=1))
    again = loss_of(module, {name: torch.from_numpy(part) for name, part in rows(40, seed=1).items()})
    assert history.validation[history.best] == pytest.approx(again["loss"].item(), abs=0.02)
    assert set(history.logged) == {"accuracy", "validation accuracy"}
    assert len(history.logged["accuracy"]) == 2


def test_the_mean_loss_weighs_batches_by_their_rows() -> None:
    def first(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": 0 * module(batch["X"]).sum() + batch["value"].mean()}

    values = np.arange(21, dtype=np.float32)
    history = fit(network(), first, {**rows(21), "value": values}, settings(epochs=1, batch_size=5))
    assert history.train[0] == pytest.approx(values.mean(), rel=1e-6)


def test_a_loss_that_is_not_a_number_says_in_which_epoch_and_what_to_do() -> None:
    data = rows()
    data["X"][3, 0, 0] = np.inf
    with pytest.raises(StreamkitError, match=r"epoch 1: the loss is not a number\. Lower train\.lr, which is 0\.01"):
        fit(network(), loss_of, data, settings())


def test_a_validation_loss_that_never_is_a_number_is_an_error() -> None:
    with pytest.raises(StreamkitError, match="validation rows"):
        fit(network(), loss_of, rows(), settings(epochs=2), validation=lambda module: {"loss": math.nan})


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "adamax"])
def test_every_optimiser_learns(optimiser: str) -> None:
    history = fit(network(), loss_of, rows(), settings(epochs=15, optimiser=optimiser, betas=(0.5, 0.999)))
    assert history.train[-1] < 0.6 * history.train[0]


def test_the_fused_update_differs_in_the_last_bits_only() -> None:
    plain = fit(network(), loss_of, rows(), settings(epochs=2))
    fused = fit(network(), loss_of, rows(), settings(epochs=2, fused=True))
    assert fused.train == pytest.approx(plain.train, rel=1e-5)
    assert fused.train != plain.train


def test_schedules_have_their_shapes() -> None:
    cosine = factor_of(settings(epochs=10, warm_up=0.2), batches=10)
    stairs = factor_of(settings(schedule="step", step=2, gamma=0.5, warm_up=0), batches=10)
    constant = factor_of(settings(schedule="constant", warm_up=4), batches=10)
    assert [round(cosine(step), 3) for step in (0, 9, 19, 50, 99)] == [0.05, 0.5, 0.915, 0.501, 0.001]
    assert [stairs(step) for step in (0, 19, 20, 40)] == [1, 1, 0.5, 0.25]
    assert [constant(step) for step in (0, 1, 3, 50)] == [0.25, 0.5, 1, 1]


def test_clipping_limits_the_first_step_and_zero_does_not() -> None:
    def steep(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": 1e4 * loss_of(module, batch)["loss"]}

    seen = []

    def norm(module: nn.Module) -> dict[str, float]:
        seen.append(math.sqrt(sum(float(p.grad.square().sum()) for p in module.parameters())))
        return {"loss": 0.0}

    for clip in (0.5, 0):
        fit(network(), steep, rows(16), settings(epochs=1, clip=clip), validation=norm)
    assert seen[0] == pytest.approx(0.5, rel=1e-3)
    assert seen[1] > 10


def test_two_parts_take_turns_and_each_loss_changes_only_its_own() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maker, self.judge = nn.Linear(3, 3), nn.Linear(3, 1)

    def judge(module: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": module.judge(module.maker(batch["x"]).detach()).square().mean()}

    def maker(module: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": 0 * module.judge(module.maker(batch["x"])).sum()}

    torch.manual_seed(0)
    module = Pair()
    before = weights(module)
    told = settings(epochs=2, batch_size=8, weight_decay=0)
    history = fit(module, {"judge": judge, "maker": maker}, {"x": rows(32)["X"][:, :, 0]}, told)
    after = weights(module)
    assert np.array_equal(before["maker.weight"], after["maker.weight"])
    assert not np.array_equal(before["judge.weight"], after["judge.weight"])
    assert list(history.logged) == ["judge loss"]


def test_half_precision_on_a_processor_stays_near_full_precision() -> None:
    full, half = network(), network()
    a = fit(full, loss_of, rows(), settings(epochs=3))
    b = fit(half, loss_of, rows(), settings(epochs=3, precision="bf16-mixed"))
    assert b.train == pytest.approx(a.train, rel=0.05)
    assert b.train != a.train
    assert {value.dtype for value in half.state_dict().values()} == {torch.float32, torch.int64}


def test_targets_keep_their_precision_beside_a_network_in_half() -> None:
    seen = []

    def note(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen.append(batch["X"].dtype)
        return loss_of(module, batch)

    fit(network(), note, rows(16), settings(epochs=1, precision="bf16-mixed"))
    assert seen == [torch.float32]


def test_deterministic_is_taken_back_afterwards() -> None:
    fit(network(), loss_of, rows(16), settings(epochs=1, deterministic=True))
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_seed_decides_order_dropout_and_noise() -> None:
    modules = [network() for _ in range(3)]
    for module, seed in zip(modules, (1, 1, 2), strict=True):
        fit(module, noisy_loss_of, rows(), settings(seed=seed))
    assert same(weights(modules[0]), weights(modules[1]))
    assert not same(weights(modules[0]), weights(modules[2]))


def test_a_time_limit_ends_it_after_an_epoch() -> None:
    history = fit(network(), loss_of, rows(), settings(max_seconds=1e-9))
    assert len(history.train) == 1
    assert "time given" in history.stopped


def test_frozen_weights_stay_and_nothing_to_train_is_an_error() -> None:
    module = network()
    module[0].requires_grad_(False)
    before = weights(module)
    fit(module, loss_of, rows(), settings(epochs=1))
    assert np.array_equal(before["0.weight"], weights(module)["0.weight"])
    with pytest.raises(ConfigError, match="no weight to train"):
        fit(module.requires_grad_(False), loss_of, rows(), settings())


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="'X': 100, 'y': 3"):
        fit(network(), loss_of, {**rows(), "y": np.zeros(3)}, settings())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_said_in_words() -> None:
    with pytest.raises(ConfigError, match="torch finds 0 here"):
        fit(network(), loss_of, rows(), settings(accelerator="gpu"))
    with pytest.raises(ConfigError, match="for GPUs"):
        fit(network(), loss_of, rows(), settings(precision="16-mixed"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: no GPU here")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_training_on_a_gpu_learns_and_comes_back_to_the_processor(precision: str) -> None:
    module = network()
    history = fit(module, loss_of, rows(), settings(epochs=15, accelerator="gpu", precision=precision))
    assert history.train[-1] < 0.6 * history.train[0]
    assert next(module.parameters()).device.type == "cpu"


def test_read_only_rows_are_trained_on_without_a_warning() -> None:
    data = rows()
    data["X"].flags.writeable = False
    fit(network(), loss_of, data, settings(epochs=1))


def test_the_bar_moves_to_the_end() -> None:
    class Noted(Progress):
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
            self.calls.append((what, total, done))

        def at(self, done: float, note: str | None = None) -> None:
            self.calls.append((done, note))

    noted = Noted()
    fit(network(), loss_of, rows(), settings(epochs=2), validation=lambda module: {"loss": 1.0}, progress=noted)
    whole = [call for call in noted.calls if call[1] is not None]
    assert whole[0] == ("training", 2, 0)
    assert whole[-1][0] == 2
    assert "validation 1.000" in whole[-1][1]
