from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from calibration.progress import Progress
from calibration.training import fan_out as house
from calibration.training.fan_out import Outcome, Task, fan_out, gather
from streamkit.errors import ConfigError, StreamkitError
from tests.calibration.training import sweep


def doubled(value: int, wait: float = 0.0) -> int:
    time.sleep(wait)
    return 2 * value


def failing(value: int) -> int:
    return 1 // value


def wrong(value: int) -> int:
    raise ConfigError(f"{value} is wrong: give another")


def threads() -> int:
    return torch.get_num_threads()


def deadly(value: int, others: Path) -> int:
    """Number 0 ends its worker when the others have come through, for what runs then is lost along with it."""
    if value == 0:
        while not others.exists():
            time.sleep(0.01)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    others.touch()
    return value


def numbered(n: int, **further: Any) -> list[Task]:
    return [Task(f"number {value}", {"value": value, **further}) for value in range(n)]


def test_results_come_in_the_order_of_the_tasks() -> None:
    late_first = [Task("late", {"value": 1, "wait": 0.3}), Task("early", {"value": 2}), Task("last", {"value": 3})]
    results = fan_out(doubled, late_first, workers=2)
    assert [(result.name, result.value) for result in results] == [("late", 2), ("early", 4), ("last", 6)]
    assert results[0].seconds >= 0.3


def test_one_worker_is_this_process() -> None:
    here = fan_out(os.getpid, [Task("here")], workers=1)
    assert here[0].value == os.getpid()
    assert fan_out(doubled, []) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_task_names_itself_and_keeps_its_kind(workers: int) -> None:
    tasks = [Task("good", {"value": 1}), Task("bad", {"value": 0})]
    with pytest.raises(StreamkitError, match="task 'bad' failed: ZeroDivisionError: integer division") as caught:
        fan_out(failing, tasks, workers=workers)
    assert "in failing" in "".join(caught.value.__notes__)
    with pytest.raises(ConfigError, match="task 'good' failed: 1 is wrong: give another"):
        fan_out(wrong, tasks[:1], workers=workers)


def test_each_task_has_the_threads_it_is_given_and_none_changes_nothing() -> None:
    before = torch.get_num_threads()
    assert [result.value for result in fan_out(threads, [Task("a"), Task("b")], workers=2, threads=3)] == [3, 3]
    assert fan_out(threads, [Task("a")], workers=1, threads=before + 1)[0].value == before + 1
    assert fan_out(threads, [Task("a")], workers=1, threads=None)[0].value == before
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_a_killed_worker_loses_no_task_and_changes_no_result(tmp_path: Path) -> None:
    plain = fan_out(sweep.trained, sweep.tasks(), workers=2)
    assert len({result.value["loss"] for result in plain}) == 4
    killed = fan_out(sweep.trained, sweep.tasks(tmp_path / "killed"), workers=2)
    assert (tmp_path / "killed").exists()
    assert [result.value for result in killed] == [result.value for result in plain]
    assert killed[1].attempts == 2


@pytest.mark.slow
def test_a_task_that_always_ends_its_worker_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamkitError, match=r"task 'number 0': .*ended by itself [23] times"):
        fan_out(deadly, numbered(2, others=tmp_path / "others"), workers=2, retries=1)


def scripted(rounds: list[list[int]]) -> house.Run:
    """Workers that are lost after some tasks, as told."""

    def run(numbers: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        yield from ((number, Outcome(0.0, value=number)) for number in rounds.pop(0))

    return run


def test_retries_count_losses_in_a_row_without_any_result() -> None:
    results = gather(numbered(3), scripted([[], [2], [], [0], [], [1]]), 1, Progress())
    assert [(result.value, result.attempts) for result in results] == [(0, 4), (1, 6), (2, 2)]
    with pytest.raises(StreamkitError, match="tasks 'number 0', 'number 1': "):
        gather(numbered(3), scripted([[2], [], []]), 1, Progress())


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="several tasks are called 'twice'"):
        fan_out(doubled, [Task("twice"), Task("twice")])


def test_tasks_of_one_process_wait_for_each_other() -> None:
    running, most = 0, 0

    def busy() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1

    workers = [threading.Thread(target=house.call, args=(busy, {}, 1)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1


def test_the_bar_counts_the_tasks() -> None:
    notes: list[Any] = []

    class Noted(Progress):
        def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
            notes.append((what, total))

        def advance(self, note: str = "") -> None:
            notes.append(note)

    fan_out(doubled, numbered(2), workers=1, progress=Noted(), what="folds")
    assert notes == [("folds", 2), "number 0", "number 1"]
