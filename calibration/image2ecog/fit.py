"""Train image to ECoG, end to end or in two stages, and use what was trained on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.channels import Standard, fit_standard
from calibration.image2ecog.material import Material
from calibration.image2ecog.objective import losses
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.split import Parts, split
from calibration.progress import Progress
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from streamkit.errors import ConfigError, require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.image2ecog import Image2Ecog, ImageClassifier

Array = NDArray[np.floating]
BATCH = 64
OF_THE_BACKBONE = ("size", "conv", "pool")
OF_THE_NETWORK = (*OF_THE_BACKBONE, "hidden", "dropout")


@dataclass(frozen=True)
class Fitted:
    """A trained network, in evaluation mode, with everything that was fitted with it.

    Attributes
    ----------
    standard
        Channels kept, and their scale.
    parts
        Trials that it was trained on and tested with.
    classifier
        Of the first stage; None end to end.
    """

    model: Image2Ecog
    history: History
    settings: Image2EcogSettings
    standard: Standard
    parts: Parts
    classifier: ImageClassifier | None = None

    def predict(self, images: Array) -> Array:
        """Images ``(n, 3, size, size)`` to ``(n, n_kept, n_times)`` in the unit of the signal."""
        values = _in_batches(self.model, images)
        return values if values.ndim == 3 else values[:, :, None]

    def standardised(self, images: Array) -> Array:
        """The same in standard deviations of each channel."""
        return (self.predict(images) - self.standard.mean) / self.standard.std

    def classify(self, images: Array) -> NDArray[np.intp]:
        """Category of each image, by the first stage."""
        if self.classifier is None:
            raise ConfigError("model 'end-to-end' has no classifier: take 'classification-regressor'")
        return _in_batches(self.classifier, images).argmax(1)


def fit_image2ecog(
    material: Material,
    settings: Image2EcogSettings,
    *,
    loop: Mapping[str, Any] | None = None,
    parts: Parts | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train on one subject's training trials; the epoch with the lowest loss on the validation trials is kept.

    Parameters
    ----------
    loop
        Further keys of `LoopSettings`, such as ``accelerator``.
    parts
        Of the trials, instead of the settings' split.
    checkpoint
        Where the training can be taken up again, both stages of it.

    Raises
    ------
    ConfigError, BadInput
        When the settings do not fit the material.
    """
    check_size(material, settings)
    parts = parts or split(material, settings)
    if settings.head == "scalar":
        material = material.of(settings.span)
    standard = fit_standard(material.Y[parts.train], material.image[parts.train], settings)
    model = build(settings, len(standard.kept), material.Y.shape[2])
    further = dict(loop or {})
    classifier = None
    if settings.model == "classification-regressor":
        classifier = fit_classifier(
            material, settings, parts, further, progress, checkpoint and checkpoint / "classifier"
        )
        model.backbone.load_state_dict(classifier.backbone.state_dict())
    place = checkpoint and checkpoint / "regressor"
    history = fit_regressor(model, material, settings, parts, standard, further, progress, place)
    set_scale(model, standard)
    return Fitted(model.eval(), history, settings, standard, parts, classifier)


def check_size(material: Material, settings: Image2EcogSettings) -> None:
    """Refuse images of another size than the network's."""
    if material.images.shape[2:] != (settings.size, settings.size):
        raise ConfigError(
            f"the images are {material.images.shape[2]} x {material.images.shape[3]} pixels, and size = "
            f"{settings.size}: bring them to that size, or change it"
        )


def build(settings: Image2EcogSettings, n_chans: int, n_times: int) -> Image2Ecog:
    """Untrained network of these settings, weights drawn by their seed; one sample makes values.

    Raises
    ------
    ConfigError
        When sizes do not fit.
    """
    return _built("image2ecog", settings, OF_THE_NETWORK, n_chans=n_chans, n_times=0 if n_times == 1 else n_times)


def _built(name: str, settings: Image2EcogSettings, keys: tuple[str, ...], **sizes: int) -> Any:
    torch = require("torch", "train", "calibration")
    from models import image2ecog

    torch.manual_seed(settings.seed)
    try:
        return getattr(image2ecog, name)(**sizes, **settings.model_dump(include=set(keys)))
    except ValueError as error:
        raise ConfigError(f"{name} cannot be built: {error}") from error


def fit_classifier(
    material: Material,
    settings: Image2EcogSettings,
    parts: Parts,
    loop: Mapping[str, Any],
    progress: Progress | None,
    checkpoint: Path | None = None,
) -> ImageClassifier:
    """First stage: the backbone learns to tell the categories of images, cross-entropy, the same optimiser."""
    model: ImageClassifier = _built(
        "image2ecog_classifier", settings, OF_THE_BACKBONE, n_classes=len(material.categories)
    )
    shown = {name: np.unique(material.image[getattr(parts, name)]) for name in ("train", "validation")}
    if settings.classifier_images == "all":
        shown["train"] = np.arange(len(material.images))

    def columns(rows: NDArray[np.integer]) -> dict[str, NDArray]:
        return {"image": material.images[rows], "category": np.asarray(material.category[rows], np.int64)}

    keys = loop_settings(settings, settings.classifier_epochs, loop)
    train_in_place(
        model,
        _cross_entropy,
        columns(shown["train"]),
        keys,
        validation=columns(shown["validation"]),
        about={"settings": settings},
        checkpoint=checkpoint,
        progress=progress,
    )
    return model.eval()


def _cross_entropy(module: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    functional = require("torch.nn.functional", "train", "calibration")
    return {"loss": functional.cross_entropy(module(batch["image"]), batch["category"])}


def fit_regressor(
    model: Image2Ecog,
    material: Material,
    settings: Image2EcogSettings,
    parts: Parts,
    standard: Standard,
    loop: Mapping[str, Any],
    progress: Progress | None,
    checkpoint: Path | None = None,
) -> History:
    """Train what learns from responses: all of the network, or the regressor on what a frozen backbone sees."""
    two_stages = settings.model == "classification-regressor"
    frozen = two_stages and not settings.finetune
    seen = _in_batches(model.backbone.eval(), material.images) if frozen else material.images
    module = model.regressor if frozen else model

    def columns(rows: NDArray[np.intp]) -> dict[str, NDArray]:
        Y = standard.apply(material.Y[rows])
        return {"image": np.asarray(material.image[rows], np.int64), "Y": Y[:, :, 0] if Y.shape[2] == 1 else Y}

    torch = require("torch", "train", "calibration")
    loss_of = partial(_loss_of, images=torch.from_numpy(np.ascontiguousarray(seen, np.float32)), settings=settings)
    first_stage = model.backbone if two_stages else None
    return train_in_place(
        module,
        loss_of,
        columns(parts.train),
        loop_settings(settings, settings.epochs, loop),
        validation=columns(parts.validation),
        about={"settings": settings, "images": material.images, "first stage": first_stage},
        checkpoint=checkpoint,
        progress=progress,
    )


def _loss_of(
    module: nn.Module, batch: dict[str, Tensor], images: Tensor, settings: Image2EcogSettings
) -> dict[str, Tensor]:
    seen = images.to(batch["image"].device)[batch["image"]]
    answer: Callable[[Tensor], Tensor] = getattr(module, "standardised", module)
    return losses(answer(seen), batch["Y"], settings.lambda_mse)


def loop_settings(settings: Image2EcogSettings, epochs: int, further: Mapping[str, Any]) -> LoopSettings:
    """Adam at a constant rate, no weight decay, stopped early."""
    keys: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": settings.batch_size,
        "lr": settings.lr,
        "betas": settings.betas,
        "weight_decay": 0.0,
        "optimiser": "adam",
        "schedule": "constant",
        "warm_up": 0.0,
        "clip": None,
        "patience": settings.patience,
        "seed": settings.seed,
        "keep": "best",
    }
    return LoopSettings(**{**keys, **further})


def set_scale(model: Image2Ecog, standard: Standard) -> None:
    """Let the network answer in the unit of the signal."""
    torch = require("torch", "train", "calibration")
    for name, values in (("offset", standard.mean), ("scale", standard.std)):
        buffer = getattr(model, name)
        buffer.copy_(torch.from_numpy(np.asarray(values, np.float32)).reshape(buffer.shape))


def images_changed(material: Material, images: Array) -> Material:
    """The same trials after other images."""
    return replace(material, images=np.ascontiguousarray(images, np.float32))


def _in_batches(module: Any, rows: Array) -> Array:
    torch = require("torch", "train", "calibration")
    rows = np.ascontiguousarray(rows, np.float32)
    module.eval()
    with torch.no_grad():
        parts = [module(torch.from_numpy(rows[at : at + BATCH])).numpy() for at in range(0, len(rows), BATCH)]
    return np.concatenate(parts)
