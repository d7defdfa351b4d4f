"""Jobs the window starts beside itself: a replay to look at, a recording of what is in view."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

GRACE_S = 5.0


class Child:
    """A `streamkit` command in a process of its own, ended with the window.

    Parameters
    ----------
    args
        The verb and its arguments.
    """

    def __init__(self, *args: str) -> None:
        command = [sys.executable, "-m", "apps.cli", *args]
        self.args = args
        self._said: str | None = None
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    @property
    def running(self) -> bool:
        """True while the command runs."""
        return self.process.poll() is None

    def failure(self) -> str | None:
        """What it said when it ended badly; None while it runs or when it ended well."""
        if self.running or self.process.returncode in (0, 130, -signal.SIGINT, -signal.SIGTERM):
            return None
        if self._said is None:
            self._said = (self.process.stderr.read() if self.process.stderr else "").strip()
        error = self._said.rpartition("error: ")[2]
        return error or f"`streamkit {self.args[0]}` ended with {self.process.returncode}"

    def stop(self) -> None:
        """Ask it to finish, as Ctrl+C would; insist after a while."""
        if self.running:
            self.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            try:
                self.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def replay(recording: Path, base: str) -> Child:
    """Play a recording over LSL, again and again, with source ids below `base`."""
    return Child("replay", str(recording), "--loop", "--base", base)


def record(out: Path, source_ids: list[str]) -> Child:
    """Record these streams."""
    queries = [part for source_id in source_ids for part in ("--stream", f"source_id={source_id}")]
    return Child("record", str(out), *queries)
