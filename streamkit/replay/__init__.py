"""Replay: publish a recording on LSL, all streams at their own times."""

from streamkit.replay.player import Replay

__all__ = ["Replay"]
