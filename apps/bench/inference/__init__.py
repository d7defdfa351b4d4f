"""`streamkit bench inference`: every network in every backend, beside the same runtime called directly."""

from apps.bench.inference.command import command

__all__ = ["command"]
