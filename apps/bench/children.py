"""The processes of a benchmark: started out of reach of Ctrl-C, heard line by line, and ended whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from streamkit.errors import StreamkitError, require

GRACE_S = 8.0
SET_DEATH_SIGNAL = 1


class Child:
    """One process of its own group.

    Parameters
    ----------
    name
        What messages call it.
    command
        Words that start it.
    folder
        Where it writes what it says on standard error.
    """

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                start_new_session=True,
                preexec_fn=_die_with_parent() if sys.platform == "linux" else None,
            )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def hear(self, timeout: float, others: tuple[Child, ...] = ()) -> dict[str, Any]:
        """Wait for the next JSON line.

        Raises
        ------
        StreamkitError
            When it, or one of `others`, ends first, or `timeout` seconds pass; with the last it said.
        """
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(queue.Empty, ValueError):
                message: dict[str, Any] = json.loads(self._lines.get(timeout=0.2))
                return message
            for child in (self, *others):
                if child.process.poll() is not None and (child is not self or not self._reader.is_alive()):
                    raise child.failure("ended too early")
            if time.monotonic() > deadline:
                raise self.failure(f"said nothing for {timeout:g} s")

    def tell(self) -> None:
        """Give the cue it waits for: one line on its standard input."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def failure(self, what: str) -> StreamkitError:
        """Build the error that says how it ended and what it said last."""
        said = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        status = self.process.poll()
        how = "" if status is None else f" with status {status}"
        return StreamkitError(f"{self.name} {what}{how}: {said[-1] if said else 'it said nothing'}")

    def wait(self, timeout: float) -> None:
        """Wait until it has ended by itself; raises when it has not, or ended badly."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {timeout:g} s") from None
        if status:
            raise self.failure("failed")

    def finish(self) -> dict[str, Any] | None:
        """End it as Ctrl-C would; returns the last JSON line it said, if any."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_S)
        self.end()
        last = None
        while not self._lines.empty():
            with contextlib.suppress(ValueError):
                last = json.loads(self._lines.get())
        return last if isinstance(last, dict) else None

    def end(self) -> None:
        """End it and all it started, now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    def cpu_seconds(self) -> float:
        """Processor time it and its children have used so far."""
        psutil = require("psutil", "bench", "measuring the processor time of a consumer")
        whole = psutil.Process(self.process.pid)
        total = 0.0
        for process in (whole, *whole.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)


@contextlib.contextmanager
def children(folder: Path) -> Iterator[Callable[[str, list[str]], Child]]:
    """Give a function that starts children; all of them have ended when the body is left."""
    started: list[Child] = []

    def start(name: str, command: list[str]) -> Child:
        started.append(Child(name, command, folder))
        return started[-1]

    try:
        yield start
    finally:
        for child in started:
            child.end()


def _die_with_parent() -> Callable[[], None]:
    """Make what runs in a child before its program: Linux ends it when this process is gone, even if killed."""
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(SET_DEATH_SIGNAL, signal.SIGKILL)

    return ask
