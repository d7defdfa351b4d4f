from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from calibration.training import loop
from calibration.training.checkpoint import INDEX, Checkpoint
from calibration.training.loop import History, fit
from streamkit.errors import BadInput, DiskError
from tests.calibration.training import killed
from tests.calibration.training.networks import loss_of, network, noisy_loss_of, rows, same, settings, weights

ROOT = Path(__file__).parents[3]


class Stopped(Exception):
    """The training is stopped from within."""


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / INDEX).read_text())["facts"]


def stopped_after(epochs: int, folder: Path, told: Any, **further: Any) -> None:
    """Train, and break off in the epoch after that many."""
    n_calls = 0

    def breaking(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        nonlocal n_calls
        n_calls += module.training
        if n_calls > epochs * 6 + 2:
            raise Stopped
        return noisy_loss_of(module, batch)

    with pytest.raises(Stopped):
        fit(network(), breaking, rows(), told, checkpoint=Checkpoint(folder, every=0), **further)


def resumed(folder: Path, told: Any, **further: Any) -> tuple[nn.Module, History]:
    module = network(seed=9)  # its own weights do not matter
    return module, fit(module, noisy_loss_of, rows(), told, checkpoint=Checkpoint(folder, every=0), **further)


@pytest.mark.usefixtures("one_thread")
def test_a_training_killed_and_taken_up_again_ends_on_the_same_bits(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    words = [sys.executable, "-m", "tests.calibration.training.killed", str(folder)]
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not ((folder / INDEX).exists() and facts(folder)["epoch"] >= 3):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not facts(folder)["finished"]
    whole, taken_up = network(), network(seed=9)
    expected = killed.train(whole, None)
    history = killed.train(taken_up, folder)
    assert (history.train, history.validation, history.best) == (expected.train, expected.validation, expected.best)
    assert same(weights(taken_up), weights(whole))


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "adamax"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_optimiser_goes_on_as_if_nothing_had_happened(optimiser: str, fused: bool, tmp_path: Path) -> None:
    told = settings(optimiser=optimiser, fused=fused, schedule="step", step=2)
    held = rows(40, seed=1)
    whole = network()
    expected = fit(whole, noisy_loss_of, rows(), told, validation=held)
    stopped_after(3, tmp_path, told, validation=held)
    assert facts(tmp_path)["epoch"] == 3
    module, history = resumed(tmp_path, told, validation=held)
    assert same(weights(module), weights(whole))
    assert (history.train, history.validation, history.logged) == (
        expected.train,
        expected.validation,
        expected.logged,
    )


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first, expected = resumed(tmp_path, settings())

    def never(module: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        raise Stopped

    again = network()
    history = fit(again, never, rows(), settings(), checkpoint=Checkpoint(tmp_path))
    assert history == expected
    assert same(weights(again), weights(first))


def test_a_checkpoint_is_safetensors_and_json_and_nothing_else(tmp_path: Path) -> None:
    stopped_after(2, tmp_path, settings())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint.json", "epoch-00002.safetensors"]
    head = (tmp_path / names[1]).read_bytes()[8:9]
    assert head == b"{"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 7}, "settings.epochs is 6 there and 7 here"),
        ({"seed": 3}, "settings.seed is 0 there and 3 here"),
        ({"lr": 0.5, "optimiser": "adam"}, 'settings.lr is 0.01 there and 0.5 here; settings.optimiser is "adamw"'),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused_with_what_differs(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    stopped_after(2, tmp_path, settings())
    with pytest.raises(BadInput, match="is of another training") as caught:
        resumed(tmp_path, settings(**changes))
    assert message in str(caught.value)


def test_a_checkpoint_of_another_network_other_rows_or_losses_is_refused(tmp_path: Path) -> None:
    stopped_after(2, tmp_path, settings())
    with pytest.raises(BadInput, match=r"network\.tensors"):
        fit(nn.Linear(3, 2), loss_of, rows(), settings(), checkpoint=tmp_path)
    with pytest.raises(BadInput, match=r"rows\.training\.contents"):
        fit(network(), loss_of, rows(seed=5), settings(), checkpoint=tmp_path)
    with pytest.raises(BadInput, match=r"about\.weight is null there and 2 here"):
        fit(network(), loss_of, rows(), settings(), about={"weight": 2}, checkpoint=tmp_path)


def test_nothing_is_digested_without_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(value: object) -> None:
        raise Stopped

    monkeypatch.setattr(loop, "known_by", never)
    fit(network(), loss_of, rows(), settings(epochs=1), about={"weight": 2})


def test_a_time_limit_may_change_when_a_training_is_taken_up(tmp_path: Path) -> None:
    stopped_after(2, tmp_path, settings(max_seconds=100))
    _, history = resumed(tmp_path, settings(max_seconds=200))
    assert len(history.train) == 6


def test_other_threads_are_refused_where_every_bit_was_promised(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        stopped_after(2, tmp_path, settings(deterministic=True))
        torch.set_num_threads(2)
        with pytest.raises(BadInput, match=r"machine\.threads is 1 there and 2 here"):
            resumed(tmp_path, settings(deterministic=True))
    finally:
        torch.set_num_threads(before)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    stopped_after(2, tmp_path, settings())
    file = tmp_path / "epoch-00002.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        resumed(tmp_path, settings())
    file.unlink()
    with pytest.raises(BadInput, match="lacks"):
        resumed(tmp_path, settings())
    (tmp_path / INDEX).write_text("[]")
    with pytest.raises(BadInput, match="is no checkpoint"):
        resumed(tmp_path, settings())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="could not be written"):
        resumed(tmp_path / "file" / "checkpoint", settings(epochs=1))


def test_writing_takes_a_small_part_of_the_time(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, every=1000)
    fit(network(), loss_of, rows(), settings(), checkpoint=checkpoint)
    assert not checkpoint.due()
    assert facts(tmp_path)["finished"]
