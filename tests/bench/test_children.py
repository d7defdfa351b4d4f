"""Processes of a benchmark are heard, and end whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.bench.children import children
from streamkit.errors import StreamkitError

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"ready": 1}', flush=True)
time.sleep(600)
"""
PARENT = """
import os, sys
from pathlib import Path
from apps.bench.children import children
with children(Path(sys.argv[1])) as start:
    child = start("stubborn", [sys.executable, "-c", sys.argv[2]])
    child.hear(30)
    print(child.process.pid, flush=True)
    sys.stdin.readline()
"""


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def gone(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_child_is_heard_and_gets_its_cue(tmp_path: Path) -> None:
    text = "import sys; print('noise'); print('{\"a\": 1}', flush=True); sys.stdin.readline(); print('{\"b\": 2}')"
    with children(tmp_path) as start:
        child = start("talker", python(text))
        assert child.hear(30) == {"a": 1}
        child.tell()
        assert child.hear(30) == {"b": 2}
        child.wait(30)


def test_a_child_that_ends_too_early_is_quoted(tmp_path: Path) -> None:
    with (
        children(tmp_path) as start,
        pytest.raises(StreamkitError, match="talker ended too early with status 3: no amplifier"),
    ):
        start("talker", python("import sys; print('no amplifier', file=sys.stderr); sys.exit(3)")).hear(30)


def test_waiting_for_one_child_notices_that_another_ended(tmp_path: Path) -> None:
    with children(tmp_path) as start:
        worker = start("worker", python("raise SystemExit(4)"))
        source = start("source", python("import time; time.sleep(600)"))
        with pytest.raises(StreamkitError, match="worker ended too early with status 4"):
            source.hear(30, (worker,))


def test_a_child_that_says_nothing_is_named(tmp_path: Path) -> None:
    with children(tmp_path) as start, pytest.raises(StreamkitError, match=r"mute said nothing for 0\.3 s"):
        start("mute", python("import time; time.sleep(600)")).hear(0.3)


def test_a_child_that_ignores_every_request_ends_with_the_body(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), children(tmp_path) as start:  # noqa: PT012
        child = start("stubborn", python(STUBBORN))
        child.hear(30)
        raise KeyboardInterrupt
    assert child.process.returncode == -signal.SIGKILL


def test_processor_time_counts_the_children_of_a_child(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    busy = "import time; e = time.process_time() + 0.3\nwhile time.process_time() < e: pass\nprint('{}', flush=True)\n"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy + 'time.sleep(600)'!r}])"
    with children(tmp_path) as start:
        child = start("parent", python(parent))
        child.hear(30)
        assert child.cpu_seconds() >= 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel, as only Linux has it")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), STUBBORN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        assert gone(child)
