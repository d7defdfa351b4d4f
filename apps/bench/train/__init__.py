"""`streamkit bench train`: the training loop beside a plain one, on the same network and rows."""

from apps.bench.train.command import command

__all__ = ["command"]
