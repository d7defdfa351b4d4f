"""Waiting until a session reads what a test is about to send."""

from __future__ import annotations

import time
from typing import Any

from streamkit.session import Session


def wait_until_open(session: Session, *outlets: Any, timeout: float = 30.0) -> None:
    """Wait until a session reads these outlets.

    That somebody reads them is not enough: a window of another test, which shows any stream, may have come first.
    """
    for outlet in outlets:
        assert outlet.wait_for_consumers(timeout)
    end = time.monotonic() + timeout
    while session.state in ("searching", "connecting") and time.monotonic() < end:
        time.sleep(0.005)
    assert session.state not in ("searching", "connecting")
