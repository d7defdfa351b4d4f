"""Ctrl-C at a command that runs until it is stopped: the first ends it, the second is not heard, the third kills."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from apps.commands.replay import until_stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def handlers() -> list[object]:
    """What handles each signal at the moment."""
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put this process's handlers back, which a stopped command does not do."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_interrupts_neither_the_stopping_nor_what_comes_after(
    first: signal.Signals, second: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = False
    with until_stopped():
        try:
            signal.raise_signal(first)
        finally:
            signal.raise_signal(second)
            closed = True
    assert closed
    assert handlers() == [signal.SIG_DFL, signal.SIG_DFL]  # the third one kills
    assert capsys.readouterr().err == "stopped\n"


def test_a_second_signal_after_the_body_is_not_heard_either() -> None:
    with until_stopped():
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert handlers() == [signal.SIG_DFL, signal.SIG_DFL]


def test_without_a_signal_all_is_as_before() -> None:
    before = handlers()
    with until_stopped():
        assert handlers() != before
    assert handlers() == before
