"""The paper's experiments by name; a new one is one function and one row."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.brainae import plots
from calibration.brainae.experiments import signals, training, uses
from calibration.brainae.pairs import Material
from calibration.brainae.paper import published
from calibration.brainae.plan import Plan
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.trained import Trained
from calibration.generation.experiment import generation
from calibration.tables.experiment import Experiment, chosen
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


def run(
    name: str, trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan | None = None
) -> Table:
    """Run one experiment.

    Parameters
    ----------
    name
        A key of `EXPERIMENTS`.
    trained
        Holds the material; models are shared by all experiments that are given the same one.
    settings, seeds
        Of the trainings: one per seed.

    Returns
    -------
    Table
        Its lines also say the experiment, the data, how many repeats were averaged, and the paper's figures where it
        has some.

    Raises
    ------
    ConfigError
        When there is no such experiment, or no seed.
    """
    table = chosen("BrainAE", EXPERIMENTS, name, seeds).run(trained, settings, seeds, plan or Plan())
    facts = facts_of(trained.material)
    rows = [{"experiment": name, **facts, **row, "paper": figures_for(name, row)} for row in table.rows]
    return Table(rows, table.arrays)


def figures_for(name: str, row: Row) -> dict[str, float]:
    """What the paper has for a line."""
    return published(name, row["row"], row["metric"])


def facts_of(material: Material) -> dict[str, object]:
    """What every line says about the data."""
    return {"data": material.name, "simulated": material.simulated, "repeats": material.test.repeats()}
