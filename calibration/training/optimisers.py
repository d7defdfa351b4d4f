"""What changes the weights: the optimiser of each part of a network, and the limit on its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from calibration.training.settings import LoopSettings
from streamkit.errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def optimiser_of(module: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """Optimiser of all weights of `module` that are not frozen.

    Raises
    ------
    ConfigError
        When all are frozen.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    if not weights:
        raise ConfigError(f"{type(module).__name__} has no weight to train: all are frozen, or there are none")
    known = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "adamax": torch.optim.Adamax}
    return known[settings.optimiser](
        weights, settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, **update_of(settings)
    )


def update_of(settings: LoopSettings) -> dict[str, Any]:
    """How an update is computed: all weights at once, which has the bits of one after the other, or in one kernel."""
    can_fuse = settings.optimiser != "adamax" and settings.precision != "16-mixed"
    return {"fused": True} if settings.fused and can_fuse else {"foreach": True}


def clip(fabric: Fabric, module: Any, optimiser: Any, settings: LoopSettings) -> None:
    """Scale the gradient of the optimiser's weights to a norm of at most ``settings.clip``."""
    if settings.clip:
        fabric.clip_gradients(module, optimiser, max_norm=settings.clip, error_if_nonfinite=False)
