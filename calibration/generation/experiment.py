"""The paper's experiment on image generation, as far as it runs without an image generator: what the prior draws.

For each test image the prior draws features for the brain embedding. They are scored where they go: by the cosine to
the features of the image shown, and by which image of the test set they are nearest to, beside the embedding they were
drawn for. The eight scores of painted images need weights that are not here; their lines say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.brainae.fit import Fitted
from calibration.brainae.pairs import Pairs
from calibration.brainae.plan import Plan
from calibration.brainae.scores import diagonal, retrieve, similarity
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.trained import Trained
from calibration.generation.painters import ADAPTER, SPACE
from calibration.generation.prior import train_prior
from calibration.generation.sampling import sample_prior
from calibration.generation.scores import METRICS
from calibration.generation.settings import PriorSettings
from calibration.metrics import Draws
from calibration.progress import Progress
from calibration.tables.items import Items, difference, row
from calibration.tables.table import Table, not_run
from calibration.training.settings import LoopSettings

WHY_NOT_PAINTED = (
    f"painting needs the weights of an image generator, of {ADAPTER} and of the encoder {SPACE}; see docs/generation.md"
)
LARGE = 5000
WIDTHS = (4.0, 1.0, 0.25)
"""Widths of the small prior, in those of the embedding: the noise of every number has to pass the first one exactly,
for at the beginning of a drawing what it says is multiplied by a hundred."""
SMALL = PriorSettings(
    loop=LoopSettings(
        epochs=60,
        batch_size=200,
        lr=3e-3,
        optimiser="adam",
        weight_decay=0.0,
        warm_up=0.1,
        keep="last",
        accelerator="cpu",
    ),
    guidance=2.0,
    clip=4.0,
)
"""For a few thousand pairs on two cores: fewer widths and steps, and less guidance, than published. What is drawn stays
within four deviations, as DDPM's pictures stay within their range: after so few steps the noise is not known well
enough to do without. Chosen on planted pairs, not on a world's."""


def generation(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Draw image features with a prior trained on the training pairs, one prior per seed."""
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    train = trained.material.train
    small = len(train) < LARGE
    published = SMALL if small else PriorSettings()
    before, after = [], []
    for seed, fitted in zip(seeds, models, strict=True):
        own = published.model_copy(update={"loop": published.loop.model_copy(update={"seed": seed})})
        widths = {"widths": widths_for(fitted.settings.embedding)} if small else {}
        drawn = drawn_features(fitted, train, test, own, widths, trained.progress)
        before.append(scored(fitted, fitted.embed(test.X), test, plan.draws))
        after.append(scored(fitted, drawn, test, plan.draws))
    size = "widths " + ", ".join(map(str, widths_for(settings.embedding))) if small else "as published"
    facts = {"prior": size, "guidance": published.guidance, "steps": published.steps}
    rows = []
    for plain, prior in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True):
        rows += [row("embedding", plain, plan.draws), row("prior", prior, plan.draws, **facts)]
        rows.append(difference("prior - embedding", plain, prior, plan.draws))
    return Table(rows + [not_run("painted", each.name, WHY_NOT_PAINTED) for each in METRICS])


def widths_for(embedding: int) -> tuple[int, ...]:
    """Widths of the small prior."""
    return tuple(max(8, int(embedding * part)) for part in WIDTHS)


def drawn_features(
    fitted: Fitted,
    train: Pairs,
    test: Pairs,
    settings: PriorSettings,
    args: dict[str, tuple[int, ...]],
    progress: Progress | None = None,
) -> np.ndarray:
    """Train a prior on `train` and draw ``(n, embedding)`` features, in the shared space, for `test`."""
    prior = train_prior(fitted.embed(train.X), fitted.project(train.features), settings, args=args, progress=progress)
    return sample_prior(prior, fitted.embed(test.X), progress=progress)


def scored(fitted: Fitted, drawn: np.ndarray, test: Pairs, draws: Draws) -> list[Items]:
    """Retrieval, and the cosine to the features of the image shown beside that to other images'."""
    near = similarity(drawn, fitted.project(test.features))
    return [*retrieve(fitted, drawn, test, draws, "retrieval"), diagonal("cosine to the image's features", near, draws)]
