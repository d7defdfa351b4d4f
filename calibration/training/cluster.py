"""Tasks on a Dask cluster that is there already."""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from calibration.training.fan_out import Outcome, Run, call
from streamkit.errors import ConfigError, StreamkitError, require

CONNECT_S = 10.0
WORKERS_S = 60.0
"""How long a cluster may be without any worker before a sweep gives up."""

LOOK_S = 2.0
WHY = "running tasks on a Dask cluster"


@contextlib.contextmanager
def cluster_run(calls: Sequence[tuple[Any, ...]], names: Sequence[str], address: str) -> Iterator[Run]:
    """Connect to the scheduler at `address`; the body gets what runs tasks there.

    A task whose worker is lost is given to another by the scheduler itself, as often as its own setting
    ``distributed.scheduler.allowed-failures`` says.

    Raises
    ------
    ConfigError
        When nobody answers there.
    StreamkitError
        When the cluster has no worker, or loses its last one.
    """
    distributed = require("distributed", "dask", WHY)
    client = connect(distributed, address)
    try:
        wait_for_worker(client, address)

        def run(numbers: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
            futures = submit(client, calls, names, numbers)
            for future in completed(distributed, client, list(futures), address):
                if future.status == "finished":
                    yield futures[future], future.result()
                elif not isinstance(future.exception(), distributed.KilledWorker):
                    yield futures[future], Outcome(0.0, error=str(future.exception()) or future.status)

        yield run
    finally:
        client.close()


def connect(distributed: Any, address: str) -> Any:
    """Open a client of the scheduler at `address`."""
    try:
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}). Start one with `dask scheduler`, take "
            "the address it prints, such as tcp://127.0.0.1:8786, or `local` for this machine"
        ) from error


def submit(
    client: Any, calls: Sequence[tuple[Any, ...]], names: Sequence[str], numbers: Sequence[int]
) -> dict[Any, int]:
    """Hand tasks to the cluster; returns their futures with their numbers."""
    with warnings.catch_warnings():
        # a copy of the arguments stays with the scheduler, so that a lost worker loses no data
        warnings.filterwarnings("ignore", message="Sending large graph")
        return {
            client.submit(call, *calls[number], pure=False, key=f"{names[number]}-{uuid.uuid4().hex}"): number
            for number in numbers
        }


def completed(distributed: Any, client: Any, waiting: list[Any], address: str) -> Iterator[Any]:
    """Yield futures as they end; raises when the cluster has been without a worker for too long."""
    seen = time.monotonic()
    while waiting:
        with contextlib.suppress(TimeoutError), client.as_current():
            distributed.wait(waiting, timeout=LOOK_S, return_when="FIRST_COMPLETED")
        ended = [future for future in waiting if future.done()]
        waiting = [future for future in waiting if future not in ended]
        yield from ended
        if ended or n_workers(client):
            seen = time.monotonic()
        elif time.monotonic() - seen > WORKERS_S:
            raise StreamkitError(f"the Dask cluster at {address} has lost all its workers. {ADVICE.format(address)}")


def wait_for_worker(client: Any, address: str) -> None:
    """Wait until there is a worker."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except TimeoutError as error:
        raise StreamkitError(f"the Dask cluster at {address} has no worker. {ADVICE.format(address)}") from error


ADVICE = "Start some with `dask worker {} --nthreads 1`, where the same version of streamkit is installed"


def n_workers(client: Any) -> int:
    """Workers the cluster has at this moment."""
    return len(client.scheduler_info(n_workers=-1)["workers"])
