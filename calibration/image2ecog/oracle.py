"""What nobody can beat in a simulated world: the answers without noise, as predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.image2ecog.channels import fit_standard
from calibration.image2ecog.material import Material
from calibration.image2ecog.scores import R, Scored, joined, score_arrays
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.split import split
from calibration.image2ecog.subjects import ALL, SubjectScores, channel_scores
from calibration.image2ecog.things import things_of
from calibration.metrics import Draws
from streamkit.errors import BadInput


def oracle(
    noisy: Material, clean: Material, settings: Image2EcogSettings, draws: Draws, folds: Sequence[int] = (0,)
) -> SubjectScores:
    """Score the mean answer of each image in the same world without noise, on the tested trials of the noisy one.

    Raises
    ------
    BadInput
        When the two do not show the same images in the same order.
    """
    if noisy.labels != clean.labels or not np.array_equal(noisy.image, clean.image):
        raise BadInput("the world without noise shows other images: change nothing in it but its noise")
    scored = [_of_fold(noisy, clean, settings.but(fold=fold)) for fold in folds]
    items = joined([one.items(ALL, draws) for one in scored])
    return SubjectScores(noisy.subject, {R: [items]}, {R: channel_scores(noisy, scored, draws, len(scored))})


def _of_fold(noisy: Material, clean: Material, settings: Image2EcogSettings) -> Scored:
    parts = split(noisy, settings)
    standard = fit_standard(noisy.Y[parts.train], noisy.image[parts.train], settings)
    shown, own = np.unique(noisy.image[parts.test], return_inverse=True)
    answers = np.stack([clean.Y[clean.image == number].mean(0, dtype=np.float64) for number in shown])
    trials = standard.apply(noisy.Y[parts.test])
    thing = things_of(noisy, settings, shown)
    return score_arrays(trials, standard.apply(answers), own, standard.kept, len(noisy.electrodes), thing)[R]
