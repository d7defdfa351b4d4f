"""Figures of the paper, to stand beside what is reproduced.

All are of condition means: the reconstructions of every test trial of a condition are averaged before they are scored
(n = 64). Scores of the baselines are in a supplement that is not at hand. Of cue, colour and motion with a region
masked, the paper gives the change of the reconstruction: pixels and colours on a scale to 255, degrees.
"""

from __future__ import annotations

from calibration.spikes2video.content import COLOUR, COSINE, CUE, DIRECTION

DATA = "siegel2015"
MEANS = "condition means"
CUES = {"cross": 0.9986, "quatrefoil": 0.9978, "circle": 0.9988, "triangle": 0.9977}
"""Pixel correlation by cue."""
ANGLES = {90.0: 89.0, 30.0: 31.0, -30.0: -29.0, -90.0: -86.0}
"""Decoded direction by the one shown, degrees."""
CUE_CHANGE, COLOUR_CHANGE, TURN = "cue change", "colour change", "turn"
ENCODER_R = "encoder r"

_MASKING: dict[str, dict[str, float]] = {
    CUE_CHANGE: {"V4": 16.42, "LIP": 7.11, "MT": 4.76, "IT": 1.81},
    COLOUR_CHANGE: {"LIP": 8.57, "V4": 3.55, "MT": 2.98, "IT": 1.07},
    TURN: {"MT": 30.75, "V4": 15.88, "LIP": 9.18},
}
_REGIONS: dict[str, dict[str, float]] = {
    CUE: {"LIP": 0.9986, "MT": 0.9985, "IT": 0.9977, "V4": 0.9986},
    COLOUR: {"LIP": 0.9967, "MT": 0.9997, "IT": 0.9930, "V4": 0.9982},
}
_ENCODER = {"V4": 0.9352, "MT": 0.9016, "IT": 0.8772, "LIP": 0.7671, "FEF": 0.5476, "PFC": 0.5146}

PAPER: dict[tuple[str, str, str], float] = {
    ("main", MEANS, CUE): sum(CUES.values()) / len(CUES),
    ("main", MEANS, COLOUR): 0.9959,
    ("main", MEANS, COSINE): 0.9987,
    **{("main", f"{direction:g}°, {MEANS}", DIRECTION): abs(found - direction) for direction, found in ANGLES.items()},
    **{("masking", region, metric): value for metric, each in _MASKING.items() for region, value in each.items()},
    **{
        ("regions", f"{region}, {MEANS}", metric): value
        for metric, each in _REGIONS.items()
        for region, value in each.items()
    },
    **{("encoder", f"{region}, {MEANS}", ENCODER_R): value for region, value in _ENCODER.items()},
}
"""``(experiment, row, metric)`` to the paper's figure."""


def published(experiment: str, row: str, metric: str) -> dict[str, float]:
    """The paper's figure for one line of a table, by data set; empty where it has none."""
    value = PAPER.get((experiment, row, metric))
    return {} if value is None else {DATA: value}
