"""Run a command in this process, as typed."""

from __future__ import annotations

from apps.cli import main


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
