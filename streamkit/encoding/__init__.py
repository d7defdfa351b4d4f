"""Encoding: what the brain should do at a stimulus, beside what it did.

A room between the graphs and the bundle, for two reasons: a bundle's contract holds an `EncodingSpec`, as it holds the
settings of a runner, so the room lies below `bundle`; it runs graphs and cuts epochs of processed samples, so it lies
above `inference` and `preprocess`. `session`, `verify` and `calibration`, which may not import one another, share it.
"""

from streamkit.encoding.correlation import Correlation, RunningCorrelation
from streamkit.encoding.cutter import EpochCutter
from streamkit.encoding.predictor import Predictor, open_predictor
from streamkit.encoding.spec import EncodingSpec, encoding_problems

__all__ = [
    "Correlation",
    "EncodingSpec",
    "EpochCutter",
    "Predictor",
    "RunningCorrelation",
    "encoding_problems",
    "open_predictor",
]
