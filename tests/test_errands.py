"""Errands are done in order, beside the thread that hands them over; a failure is told there."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from streamkit.errors import BundleError, StreamkitError
from streamkit.session.errands import Errands


def started(most: int = 64) -> Errands:
    errands = Errands(most)
    errands.start()
    return errands


def test_they_are_done_in_order_in_another_thread() -> None:
    done: list[tuple[int, bool]] = []

    def errand(k: int) -> Iterator[None]:
        yield
        done.append((k, threading.current_thread() is threading.main_thread()))

    errands = started()
    for k in range(20):
        assert errands.hand_over(lambda k=k: errand(k))  # type: ignore[misc]
    errands.close()
    assert done == [(k, False) for k in range(20)]


def test_too_many_are_left_out_and_counted() -> None:
    hold, held = threading.Event(), threading.Event()

    def waits() -> Iterator[None]:
        held.set()
        hold.wait(10)
        yield

    errands = started(most=3)
    errands.hand_over(waits)
    assert held.wait(10)
    taken = [errands.hand_over(lambda: iter(())) for _ in range(5)]
    hold.set()
    errands.close()
    assert taken == [True, True, True, False, False]
    assert errands.lost == 2


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [(BundleError("no such row"), BundleError, "no such row"), (KeyError("x"), StreamkitError, "KeyError: 'x'")],
)
def test_a_failure_is_told_to_who_asks(error: Exception, kind: type[Exception], words: str) -> None:
    def fails() -> Iterator[None]:
        yield
        raise error

    errands = started()
    errands.check()
    errands.hand_over(fails)
    errands.close()
    with pytest.raises(kind, match=words):
        errands.check()


def test_what_waits_can_be_left_undone() -> None:
    hold, done = threading.Event(), list[int]()

    def first() -> Iterator[None]:
        hold.wait(10)
        yield

    def second() -> Iterator[None]:
        done.append(1)
        yield

    errands = started()
    errands.hand_over(first)
    errands.hand_over(second)
    closing = threading.Thread(target=errands.close, kwargs={"drain": False})
    closing.start()
    hold.set()
    closing.join(10)
    assert not closing.is_alive()
    assert done == []


def test_closing_what_never_began_is_fine() -> None:
    Errands().close()
