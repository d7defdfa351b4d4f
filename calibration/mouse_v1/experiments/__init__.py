"""The report's experiments by name; a new one is one function and one row."""

from __future__ import annotations

from functools import partial

from calibration.mouse_v1.experiments import ablations, decoding, noise, pretrained
from calibration.mouse_v1.experiments.plan import Plan, Systems
from calibration.mouse_v1.paper import published
from calibration.tables import experiment
from calibration.tables.experiment import Experiment, Runner
from calibration.tables.plots import courses, dots, sheet
from calibration.tables.table import Table

__all__ = ["EXPERIMENTS", "Experiment", "Plan", "Systems", "Table", "run", "told"]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment("main", "The inverted encoder, the CNN and the GAN, side by side", decoding.main, sheet),
        Experiment("encoders", "Responses predicted by both encoders", decoding.encoders, dots),
        Experiment(
            "inversion", "The inverted encoder on its own responses, and without its parts", noise.inversion, dots
        ),
        Experiment("pretrained", "SD-VAE and ResNet50, with the user's weights", pretrained.pretrained, dots),
        Experiment("merged", "One core for all mice, and one for each", ablations.merged, dots),
        Experiment("channels", "Maps between the GAN's read-in and its core", ablations.channels, dots),
        Experiment("inputs", "Coordinates of neurons, and the logarithm of responses", ablations.inputs, dots),
        Experiment("losses", "What the GAN is trained to make small", ablations.losses, dots),
        Experiment("data", "Scores by the share of the training data", ablations.data, courses("share", "share")),
        Experiment("neurons", "Scores by the number of neurons", ablations.neurons, courses("neurons", "neurons")),
    )
}


told = partial(experiment.told, published)
"""Lines of an experiment that also say its name, the data and the paper's figures."""


run = Runner("Mouse V1", EXPERIMENTS, Plan(), told)
"""Runs one of them by its name."""
