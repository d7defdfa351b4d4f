"""Figures of the paper, to stand beside what is reproduced: correlation by region, of both models.

The fourth is printed without the name of a method and taken to be the classification-regressor's. The abstract rounds
the first two to .56 and .46.
"""

from __future__ import annotations

PARAHIPPOCAMPAL, FUSIFORM = "G_oc-temp_med-Parahip", "G_oc-temp_lat-fusifor"
POLE, COLLATERAL = "Pole_occipital", "S_collat_transv_post"

PAPER: dict[tuple[str, str], tuple[float, float]] = {
    ("classification-regressor", PARAHIPPOCAMPAL): (0.5621, 0.0029),
    ("classification-regressor", FUSIFORM): (0.5367, 0.0061),
    ("classification-regressor", POLE): (0.3191, 0.0492),
    ("classification-regressor", COLLATERAL): (0.5267, 0.0031),
    ("end-to-end", PARAHIPPOCAMPAL): (0.4624, 0.019),
    ("end-to-end", FUSIFORM): (0.4022, 0.0208),
    ("end-to-end", POLE): (0.2241, 0.0935),
}
"""Model and region to r and p."""


def published(model: str, region: str) -> dict[str, float]:
    """What the paper has for a region; empty where it has none."""
    figures = PAPER.get((model, region))
    return {} if figures is None else {"ecog": figures[0], "p": figures[1]}
