"""Images from brain embeddings: a diffusion prior, an image generator, and eight scores of what comes of it.

::

    prior = train_prior(embeddings, features, space="clip_vit_h_14")    of the brain, of the images
    features = sample_prior(prior, embeddings)
    painter = open_painter(FOLDER, ADAPTER, accept_licence=True)
    images = painter.paint(features, space=prior.space, each=10)        (n, 10, 3, size, size)
    score_generation(images[:, 0], shown, weights)                      pixels always, networks where there are weights
"""

from calibration.generation.bundle import PriorParts, prior_parts
from calibration.generation.load import open_painter
from calibration.generation.paint import Painter
from calibration.generation.painters import PAINTERS
from calibration.generation.prior import NoiseLoss, TrainedPrior, train_prior
from calibration.generation.sampling import sample_prior
from calibration.generation.saved import load_prior, save_prior
from calibration.generation.scores import METRICS, GenerationScore, score_generation
from calibration.generation.settings import PriorSettings

__all__ = [
    "METRICS",
    "PAINTERS",
    "GenerationScore",
    "NoiseLoss",
    "Painter",
    "PriorParts",
    "PriorSettings",
    "TrainedPrior",
    "load_prior",
    "open_painter",
    "prior_parts",
    "sample_prior",
    "save_prior",
    "score_generation",
    "train_prior",
]
