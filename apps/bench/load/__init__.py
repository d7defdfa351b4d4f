"""`streamkit bench load`: a thousand channels at 30 kHz, or several streams at once, and nothing lost."""

from apps.bench.load.command import command

__all__ = ["command"]
