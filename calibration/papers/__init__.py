"""The papers whose systems are here, and how each is reproduced; a new one is one file and one row."""

from __future__ import annotations

from calibration.papers.brainae import BRAINAE
from calibration.papers.paper import Paper, Result, Scale

__all__ = ["PAPERS", "Paper", "Result", "Scale"]

PAPERS: dict[str, Paper] = {paper.name: paper for paper in (BRAINAE,)}
