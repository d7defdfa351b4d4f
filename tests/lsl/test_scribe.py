"""The writing thread: what is put down is written in order, what fails is said, and nobody waits for a slow disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from streamkit.errors import DiskError
from streamkit.lsl import mailbox
from streamkit.lsl.mailbox import Mailbox
from streamkit.lsl.scribe import Scribe

WAIT_S = 10.0


class Notebook:
    """Writes numbers to a list, one a burst; at `fails_at` the disk is full, and `disk` holds it up."""

    def __init__(self, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.box: Mailbox[int] = Mailbox()
        self.written: list[int] = []
        self.closed = False
        self.disk = threading.Event()
        self.disk.set()
        self._fails_at, self._error = fails_at, error

    def write(self) -> Iterator[None]:
        while items := self.box.take(1):
            assert self.disk.wait(WAIT_S)
            if self._error is not None and items[0] == self._fails_at:
                raise self._error
            self.written += items
            yield

    def close(self) -> Iterator[None]:
        yield from self.write()
        self.closed = True


def test_everything_put_down_before_the_end_is_written_in_order() -> None:
    book = Notebook()
    scribe = Scribe([book], pytest.fail)
    scribe.start()
    for number in range(500):
        book.box.put(number)
    scribe.close()
    assert book.written == list(range(500))
    assert book.closed


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DiskError("cannot write x: No space left on device."), "cannot write x: No space left on device."),
        (ZeroDivisionError("oh"), "writing failed: ZeroDivisionError: oh"),
    ],
)
def test_a_book_that_fails_is_said_and_the_others_are_kept_on(error: Exception, said: str) -> None:
    broken, sound = Notebook(3, error), Notebook()
    problems: list[str] = []
    scribe = Scribe([broken, sound], problems.append)
    scribe.start()
    for number in range(10):
        broken.box.put(number)
        sound.box.put(number)
    scribe.close()
    assert problems == [said]
    assert broken.written == [0, 1, 2]
    assert not broken.closed
    assert sound.written == list(range(10))
    assert sound.closed


def test_whoever_puts_something_down_does_not_wait_for_the_disk() -> None:
    book = Notebook()
    book.disk.clear()
    scribe = Scribe([book], pytest.fail)
    scribe.start()
    for number in range(1000):
        book.box.put(number)
    assert book.written == []
    book.disk.set()
    scribe.close()
    assert book.written == list(range(1000))


def test_a_scribe_that_was_never_started_closes_at_once() -> None:
    Scribe([], pytest.fail).close()


def test_a_full_mailbox_counts_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MOST_BYTES", 100)
    box: Mailbox[int] = Mailbox(item_bytes=5)
    for number in range(25):
        box.put(number)
    assert box.lost == 5
    assert box.take(3) == [0, 1, 2]
    assert box.take(100) == list(range(3, 20))
    assert box.take(1) == []
