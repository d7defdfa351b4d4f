"""The paper's experiments by name; a new one is one function and one row."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.image2ecog import plots
from calibration.image2ecog.experiments import frequencies, places, prediction
from calibration.image2ecog.paper import published
from calibration.image2ecog.plan import Plan
from calibration.image2ecog.scores import R
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.trained import Trained
from calibration.tables.experiment import Experiment, chosen
from calibration.tables.items import Row
from calibration.tables.plots import dots
from calibration.tables.table import Table

__all__ = ["EXPERIMENTS", "Experiment", "Plan", "Table", "run"]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment("main", "Both models, region by region", prediction.main, plots.regions),
        Experiment("models", "Classification-regressor beside end to end, over subjects", prediction.models, dots),
        Experiment("splits", "Split by trial, as published, beside split by image", prediction.splits, dots),
        Experiment("heads", "One value per channel instead of its wave", prediction.heads, plots.regions),
        Experiment("classifier", "Categories told by the first stage", prediction.classifier, dots),
        Experiment("subjects", "Subjects by regions", places.subjects, plots.subject_matrix),
        Experiment("cortex", "Where on the cortex responses are predicted", places.cortex, plots.cortex),
        Experiment("channels", "Bad channels, and channels by signal to noise", places.channels, plots.snr),
        Experiment(
            "frequencies", "Coarse and fine images, slow and fast signals", frequencies.frequencies, plots.two_by_two
        ),
    )
}


def run(
    name: str, trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan | None = None
) -> Table:
    """Run one experiment.

    Parameters
    ----------
    name
        A key of `EXPERIMENTS`.
    trained
        Holds the subjects' material; models are shared by all experiments that are given the same one.
    settings, seeds
        Of the trainings: one per subject, fold and seed.

    Returns
    -------
    Table
        Its lines also say the experiment, the data, the split, that single trials are scored, and the paper's figures
        where it has some.

    Raises
    ------
    ConfigError
        When there is no such experiment, or no seed.
    """
    table = chosen("image2ecog", EXPERIMENTS, name, seeds).run(trained, settings, seeds, plan or Plan())
    first = next(iter(trained.subjects.values()))
    facts = {
        "experiment": name,
        "data": first.name,
        "simulated": first.simulated,
        "split": settings.split,
        "repeats": 1,
        "n_subjects": len(trained.subjects),
        "n_stimuli": len(first.images),
    }
    return Table([{**facts, "seeds": len(seeds), **row, "paper": figures_for(row)} for row in table.rows], table.arrays)


def figures_for(row: Row) -> dict[str, float]:
    """What the paper has for a line."""
    if row["metric"] != R or "model" not in row or "region" not in row:
        return {}
    return published(row["model"], row["region"])
