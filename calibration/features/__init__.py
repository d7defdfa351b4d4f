"""Features of images, from encoders whose weights the user has, or from filters that need none.

::

    extract(images)                                             the weight-free default, `gabor_pyramid`
    extract(images, "eva02_e_14", "open_clip_model.safetensors", cache="features")

Which encoders there are, and who publishes their weights, is in `FEATURES` and in docs/features.md.
"""

from calibration.features.encoder import Encoder, open_encoder
from calibration.features.extract import extract, feature_row
from calibration.features.gabor import GaborLayout, gabor_pyramid
from calibration.features.row import FeatureRow
from calibration.features.table import DEFAULT, FEATURES

__all__ = [
    "DEFAULT",
    "FEATURES",
    "Encoder",
    "FeatureRow",
    "GaborLayout",
    "extract",
    "feature_row",
    "gabor_pyramid",
    "open_encoder",
]
