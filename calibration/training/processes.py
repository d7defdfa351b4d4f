"""A training in several processes of this machine, one for each device."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from calibration.progress import Progress, Relay
from calibration.training.devices import repeatable
from calibration.training.history import History
from streamkit.errors import StreamkitError, require

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Run = Callable[["Fabric", Any, Progress], History]
WEIGHTS, ROWS = "weights.safetensors", "rows-{}.safetensors"
KINDS = ("data", "validation")
MEETING = ("MASTER_ADDR", "MASTER_PORT", "GLOO_SOCKET_IFNAME", "TORCH_CPP_LOG_LEVEL")


def in_processes(fabric: Fabric, run: Run, job: Any, progress: Progress) -> History:
    """Run a training in the processes of `fabric`; its network gets the weights of the first.

    Rows are written once and mapped into the memory of every process, weights come back as a file: both would
    otherwise be copied through pipes.

    Raises
    ------
    StreamkitError
        Whatever a process raised; or when one ends by itself.
    """
    pickler = require("cloudpickle", "train", "training on several devices")
    safetensors = require("safetensors.torch", "train", "training on several devices")
    with tempfile.TemporaryDirectory(prefix="streamkit-train-") as name, loopback(), relayed(progress) as queue:
        folder = Path(name)
        for kind in KINDS:
            if isinstance(getattr(job, kind), dict):
                safetensors.save_file(_plain(getattr(job, kind)), folder / ROWS.format(kind))
        light = {kind: None for kind in KINDS if (folder / ROWS.format(kind)).exists()}
        payload = pickler.dumps((run, dataclasses.replace(job, **light)))
        try:
            outcome = fabric.launch(work, payload, str(folder), queue)
        except (torch.multiprocessing.ProcessRaisedException, torch.multiprocessing.ProcessExitedException) as error:
            last = str(error).strip().splitlines()[-1]
            raise StreamkitError(f"training on {job.settings.devices} devices failed: {last}") from error
        if isinstance(outcome, StreamkitError):
            raise outcome
        job.module.load_state_dict(safetensors.load_file(folder / WEIGHTS))
    job.module.eval()
    return outcome


def work(fabric: Fabric, payload: bytes, folder: str, queue: Any) -> History | StreamkitError:
    """Do the part of one process."""
    pickler = require("cloudpickle", "train", "training on several devices")
    safetensors = require("safetensors.torch", "train", "training on several devices")
    run, job = pickler.loads(payload)
    for kind in KINDS:
        if (file := Path(folder, ROWS.format(kind))).exists():
            setattr(job, kind, safetensors.load_file(file))
    try:
        with repeatable(job.settings.deterministic):
            history = run(fabric, job, Relay(queue) if fabric.global_rank == 0 else Progress())
    except StreamkitError as error:
        return error
    if fabric.global_rank == 0:
        safetensors.save_file(_plain(job.module.state_dict()), Path(folder, WEIGHTS))
    return history


@contextlib.contextmanager
def relayed(progress: Progress) -> Iterator[Any]:
    """Give a queue whose messages move `progress`, from whichever process they come."""
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()

    def listen() -> None:
        while (message := queue.get()) is not None:
            name, arguments = message
            getattr(progress, name)(*arguments)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield queue
    finally:
        queue.put(None)
        listener.join()
        queue.close()


@contextlib.contextmanager
def loopback() -> Iterator[None]:
    """Let the processes meet on this machine alone; the environment is afterwards as it was."""
    before = {name: os.environ.get(name) for name in MEETING}
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ.pop("MASTER_PORT", None)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch warns of what only some networks need
    if Path("/sys/class/net/lo").exists():
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
