"""Figures of the paper, to stand beside what is reproduced: means over subjects, EEG, MEG and multi-unit activity.

Accuracies are shares; 200 candidates for EEG and MEG (chance .005 and .025 for top-5), 100 for multi-unit activity
(.01 and .05), from responses averaged over 80, 12 and 30 repeats. Of the temperatures the paper prints .3 twice; both
are here. Which top-1 the ablation counts is taken to be that of classification, as in the table of temperatures.
"""

from __future__ import annotations

MODALITIES = ("eeg", "meg", "mua")
Figures = dict[tuple[str, str, str], tuple[float | None, ...]]

_MAIN: Figures = {
    ("main", "all", "retrieval top-1"): (0.306, 0.214, 0.435),
    ("main", "all", "retrieval top-5"): (0.630, 0.483, 0.770),
    ("main", "all", "classification top-1"): (0.182, 0.143, 0.269),
    ("main", "all", "classification top-5"): (0.467, 0.351, 0.620),
    ("main", "all", "encoding r"): (0.583, 0.493, 0.852),
    ("main", "all", "encoding MSE"): (0.027, 0.624, 0.292),
    ("main", "visual", "encoding r"): (0.680, 0.551, 0.898),
    ("main", "visual", "encoding MSE"): (0.024, 0.669, 0.066),
}
"""Of multi-unit activity, *visual* is inferior temporal cortex."""

_DECODERS: Figures = {
    ("decoders", "linear", "encoding r"): (0.480, 0.446, 0.796),
    ("decoders", "linear", "encoding MSE"): (0.037, 0.706, 0.141),
    ("decoders", "nonlinear", "encoding r"): (0.285, 0.390, 0.722),
    ("decoders", "nonlinear", "encoding MSE"): (0.048, 0.713, 0.189),
    ("decoders", "linear + alignment", "encoding r"): (0.522, 0.482, 0.837),
    ("decoders", "linear + alignment", "encoding MSE"): (0.031, 0.629, 0.199),
    ("decoders", "nonlinear + alignment", "encoding r"): (0.583, 0.493, 0.852),
    ("decoders", "nonlinear + alignment", "encoding MSE"): (0.027, 0.624, 0.292),
}

_ABLATION: Figures = {
    ("ablation", "w/o con", "classification top-1"): (0.015, None, None),
    ("ablation", "w/o reconI", "encoding r"): (0.392, None, None),
    ("ablation", "w/o reconB", "encoding r"): (0.481, None, None),
    ("ablation", "w/o fea", "encoding r"): (0.498, None, None),
    ("ablation", "con only", "encoding r"): (0.000, None, None),
    ("ablation", "recon only", "classification top-1"): (0.006, None, None),
}

_TEMPERATURE: dict[str, tuple[float, float]] = {
    "0.03": (0.593, 0.194),
    "0.05": (0.590, 0.195),
    "0.07": (0.583, 0.192),
    "0.7": (0.578, 0.150),
    "0.007": (0.579, 0.148),
    "0.005": (0.569, 0.139),
    "0.003": (0.564, 0.131),
    "0.3": (0.573, 0.158),
    "0.3 (second row)": (0.576, 0.146),
}

_BACKBONES: dict[str, tuple[float, float, float]] = {
    "deep4": (0.596, 0.121, 0.212),
    "shallow_fbcsp": (0.576, 0.151, 0.257),
    "eegnet": (0.601, 0.164, 0.274),
    "eegconformer": (0.589, 0.172, 0.267),
    "tsconv": (0.583, 0.182, 0.306),
}


def _sweep(experiment: str, table: dict[str, tuple[float, ...]], metrics: tuple[str, ...]) -> Figures:
    return {
        (experiment, name, metric): (value, None, None)
        for name, values in table.items()
        for metric, value in zip(metrics, values, strict=True)
    }


PAPER: Figures = (
    _MAIN
    | _DECODERS
    | _ABLATION
    | _sweep("temperature", _TEMPERATURE, ("encoding r", "classification top-1"))
    | _sweep("backbones", _BACKBONES, ("encoding r", "classification top-1", "retrieval top-1"))
)
"""``(experiment, row, metric)`` to the figure for each of `MODALITIES`, None where the paper gives none."""


def published(experiment: str, row: str, metric: str) -> dict[str, float]:
    """Figures of the paper by modality, for one line of a table; empty where it has none."""
    figures = PAPER.get((experiment, row, metric), ())
    return {name: value for name, value in zip(MODALITIES, figures, strict=False) if value is not None}
