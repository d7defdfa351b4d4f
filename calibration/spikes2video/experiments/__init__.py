"""The paper's experiments by name; a new one is one function and one row."""

from __future__ import annotations

from functools import partial

from calibration.spikes2video.experiments import activity, amount, areas, decoding, encoding, online, plots
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.paper import published
from calibration.tables import experiment
from calibration.tables.experiment import Experiment, Runner
from calibration.tables.plots import courses, dots
from calibration.tables.table import Table

__all__ = ["EXPERIMENTS", "Experiment", "Plan", "Table", "run"]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment("main", "Cue, colour and motion of reconstructed clips", decoding.main, plots.clips),
        Experiment("networks", "The 3D U-Net, the MLP and the shallow CNN", decoding.networks, plots.clips),
        Experiment(
            "repeats",
            "Scores by the number of reconstructions averaged",
            decoding.repeats,
            courses("averaged", "averaged"),
        ),
        Experiment("masking", "What changes without one region", areas.masking, dots),
        Experiment("regions", "What one region tells alone", areas.regions, dots),
        Experiment("encoder", "Activity predicted from clips, region by region", encoding.encoder, dots),
        Experiment("apart", "Activity predicted by an inverse of each region alone", encoding.apart, dots),
        Experiment("bands", "Activity predicted in bands of frequency", encoding.bands, dots),
        Experiment("similarity", "How alike trials are, on one side of the split and across it", activity.alike, dots),
        Experiment("layouts", "Sites, moments and bottlenecks in two dimensions", activity.layouts, plots.layouts),
        Experiment("sites", "Scores by the number of sites", amount.sites, courses("sites", "sites", split="level")),
        Experiment(
            "rates", "Scores by the rate of the bins", amount.rates, courses("sfreq", "bins per second", split="level")
        ),
        Experiment(
            "streaming",
            "A frame for every bin, while the trial runs",
            online.streaming,
            courses("at", "s", split="form"),
        ),
    )
}


told = partial(experiment.told, published)
"""Lines of an experiment that also say its name, the data and the paper's figures."""


run = Runner("Spikes to video", EXPERIMENTS, Plan(), told)
"""Runs one of them by its name."""
