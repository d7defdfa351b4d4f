"""The papers whose systems are here, and how each is reproduced; a new one is one file and one row."""

from __future__ import annotations

from calibration.papers.brain2pix import BRAIN2PIX
from calibration.papers.brainae import BRAINAE
from calibration.papers.image2ecog import IMAGE2ECOG
from calibration.papers.mouse_v1 import MOUSE_V1
from calibration.papers.paper import Paper, Result, Scale
from calibration.papers.spikes2video import SPIKES2VIDEO

__all__ = ["PAPERS", "Paper", "Result", "Scale"]

PAPERS: dict[str, Paper] = {paper.name: paper for paper in (BRAINAE, SPIKES2VIDEO, IMAGE2ECOG, MOUSE_V1, BRAIN2PIX)}
