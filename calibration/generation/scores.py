"""How like what was shown is what was painted: eight scores, each with the network it looks through.

PixCorr and SSIM compare pixels at 425 x 425; two-way identification asks in the features of a layer whether what was
painted is more like its own image than like another; the last two are distances (Ozcelik & VanRullen 2023, Sci Rep
13:15666; Scotti et al. 2023, arXiv 2305.18274). A score whose network has no weights here is not run, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.features.encoder import identity
from calibration.features.extract import extract
from calibration.features.images import checked
from calibration.features.row import FeatureRow
from calibration.features.table import FEATURES
from calibration.generation.likeness import Pairs, correlation_distance, pixel_correlation, score_pairs, similarity
from calibration.metrics import Draws, Score, score_identification
from calibration.progress import Progress
from streamkit.errors import BadInput, ConfigError, did_you_mean

NOT_RUN = "not run: weights missing"
PIXELS = "pixels at 425 x 425"


@dataclass(frozen=True)
class GenerationMetric:
    """One row of the table of scores.

    Attributes
    ----------
    name
        As in the literature.
    kind
        ``"pixels"`` and ``"structure"`` need no network; ``"two-way"`` and ``"distance"`` look through `features`.
    features
        A name of `calibration.features.FEATURES`.
    better
        ``"higher"`` or ``"lower"``.
    """

    name: str
    kind: Literal["pixels", "structure", "two-way", "distance"]
    features: str = ""
    better: Literal["higher", "lower"] = "higher"


METRICS = (
    GenerationMetric("PixCorr", "pixels"),
    GenerationMetric("SSIM", "structure"),
    GenerationMetric("AlexNet(2)", "two-way", "alexnet_features_4"),
    GenerationMetric("AlexNet(5)", "two-way", "alexnet_features_11"),
    GenerationMetric("Inception", "two-way", "inception_v3_avgpool"),
    GenerationMetric("CLIP", "two-way", "clip_vit_l_14"),
    GenerationMetric("EffNet-B", "distance", "efficientnet_b1_avgpool", "lower"),
    GenerationMetric("SwAV", "distance", "swav_avgpool", "lower"),
)


@dataclass(frozen=True)
class GenerationScore:
    """What came of one metric.

    Attributes
    ----------
    metric
        Which.
    network
        What it looked through, in words.
    weights
        Name and sha256 of the weight file; empty for pixels and where there was none.
    published
        Whether that file is its authors' own; None where they do not say how to tell.
    score
        Value, chance and interval; None when it was not run.
    reason
        Why it was not; empty when it was.
    """

    metric: GenerationMetric
    network: str
    weights: str = ""
    published: bool | None = None
    score: Score | None = None
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """As JSON has it."""
        head = {"name": self.metric.name, "better": self.metric.better, "network": self.network}
        if self.score is None:
            return head | {"status": self.reason}
        status = {"status": "run", "weights": self.weights, "weights_published": self.published}
        return head | status | self.score.metric().model_dump(mode="json", exclude={"name"})


def score_generation(
    made: NDArray[Any],
    shown: NDArray[Any],
    weights: Mapping[str, Path] | None = None,
    *,
    of: NDArray[np.integer[Any]] | None = None,
    draws: Draws | None = None,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    table: Mapping[str, FeatureRow] = FEATURES,
) -> tuple[GenerationScore, ...]:
    """Score painted images by all eight metrics, as far as there are weights.

    Parameters
    ----------
    made
        ``(n, 3, H, W)`` floats in [0, 1].
    shown
        ``(m, 3, H, W)``: different images, each shown to the brain.
    weights
        Weight files by name of the features, ``{"alexnet_features_4": Path("alexnet-owt-7be5be79.pth")}``.
    of
        ``(n,)`` which of `shown` each was painted for; the one of its own place by default.
    cache
        Folder for features, of the images shown only.

    Raises
    ------
    BadInput
        When images and their places do not fit, or fewer than two were shown; for a weight file of another network.
    """
    pairs = _pairs(made, shown, of)
    draws, progress, files = draws or Draws(), progress or Progress(), dict(weights or {})
    known = [each.features for each in METRICS if each.features]
    for name in files:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"no metric looks through {name!r}.{hint} Networks: {', '.join(known)}")
    return tuple(
        _score(each, pairs, files.get(each.features), draws, cache, device, progress, table) for each in METRICS
    )


def _pairs(made: NDArray[Any], shown: NDArray[Any], of: NDArray[np.integer[Any]] | None) -> Pairs:
    made, shown = checked(made), checked(shown)
    own = np.arange(len(made)) if of is None else np.asarray(of)
    inside = own.shape == (len(made),) and len(own) and own.min() >= 0 and own.max() < len(shown)
    if not inside or len(np.unique(own)) < 2:
        raise BadInput(
            f"{len(made)} images were painted for {len(shown)} shown ones: expected some for two different ones or "
            "more, and for each painted one the place of its own among those shown"
        )
    return Pairs(made, shown, own)


def _score(
    metric: GenerationMetric,
    pairs: Pairs,
    weights: Path | None,
    draws: Draws,
    cache: Path | None,
    device: str,
    progress: Progress,
    table: Mapping[str, FeatureRow],
) -> GenerationScore:
    if metric.kind in ("pixels", "structure"):
        compare = pixel_correlation if metric.kind == "pixels" else similarity
        return GenerationScore(metric, f"none, {PIXELS}", score=score_pairs(metric.name, pairs, compare, draws))
    row = table[metric.features]
    network = f"{row.summary} ({row.source})"
    if weights is None:
        file = f"{row.network.file} at {row.network.url}" if row.network else ""
        return GenerationScore(metric, network, reason=f"{NOT_RUN} ({file})")
    digest = identity(row, weights)
    settings: dict[str, Any] = {"weights": weights, "progress": progress, "device": device, "table": table}
    seen = Pairs(
        extract(pairs.made, row.name, **settings), extract(pairs.shown, row.name, cache=cache, **settings), pairs.own
    )
    if metric.kind == "two-way":
        how = f"likeness: correlation in {row.summary}"
        note = f"{how}; exact over the other images shown; interval: bootstrap over images"
        score = score_identification(seen.made, seen.shown[seen.own], seen.own, 2, draws).named(metric.name, note)
    else:
        score = score_pairs(metric.name, seen, correlation_distance, draws)
    begins = row.network.sha256 if row.network else ""
    published = digest.startswith(begins) if begins else None
    return GenerationScore(metric, network, f"{Path(weights).name} sha256:{digest}", published, score)
