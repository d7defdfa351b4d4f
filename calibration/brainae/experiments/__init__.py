"""The paper's experiments by name; a new one is one function and one row."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.brainae import plots
from calibration.brainae.experiments import signals, training, uses
from calibration.brainae.pairs import Material
from calibration.brainae.paper import published
from calibration.brainae.plan import Plan
from calibration.generation.experiment import generation
from calibration.tables.experiment import Experiment, Runner
from calibration.tables.items import Row
from calibration.tables.plots import courses, matrices
from calibration.tables.table import Table

__all__ = ["EXPERIMENTS", "Experiment", "Plan", "Table", "run"]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment("main", "Retrieval, zero-shot classification and encoding", training.main, plots.dots),
        Experiment("ablation", "Each loss left out, or alone", training.ablation, plots.dots),
        Experiment("temperature", "Temperature of the contrastive loss", training.temperature, plots.dots),
        Experiment(
            "decoders", "Linear and nonlinear decoder, with and without alignment", training.decoders, plots.dots
        ),
        Experiment("backbones", "Other brain encoders", training.backbones, plots.dots),
        Experiment(
            "repeats",
            "Accuracy by the number of repeats averaged",
            uses.repeats,
            courses("repeats", "repeats averaged", log=True),
        ),
        Experiment(
            "temporal-masking",
            "Retrieval with stretches of time masked",
            uses.temporal_masking,
            courses("at", "masked up to, from or around (s)", split="course"),
        ),
        Experiment("regional-masking", "Retrieval with regions masked", uses.regional_masking, plots.dots),
        Experiment(
            "reconstruction",
            "Missing entries put back",
            uses.reconstruction,
            courses("ratio", "share missing", split="mask"),
        ),
        Experiment("consistency", "Decoding and encoding, part by part", uses.consistencies, plots.scatters),
        Experiment("rsa", "Representational similarity", signals.rsa, matrices),
        Experiment("generation", "Image features drawn by a diffusion prior, to paint from", generation, plots.dots),
        Experiment("spectra", "Spectra, channel correlation and phase lags", signals.spectra, plots.signals),
    )
}


def told(name: str, rows: Sequence[Row], material: Material) -> list[Row]:
    """Lines that also say the experiment, the data, how many repeats were averaged, and the paper's figures."""
    facts = {"experiment": name, "data": material.name, "simulated": material.simulated}
    facts["repeats"] = material.test.repeats()
    return [{**facts, **line, "paper": published(name, line["row"], line["metric"])} for line in rows]


run = Runner("BrainAE", EXPERIMENTS, Plan(), told)
"""Runs one of them by its name."""
