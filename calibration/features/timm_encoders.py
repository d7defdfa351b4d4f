"""Vision transformers trained to classify, built by timm: what goes into the classifier."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from calibration.features.images import Preparation, Three
from calibration.features.row import FeatureRow, Network
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import nn

HALF: Three = (0.5, 0.5, 0.5)


def headless(architecture: str) -> nn.Module:
    """A timm architecture without its classifier, with weights at random."""
    return require("timm", "features", "a timm encoder").create_model(architecture, pretrained=False, num_classes=0)


def timm_row(
    name: str, architecture: str, weights: str, dim: int, preparation: Preparation, source: str, licence: str
) -> FeatureRow:
    """Row of a timm model; `weights` is the tag of its weights."""
    network = Network(
        partial(headless, architecture),
        preparation,
        "model.safetensors",
        f"https://huggingface.co/timm/{architecture}.{weights}",
        beside=("head.",),
    )
    return FeatureRow(name, dim, f"pooled features of {architecture}", source, licence, network)


TIMM_ROWS = (
    timm_row(
        "vit_b_16",
        "vit_base_patch16_224",
        "augreg2_in21k_ft_in1k",
        768,
        Preparation(224, HALF, HALF, "bicubic", shorter=248),
        "Dosovitskiy et al. 2021, arXiv 2010.11929; Steiner et al. 2022, arXiv 2106.10270",
        "Apache-2.0",
    ),
)
