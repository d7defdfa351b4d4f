"""The ResNet50 decoder: responses to features of a classifier, and a network that paints pictures from those.

Features are those of ``layer3.0.downsample.0`` (1024 x 14 x 14, before its normalisation) of torchvision's ResNet50,
from a weight file that the user has; the report has NVIDIA's weights of the same architecture. The two networks are
trained apart.

The report's code normalised pictures as for ImageNet where it trained the painter, and did not where it made the
features that responses predict: the same network fed in two ways. ``normalise = "faithful"`` does the same; by default
both are normalised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.features.encoder import weight_file
from calibration.features.images import Preparation
from calibration.features.resample import resize
from calibration.features.row import FeatureRow
from calibration.features.row import Network as Pretrained
from calibration.features.torchvision_encoders import BSD, MEAN, PUBLISHED, RESNET, STD, tapped
from calibration.features.weights import fill, read_state
from calibration.mouse_v1.latents import grey
from calibration.mouse_v1.material import Animal
from calibration.mouse_v1.scaling import ResponseScale, response_scale
from calibration.mouse_v1.settings import FeatureSettings
from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.fit import in_batches
from calibration.training.history import History
from calibration.training.kept import fingerprint_of
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.v1_resnet import FeatureInverter, FeatureReadIn, ResnetDecoder

Array = NDArray[np.floating]
SIDE, LAYER = 224, "layer3.0.downsample.0"
BESIDE = ("layer3.", "layer4.", "fc.")
"""Beginnings of names in the file that belong to layers which are not used."""
ROW = FeatureRow(
    "resnet50_layer3_0_downsample_0",
    1024 * 14 * 14,
    f"layer {LAYER} of resnet50",
    RESNET,
    BSD,
    Pretrained(
        partial(tapped, "resnet50", LAYER),
        Preparation(SIDE, MEAN, STD),
        "resnet50-11ad3fa6.pth",
        f"{PUBLISHED}/resnet50-11ad3fa6.pth",
        "11ad3fa6",
        beside=BESIDE,
    ),
)


@dataclass(frozen=True)
class Classifier:
    """A frozen network, from colour pictures to features.

    Attributes
    ----------
    module
        ``(n, 3, side, side)`` to ``(n, C, h, w)``, or a dict with one such tensor.
    side
        Pixels of a side of what goes in.
    """

    module: nn.Module
    side: int = SIDE

    @cached_property
    def fingerprint(self) -> str:
        """The same for the same weights."""
        return fingerprint_of(self.module)

    def features(self, images: Tensor, normalised: bool) -> Tensor:
        """Of grey pictures ``(n, 1, side, side)`` in [0, 1]; nothing is learnt through them."""
        torch = require("torch", "train", "features of pictures")
        x = images.expand(-1, 3, -1, -1)
        if normalised:
            mean, std = (torch.tensor(each, device=x.device)[:, None, None] for each in (MEAN, STD))
            x = (x - mean) / std
        with torch.no_grad():
            said = self.module(x)
        return next(iter(said.values())) if isinstance(said, dict) else said


def open_classifier(weights: Path | str | None, side: int = SIDE) -> Classifier:
    """ResNet50 up to the layer, with the user's weights, for pictures of `side` pixels.

    Raises
    ------
    BadInput
        When the file is missing, or that of another network.
    """
    file = weight_file(ROW, weights)
    module = tapped("resnet50", LAYER)
    fill(module, read_state(file), "", BESIDE, f"the weights {file} of {ROW.name!r}")
    return Classifier(module.eval().requires_grad_(False), side)


@dataclass(frozen=True)
class FittedFeatures:
    """The two trained networks, in evaluation mode, chained."""

    readin: FeatureReadIn
    inverter: FeatureInverter
    histories: tuple[History, History]
    settings: FeatureSettings
    responses: ResponseScale

    @property
    def history(self) -> History:
        """Of the read-in, which is trained last."""
        return self.histories[1]

    def features(self, X: Array) -> NDArray[np.float32]:
        """Features for responses ``(n, n_neurons)`` as measured."""
        return in_batches(self.readin, self.responses(X)[:, :, None])

    def predict(self, X: Array, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """Grey pictures ``(n, 1, height, width)`` in [0, 1]."""
        return grey(in_batches(self.decoder, self.responses(X)[:, :, None]), shape)

    @property
    def decoder(self) -> ResnetDecoder:
        """From scaled responses ``(B, n_neurons, 1)`` to grey pictures in [0, 1]."""
        from models.v1_resnet import ResnetDecoder

        return ResnetDecoder(self.readin, self.inverter)


def fit_features(
    animal: Animal,
    classifier: Classifier,
    settings: FeatureSettings,
    *,
    pictures: Array | None = None,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FittedFeatures:
    """Train the painter on pictures alone, then the read-in on an animal's training presentations.

    Parameters
    ----------
    pictures
        ``(n, 1, H, W)`` in [0, 1] that the painter learns from; the report has 32,000 of ImageNet. By default the
        training pictures of the animal.
    """
    prior = animal.train.images if pictures is None else pictures
    places = [checkpoint and checkpoint / name for name in ("inverter", "readin")]
    inverter, first = fit_inverter(prior, classifier, settings, loop or {}, places[0], progress)
    readin, scale, second = fit_readin(animal, classifier, settings, loop or {}, places[1], progress)
    return FittedFeatures(readin, inverter, (first, second), settings, scale)


def fit_inverter(
    pictures: Array,
    classifier: Classifier,
    settings: FeatureSettings,
    loop: Mapping[str, Any],
    checkpoint: Path | None,
    progress: Progress | None,
) -> tuple[FeatureInverter, History]:
    """Train the painter: cross-entropy of grey pixels."""
    images = sized(pictures, classifier.side)
    shape = feature_shape(classifier)
    args = {
        "features": list(shape),
        "widths": list(settings.widths),
        "refined": [list(each) for each in settings.refined],
    }
    model = Network("v1_feature_inverter", args).build(settings.seed)
    batches = max(1, len(images) // settings.inverter_batch)
    keys: dict[str, Any] = {
        "epochs": math.ceil(settings.inverter_steps / batches),
        "batch_size": settings.inverter_batch,
        "lr": settings.inverter_lr,
        "weight_decay": settings.inverter_decay,
        "optimiser": "adam",
        "seed": settings.seed,
    }
    history = train_in_place(
        model,
        partial(painted, classifier=classifier),
        {"image": images},
        unwatched(keys, loop),
        about={"settings": settings, "classifier": classifier.module},
        checkpoint=checkpoint,
        progress=progress,
    )
    return model.eval(), history


def painted(module: nn.Module, batch: dict[str, Tensor], classifier: Classifier) -> dict[str, Tensor]:
    """Cross-entropy of the painter's grey values."""
    torch = require("torch", "train", "calibration")
    said = module(classifier.features(batch["image"], normalised=True))
    return {"loss": torch.nn.functional.binary_cross_entropy_with_logits(said, batch["image"])}


def fit_readin(
    animal: Animal,
    classifier: Classifier,
    settings: FeatureSettings,
    loop: Mapping[str, Any],
    checkpoint: Path | None,
    progress: Progress | None,
) -> tuple[FeatureReadIn, ResponseScale, History]:
    """Train the read-in: squared error of features."""
    scale = response_scale(animal.train, "standard, positive")
    sizes: dict[str, Any] = {"n_chans": animal.train.n_neurons, "n_times": 1, "sfreq": 1.0}
    own = {"readin": settings.readin, "widths": list(settings.readin_widths), "dropout": settings.dropout}
    args = {**sizes, **own, "out_shape": list(feature_shape(classifier))}
    model = Network("v1_feature_readin", args).build(settings.seed)
    keys: dict[str, Any] = {
        **settings.model_dump(include={"batch_size", "epochs", "lr", "seed"}),
        "least": settings.last,
        "weight_decay": 0.0,
        "optimiser": "adam",
    }
    history = train_in_place(
        model,
        partial(predicted, classifier=classifier, normalised=settings.normalise == "both"),
        {
            "X": scale(animal.train.X)[:, :, None],
            "image": sized(animal.train.images, classifier.side)[animal.train.shown],
        },
        unwatched(keys, loop),
        about={"settings": settings, "classifier": classifier.module},
        checkpoint=checkpoint,
        progress=progress,
    )
    return model.eval(), scale, history


def predicted(
    module: nn.Module, batch: dict[str, Tensor], classifier: Classifier, normalised: bool
) -> dict[str, Tensor]:
    """Squared error of predicted features."""
    return {"loss": (module(batch["X"]).float() - classifier.features(batch["image"], normalised)).square().mean()}


def sized(images: Array, side: int) -> NDArray[np.float32]:
    """Grey pictures as the classifier takes them, before colours: ``(n, 1, side, side)``."""
    return resize(np.ascontiguousarray(images[:, :1], np.float32), (side, side))


def feature_shape(classifier: Classifier) -> tuple[int, ...]:
    """``C, h, w`` of the features."""
    torch = require("torch", "train", "features of pictures")
    return tuple(classifier.features(torch.zeros(1, 1, classifier.side, classifier.side), True).shape[1:])


def unwatched(keys: Mapping[str, Any], loop: Mapping[str, Any]) -> LoopSettings:
    """Half a cosine over the whole run, and the weights of the last epoch, as published."""
    fixed = {"schedule": "cosine", "warm_up": 0.0, "clip": None, "keep": "last"}
    return LoopSettings(**{**fixed, **keys, **loop})
