"""Figures of the paper, to stand beside what is reproduced.

Mean correlation and distance of features of AlexNet and C3D over the test frames; whether per frame or over frames, and
how distances are scaled, is not said, so its distances stand nowhere here. Two cells cannot be right and are left out:
the correlation 1.3983 of LearnedRF in AlexNet's pool5, which is a distance of C3D, and the distance .0899 of FixedRF in
its fc6. The counts of its text, 7,459 training frames and 24 hours, contradict each other; nothing here depends on
them. Models were saved every epoch and no rule says which was taken; test runs were watched while it trained.
"""

from __future__ import annotations

DATA = "brain2pix"
LAYERS = ("AlexNet pool2 r", "AlexNet pool5 r", "AlexNet fc6 r", "C3D pool2 r", "C3D pool5 r", "C3D fc6 r")
Six = tuple[float | None, ...]

FIXED: Six = (0.4615, 0.3507, 0.4608, 0.4869, 0.2426, 0.2519)
_ROWS: dict[tuple[str, str], Six] = {
    ("main", "FixedRF, through the fisheye"): FIXED,
    ("baselines", "FixedRF"): FIXED,
    ("baselines", "LearnedRF"): (0.4573, None, 0.4653, 0.4831, 0.2356, 0.2426),
    ("baselines", "Shen"): (0.4141, 0.3269, 0.4196, 0.4212, 0.2030, 0.2185),
    ("baselines", "Nishimoto"): (0.2526, 0.2318, 0.2016, 0.3662, 0.0489, 0.0412),
    ("baselines", "FC"): (0.0479, -0.0394, -0.0214, None, None, None),
    ("regions", "all regions"): FIXED,
    ("regions", "V1 alone"): (0.2626, 0.1920, 0.2704, 0.2640, 0.1299, 0.1349),
    ("regions", "V2 alone"): (0.4247, 0.3387, 0.4453, 0.4704, 0.2224, 0.2302),
    ("regions", "V3 alone"): (0.4178, 0.3294, 0.4304, 0.4685, 0.2157, 0.2228),
    ("losses", "all losses"): FIXED,
    ("losses", "no feature loss"): (0.3950, 0.3168, 0.4273, 0.4396, 0.2123, 0.2255),
    ("losses", "no adversarial loss"): (0.1626, 0.1301, 0.1567, 0.16286, 0.0396, 0.0495),
    ("amount", "0.79 of the runs"): (0.4388, 0.3289, 0.4399, 0.4797, 0.2037, 0.2171),
    ("amount", "0.58 of the runs"): (0.4262, 0.3236, 0.4270, 0.4270, 0.1933, 0.2061),
    ("amount", "0.42 of the runs"): (0.4132, 0.3195, 0.4339, 0.4558, 0.2061, 0.2325),
    ("amount", "0.21 of the runs"): (0.4342, 0.3206, 0.4376, 0.4714, 0.2057, 0.2226),
    ("amount", "1 of the runs"): FIXED,
}
PAPER: dict[tuple[str, str, str], float] = {
    (*where, layer): value
    for where, values in _ROWS.items()
    for layer, value in zip(LAYERS, values, strict=True)
    if value is not None
}
"""``(experiment, row, metric)`` to the paper's figure."""


def published(experiment: str, row: str, metric: str) -> dict[str, float]:
    """The paper's figure for one line of a table, by data set; empty where it has none."""
    value = PAPER.get((experiment, row, metric))
    return {} if value is None else {DATA: value}
