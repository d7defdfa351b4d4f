"""Figures of the report, beside what is reproduced: mouse B-6, 40 test pictures, responses averaged over repeats."""

from __future__ import annotations

from calibration.mouse_v1.fid import FID
from calibration.mouse_v1.scores import MSE, SSIML

DATA = "sensorium"
"""The layout in which data of this kind are read; the report's own recordings are not public."""
INVENC, CNN, GAN, GAN_ALL, RESNET, SDVAE = "InvEnc", "CNN", "GAN", "GAN, all mice", "ResNet50", "SD-VAE"
RIDGE, MEAN_IMAGE, ORACLE = "ridge", "mean image", "oracle"

_TABLE = {
    INVENC: (0.366, 0.058, 3.295),
    CNN: (0.392, 0.066, 0.677),
    GAN: (0.323, 0.038, 0.505),
    GAN_ALL: (0.328, 0.039, 0.519),
    RESNET: (0.468, 0.169, 7.07),
    SDVAE: (0.377, 0.060, 6.05),
}
PAPER: dict[tuple[str, str, str], float] = {
    (experiment, row, metric): value
    for row, values in _TABLE.items()
    for metric, value in zip((SSIML, MSE, FID), values, strict=True)
    for experiment in (("main", "merged") if row in (GAN, GAN_ALL) else ("main",))
}
"""``(experiment, row, metric)`` to the report's figure."""


def published(experiment: str, row: str, metric: str) -> dict[str, float]:
    """The report's figure for one line of a table, by data set; empty where it has none."""
    value = PAPER.get((experiment, row, metric))
    return {} if value is None else {DATA: value}
