"""The inverted encoder: pictures that an encoder would answer as was recorded, and the choice of its step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.mouse_v1.settings import InversionSettings
from calibration.progress import Progress
from streamkit.errors import BadInput, require

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.floating]
Score = Callable[[Array], float]
"""From pictures ``(n, 1, height, width)`` to how bad they are."""


@dataclass(frozen=True)
class Tried:
    """One setting, and what its pictures of the validation responses scored; less is better."""

    settings: InversionSettings
    score: float


def invert(
    encoder: nn.Module,
    responses: Array,
    shape: Sequence[int],
    settings: InversionSettings,
    at: Sequence[int] = (),
    progress: Progress | None = None,
) -> list[NDArray[np.float32]]:
    """Pictures for responses ``(n, n_neurons)`` as the encoder predicts them: ``(n, 1, height, width)``, standardised.

    Parameters
    ----------
    encoder
        Of one animal, in evaluation mode.
    shape
        ``(1, height, width)``.
    at
        Numbers of steps, ascending, after which the pictures are kept; after the last step alone when empty.

    Returns
    -------
    list
        One array for each of `at`.

    Raises
    ------
    BadInput
        When `at` are not numbers of steps.
    """
    torch = require("torch", "train", "inverting an encoder")
    stops = tuple(at) or (settings.steps,)
    if list(stops) != sorted(set(stops)) or stops[0] < 1 or stops[-1] > settings.steps:
        raise BadInput(
            f"pictures after {list(stops)} steps were asked for, expected ascending ones up to {settings.steps}"
        )
    X = torch.from_numpy(np.ascontiguousarray(responses, np.float32))
    begin = beginning((len(X), *shape), settings)
    progress = progress or Progress()
    progress.begin("inverting the encoder", len(X))
    parts = []
    for first in range(0, len(X), settings.batch_size):
        rows = slice(first, first + settings.batch_size)
        parts.append(descended(encoder, begin[rows], X[rows], settings, stops))
        progress.at(min(first + settings.batch_size, len(X)))
    return [torch.cat(each).numpy() for each in zip(*parts, strict=True)]


def beginning(shape: Sequence[int], settings: InversionSettings) -> Tensor:
    """What the first step changes."""
    torch = require("torch", "train", "inverting an encoder")
    if settings.start == "zeros":
        return torch.zeros(tuple(shape))
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(settings.seed))


def descended(
    encoder: nn.Module, images: Tensor, responses: Tensor, settings: InversionSettings, stops: Sequence[int]
) -> list[Tensor]:
    """Pictures after each of `stops`; the gradient is that of the mean over neurons, each picture by itself."""
    torch = require("torch", "train", "inverting an encoder")
    from models.v1_inversion import Update

    update = Update(tuple(images.shape[2:]), settings.lr, settings.sigma, settings.rescale)
    kept = []
    for step in range(1, stops[-1] + 1):
        images = images.detach().requires_grad_(True)
        error = (encoder(images) - responses).square().mean(1).sum()
        (gradient,) = torch.autograd.grad(error, images)
        images = update(images, gradient)
        if step in stops:
            kept.append(images.detach())
    return kept


def choose(
    encoder: nn.Module,
    responses: Array,
    shape: Sequence[int],
    base: InversionSettings,
    score: Score,
    rates: Sequence[float],
    sigmas: Sequence[float],
    steps: Sequence[int],
    progress: Progress | None = None,
) -> tuple[InversionSettings, list[Tried]]:
    """The setting whose pictures of validation responses score lowest, and all that were tried.

    Every length of step and blur is run once, and looked at after each number of steps.

    Parameters
    ----------
    score
        Such as the mean SSIM loss beside the validation pictures.
    """
    tried = []
    for lr in rates:
        for sigma in sigmas:
            longest = base.but(lr=lr, sigma=sigma, steps=max(steps))
            made = invert(encoder, responses, shape, longest, sorted(steps), progress)
            for number, images in zip(sorted(steps), made, strict=True):
                value = score(images) if np.isfinite(images).all() else float("inf")
                tried.append(Tried(longest.but(steps=number), value))
    return min(tried, key=lambda each: each.score).settings, tried
