"""Convolutional networks trained to classify, built by torchvision: what a layer of theirs says.

Two kinds of rows: encoders with the images prepared as for the classifier, and the layers by which reconstructed images
are scored, with both sides brought to the size of that literature and nothing cut off (Ozcelik & VanRullen 2023, Sci
Rep 13:15666; Scotti et al. 2023, arXiv 2305.18274).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from calibration.features.images import Preparation
from calibration.features.row import FeatureRow, Network
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PUBLISHED = "https://download.pytorch.org/models"
BSD = "BSD-3-Clause (torchvision); trained on ImageNet, whose terms apply"
SWAV = "swav_800ep_pretrain.pth.tar"


def tapped(architecture: str, layer: str) -> nn.Module:
    """A torchvision architecture up to `layer`, with weights at random, in evaluation mode."""
    models = require("torchvision.models", "features", "a torchvision encoder")
    taps = require("torchvision.models.feature_extraction", "features", "a torchvision encoder")
    inception = {"transform_input": True, "init_weights": False} if architecture == "inception_v3" else {}
    whole = getattr(models, architecture)(weights=None, **inception).eval()
    return taps.create_feature_extractor(whole, {layer: "features"}, suppress_diff_warning=True)


def layer_row(
    name: str,
    architecture: str,
    layer: str,
    dim: int,
    preparation: Preparation,
    file: str,
    source: str,
    beside: tuple[str, ...],
    url: str = PUBLISHED,
    licence: str = BSD,
) -> FeatureRow:
    """Row of a layer; torchvision's file names end in the beginning of their sha256."""
    begins = file.removesuffix(".pth").rpartition("-")[2] if url == PUBLISHED else ""
    network = Network(partial(tapped, architecture, layer), preparation, file, f"{url}/{file}", begins, beside=beside)
    return FeatureRow(name, dim, f"layer {layer} of {architecture}", source, licence, network)


def _classifier(size: int, shorter: int) -> Preparation:
    return Preparation(size, MEAN, STD, shorter=shorter)


def _whole(size: int) -> Preparation:
    return Preparation(size, MEAN, STD)


ALEXNET, ALEXNET_FILE = "Krizhevsky 2014, arXiv 1404.5997 (torchvision)", "alexnet-owt-7be5be79.pth"
OF_ALEXNET = ("features.", "classifier.")
RESNET = "He et al. 2016, arXiv 1512.03385 (torchvision, IMAGENET1K_V2)"

TORCHVISION_ROWS = (
    layer_row(
        "resnet50", "resnet50", "avgpool", 2048, _classifier(224, 232), "resnet50-11ad3fa6.pth", RESNET, ("fc.",)
    ),
    layer_row(
        "alexnet", "alexnet", "classifier.5", 4096, _classifier(224, 256), ALEXNET_FILE, ALEXNET, ("classifier.6.",)
    ),
    layer_row(
        "alexnet_features_4", "alexnet", "features.4", 192 * 31**2, _whole(256), ALEXNET_FILE, ALEXNET, OF_ALEXNET
    ),
    layer_row(
        "alexnet_features_11", "alexnet", "features.11", 256 * 15**2, _whole(256), ALEXNET_FILE, ALEXNET, OF_ALEXNET
    ),
    layer_row("alexnet_pool2", "alexnet", "features.5", 192 * 13**2, _whole(224), ALEXNET_FILE, ALEXNET, OF_ALEXNET),
    layer_row("alexnet_pool5", "alexnet", "features.12", 256 * 6**2, _whole(224), ALEXNET_FILE, ALEXNET, OF_ALEXNET),
    layer_row("alexnet_fc6", "alexnet", "classifier.1", 4096, _whole(224), ALEXNET_FILE, ALEXNET, OF_ALEXNET),
    layer_row(
        "inception_v3_avgpool",
        "inception_v3",
        "avgpool",
        2048,
        _whole(342),
        "inception_v3_google-0cc3c7bd.pth",
        "Szegedy et al. 2016, arXiv 1512.00567 (torchvision)",
        ("fc.", "AuxLogits."),
    ),
    layer_row(
        "efficientnet_b1_avgpool",
        "efficientnet_b1",
        "avgpool",
        1280,
        _whole(255),
        "efficientnet_b1-c27df63c.pth",
        "Tan & Le 2019, arXiv 1905.11946 (torchvision, IMAGENET1K_V2)",
        ("classifier.",),
    ),
    layer_row(
        "swav_avgpool",
        "resnet50",
        "avgpool",
        2048,
        _whole(224),
        SWAV,
        "Caron et al. 2020, arXiv 2006.09882",
        ("fc.", "projection_head.", "prototypes."),
        "https://dl.fbaipublicfiles.com/deepcluster",
        "CC BY-NC 4.0",
    ),
)
