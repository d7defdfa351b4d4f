"""The diffusion prior: from a brain embedding to the image features it may stand for.

ATM's recipe (Li et al. 2024, arXiv 2403.07721): DDPM's 1,000 steps of noise (Ho et al. 2020, arXiv 2006.11239), of
which a network predicts the noise from the noisy features, the time and the brain embedding; the embedding is left out
of one row in ten for classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.generation.settings import PriorSettings
from calibration.network import Network
from calibration.progress import Progress
from calibration.training.history import History
from streamkit.errors import BadInput, require
from streamkit.inference.runners.noise import signal_left

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.floating[Any]]
BUILDER = "brainae_prior"
BETAS = 1e-4, 0.02


@dataclass
class TrainedPrior:
    """A prior that is trained.

    Attributes
    ----------
    module
        `models.brainae_prior.Prior`, in evaluation mode on the processor.
    args
        Arguments of its builder.
    scale
        What image features were multiplied by.
    settings, history
        How it was trained, and how that went.
    space
        Encoder whose features it draws, by its name in `calibration.features.FEATURES`; empty where nobody said.
    """

    module: nn.Module
    args: dict[str, Any]
    scale: float
    settings: PriorSettings
    history: History = field(default_factory=History)
    space: str = ""


def train_prior(
    conditions: Array,
    targets: Array,
    settings: PriorSettings | None = None,
    *,
    validation: tuple[Array, Array] | None = None,
    space: str = "",
    args: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> TrainedPrior:
    """Train a prior on pairs.

    Parameters
    ----------
    conditions, targets
        ``(n, dim)`` brain embeddings, and ``(n, dim)`` features of the images that evoked them. For SDXL with
        ``ip-adapter_sdxl_vit-h`` these are features of CLIP ViT-H/14, whatever the brain encoder was trained on.
    validation
        As many of other images; its loss is logged with the same noise in every epoch.
    space
        Encoder that the targets come from; a painter asks.
    args
        Further arguments of the builder, such as `widths` for a small one.
    checkpoint
        See `calibration.training.loop.fit`.

    Raises
    ------
    BadInput
        When the two do not pair, or hold values that are not finite.
    """
    from calibration.training.loop import fit

    settings = settings or PriorSettings()
    for name, pair in (("training", (conditions, targets)), ("validation", validation)):
        if pair is not None:
            _check(name, *pair)
    args = {"embedding": targets.shape[1], "condition": conditions.shape[1], **(args or {})}
    module = Network(BUILDER, args).build(settings.loop.seed)
    scale = settings.scale or 1.0 / max(float(np.sqrt(np.mean(np.square(targets, dtype=np.float64)))), 1e-12)
    history = fit(
        module,
        NoiseLoss(settings.drop, settings.train_steps, settings.loop.seed),
        _rows(conditions, targets, scale),
        settings.loop,
        validation=None if validation is None else _rows(*validation, scale),
        about={"args": args, "drop": settings.drop, "train_steps": settings.train_steps},
        checkpoint=checkpoint,
        progress=progress,
    )
    return TrainedPrior(module.cpu().eval(), args, scale, settings, history, space)


def _check(name: str, conditions: Array, targets: Array) -> None:
    if conditions.ndim != 2 or targets.ndim != 2 or len(conditions) != len(targets) or not len(targets):
        raise BadInput(
            f"the prior's {name} pairs are conditions {conditions.shape} and targets {targets.shape}: expected two "
            "tables (n, dim) of as many rows, brain embeddings beside features of the images shown"
        )
    if not (np.isfinite(conditions).all() and np.isfinite(targets).all()):
        raise BadInput(f"the prior's {name} pairs hold values that are not finite: leave those rows out")


def _rows(conditions: Array, targets: Array, scale: float) -> dict[str, NDArray[np.float32]]:
    return {"condition": conditions.astype(np.float32), "target": (targets * scale).astype(np.float32)}


@dataclass(frozen=True)
class NoiseLoss:
    """Squared error of the noise that a denoiser sees in noisy features, for `calibration.training.loop.fit`.

    In training, times, noise and the conditions left out are drawn from torch's random numbers; in evaluation nothing
    is left out, and the draws are the same every time.

    Attributes
    ----------
    drop, train_steps
        See `PriorSettings`.
    seed
        Of what is drawn in evaluation.
    """

    drop: float
    train_steps: int
    seed: int = 0

    def __call__(self, module: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Loss of a batch with ``target`` and ``condition``, ``(B, dim)`` each."""
        torch = require("torch", "train", "the diffusion prior")
        target, condition = batch["target"], batch["condition"]
        draws = None if module.training else torch.Generator(target.device).manual_seed(self.seed)
        about = {"device": target.device, "generator": draws}
        time = torch.randint(0, self.train_steps, (len(target),), **about)
        noise = torch.randn(target.shape, **about)
        if module.training:
            condition = condition * (torch.rand(len(target), 1, **about) >= self.drop)
        signal = self._signal(target.device)[time][:, None]  # (B, 1)
        noisy = signal.sqrt() * target + (1 - signal).sqrt() * noise
        said = module(noisy, time.to(target.dtype), condition)
        return {"loss": torch.nn.functional.mse_loss(said, noise)}

    def _signal(self, device: Any) -> Tensor:
        torch = require("torch", "train", "the diffusion prior")
        left: Tensor = torch.from_numpy(signal_left("linear", self.train_steps, *BETAS)).float().to(device)
        return left
