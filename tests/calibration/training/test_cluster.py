from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from calibration.training.fan_out import Task, fan_out
from streamkit.errors import ConfigError, StreamkitError
from tests.calibration.training import sweep
from tests.calibration.training.test_fan_out import failing

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

ROOT = Path(__file__).parents[3]
START_S = 60.0
ALONE = ["--host", "127.0.0.1", "--no-dashboard"]


@dataclass(frozen=True)
class Cluster:
    """A scheduler and two workers, all of them processes of their own."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


def dask(*words: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words], cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT
        )


def address_in(file: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return json.loads(file.read_text())["address"]
        time.sleep(0.05)
    raise AssertionError("the scheduler did not start")


@contextlib.contextmanager
def running(folder: Path, n_workers: int) -> Iterator[Cluster]:
    file = folder / "scheduler.json"
    started = [dask("scheduler", *ALONE, "--port", "0", "--scheduler-file", str(file), log=folder / "scheduler.log")]
    try:
        address = address_in(file)
        own = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        for number in range(n_workers):
            started.append(dask("worker", address, *ALONE, *own, log=folder / f"worker-{number}.log"))
        yield Cluster(address, started[0], started[1:])
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("dask"), 2) as started:
        yield started


@pytest.mark.slow
def test_a_sweep_is_the_same_here_and_on_a_cluster_even_when_a_worker_is_killed(
    cluster: Cluster, tmp_path: Path
) -> None:
    import distributed

    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=START_S)
    here = [result.value for result in fan_out(sweep.trained, sweep.tasks(), workers=2)]
    there = fan_out(sweep.trained, sweep.tasks(), cluster.address)
    assert [result.value for result in there] == here
    assert [result.name for result in there] == [task.name for task in sweep.tasks()]
    with pytest.raises(StreamkitError, match="task 'bad' failed: ZeroDivisionError"):
        fan_out(failing, [Task("bad", {"value": 0})], cluster.address)
    killed = fan_out(sweep.trained, sweep.tasks(tmp_path / "killed"), cluster.address)
    lost = int((tmp_path / "killed").read_text())
    assert [worker.wait(10) for worker in cluster.workers if worker.pid == lost] == [-9]
    assert [result.value for result in killed] == here


@pytest.mark.slow
def test_a_cluster_without_a_worker_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calibration.training import cluster as house

    monkeypatch.setattr(house, "CONNECT_S", 3.0)
    with (
        running(tmp_path, 0) as started,
        pytest.raises(StreamkitError, match=f"has no worker. Start some with `dask worker {started.address}"),
    ):
        fan_out(sweep.trained, sweep.tasks(), started.address)


def test_a_scheduler_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from calibration.training import cluster as house

    monkeypatch.setattr(house, "CONNECT_S", 0.3)
    with pytest.raises(ConfigError, match=r"--scheduler tcp://127\.0\.0\.1:9: no Dask scheduler answers there"):
        fan_out(sweep.trained, sweep.tasks(), "tcp://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        fan_out(sweep.trained, sweep.tasks(), "cluster")
