"""Ctrl-C at a command that runs until it is stopped: the first ends it, the second is not heard, the third kills.

In processes of their own: what is left of a stopped command's handlers would let any signal end the tests.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BEGIN = """
import signal
from apps.commands.replay import until_stopped

def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

signal.signal(signal.SIGINT, signal.default_int_handler)
"""
TWO = """
closed = False
with until_stopped():
    try:
        signal.raise_signal({first})
    finally:
        signal.raise_signal({second})
        closed = True
assert closed
assert handlers() == [signal.SIG_DFL, signal.SIG_DFL]
"""
AFTER = """
with until_stopped():
    signal.raise_signal({first})
signal.raise_signal({first})
assert handlers() == [signal.SIG_DFL, signal.SIG_DFL]
"""
THIRD = """
signal.raise_signal({first})
print("alive")
"""
WITHOUT = """
before = handlers()
with until_stopped():
    assert handlers() != before
assert handlers() == before
"""


def run(script: str, **numbers: int) -> tuple[int, str, str]:
    """Status of a process that runs `script`, and what it said."""
    words = [sys.executable, "-c", (BEGIN + script).format(**numbers)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_interrupts_neither_the_stopping_nor_what_comes_after(
    first: signal.Signals, second: signal.Signals
) -> None:
    assert run(TWO, first=first, second=second) == (0, "", "stopped\n")


@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_signal_after_the_body_is_not_heard_either(first: signal.Signals) -> None:
    assert run(AFTER, first=first) == (0, "", "stopped\n")


@pytest.mark.parametrize("first", SIGNALS)
def test_a_third_signal_kills(first: signal.Signals) -> None:
    assert run(AFTER + THIRD, first=first) == (-first, "", "stopped\n")


def test_without_a_signal_all_is_as_before() -> None:
    assert run(WITHOUT) == (0, "", "")
