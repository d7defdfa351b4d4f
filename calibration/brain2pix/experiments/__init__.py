"""The paper's experiments by name; a new one is one function and one row."""

from __future__ import annotations

from functools import partial

from calibration.brain2pix.experiments import looking, painting
from calibration.brain2pix.experiments.plan import Plan
from calibration.brain2pix.paper import published
from calibration.tables import experiment
from calibration.tables.experiment import Experiment, Runner
from calibration.tables.plots import courses, dots, sheet
from calibration.tables.table import Table

__all__ = ["EXPERIMENTS", "Experiment", "Plan", "Table", "run"]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment("main", "Frames painted from voxels, beside the mean frame", painting.main, sheet),
        Experiment("baselines", "FixedRF, LearnedRF, Shen, Nishimoto and fully connected", painting.baselines, sheet),
        Experiment("regions", "What one region tells alone", painting.regions, sheet),
        Experiment("losses", "Without the feature loss, without the adversarial loss", painting.losses, sheet),
        Experiment("amount", "Trained on a part of the runs", painting.amount, courses("share", "share of the runs")),
        Experiment(
            "synthetic", "Given the brightness where each voxel looks: could it work", painting.synthetic, sheet
        ),
        Experiment("places", "Places shuffled, and what LearnedRF adds", painting.places, sheet),
        Experiment("orientation", "Which way round the places of voxels are", looking.orientation, dots),
        Experiment("fields", "Receptive fields estimated from the film", looking.fields, dots),
    )
}


told = partial(experiment.told, published)
"""Lines of an experiment that also say its name, the data and the paper's figures."""


run = Runner("Brain2Pix", EXPERIMENTS, Plan(), told)
"""Runs one of them by its name."""
