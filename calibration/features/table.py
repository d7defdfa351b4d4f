"""The table of encoders of images; a new one is one row."""

from __future__ import annotations

from calibration.features.gabor import GaborLayout
from calibration.features.open_clip_encoders import OPEN_CLIP_ROWS
from calibration.features.row import FeatureRow
from calibration.features.timm_encoders import TIMM_ROWS
from calibration.features.torchvision_encoders import TORCHVISION_ROWS

DEFAULT = "gabor_pyramid"

GABOR_ROW = FeatureRow(
    DEFAULT,
    GaborLayout().dim,
    "energies of oriented filters, colours and contrasts on grids: a weight-free stand-in for a trained encoder",
    "Field 1987, J Opt Soc Am A 4:2379; Adelson & Bergen 1985, J Opt Soc Am A 2:284",
    "no weights",
)

FEATURES: dict[str, FeatureRow] = {row.name: row for row in (GABOR_ROW, *OPEN_CLIP_ROWS, *TIMM_ROWS, *TORCHVISION_ROWS)}
