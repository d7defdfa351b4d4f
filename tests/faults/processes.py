"""Commands as processes of their own, with limits, and what they say."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pylsl

WAIT_S = 60.0


class Command:
    """One running command; its stderr is read line by line as it comes."""

    def __init__(self, words: tuple[object, ...], largest_file: int | None) -> None:
        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        line = [sys.executable, "-m", "apps.cli", *map(str, words)]
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit, env=os.environ.copy()
        )
        self.said: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_said(self, words: str, times: int = 1) -> None:
        """Wait until so many lines of stderr have these words."""
        with self._news:
            heard = self._news.wait_for(lambda: self._has(words, times) or not self._reader.is_alive(), WAIT_S)
        assert heard, f"{words!r} was not said in {WAIT_S:g} s, only: {self.said}"
        assert self._has(words, times), f"{words!r} was never said so often, only: {self.said}"

    def result(self) -> tuple[int, dict[str, Any]]:
        """Wait for the end; returns the exit status and the JSON object of stdout."""
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        status = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert "Traceback" not in "".join(self.said)
        return status, json.loads(output) if output else {}

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> float:
        """SIGKILL; returns when, on the LSL clock."""
        now = pylsl.local_clock()
        self.process.kill()
        self.process.wait(WAIT_S)
        return now

    def _has(self, words: str, times: int) -> bool:
        return sum(words in line for line in self.said) >= times

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.said.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@contextmanager
def command(*words: object, largest_file: int | None = None) -> Iterator[Command]:
    """A command of ours; one that still runs at the end is killed."""
    running = Command(words, largest_file)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
        running._reader.join(WAIT_S)
        for stream in (running.process.stdout, running.process.stderr):
            if stream is not None:
                stream.close()


def wait_for_size(path: Path, n_bytes: int) -> None:
    """Wait until a file has grown so large."""
    for _ in range(int(WAIT_S / 0.02)):
        if path.exists() and path.stat().st_size >= n_bytes:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{path} did not reach {n_bytes} bytes in {WAIT_S:g} s")
