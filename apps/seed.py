"""What every command takes as ``--seed``."""

from __future__ import annotations

import click

SEED = click.IntRange(min=0)
"""Generators of random numbers take no seed below 0."""
