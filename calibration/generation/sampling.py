"""Drawing image features from a prior, with the arithmetic of the live runner, many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.generation.prior import TrainedPrior
from calibration.progress import Progress
from streamkit.errors import BadInput, require
from streamkit.inference.runners import DiffusionConfig

Features = NDArray[np.float32]
BATCH = 1024


def sample_prior(
    prior: TrainedPrior,
    conditions: NDArray[np.floating[Any]],
    *,
    at: NDArray[np.integer[Any]] | None = None,
    config: DiffusionConfig | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Features:
    """Image features for brain embeddings.

    Parameters
    ----------
    conditions
        ``(n, dim)`` brain embeddings.
    at
        ``(n,)`` what the noise of each is drawn from, beside the seed: the runner of a bundle, at a window whose newest
        sample has this index, answers the same. ``0 … n - 1`` by default.
    config
        Sampling other than that of the prior's settings.

    Returns
    -------
    ndarray
        ``(n, dim)`` float32, on the scale of the features that the prior was trained on.

    Raises
    ------
    BadInput
        When the embeddings are not those of this prior.
    """
    wanted = prior.args["condition"]
    if conditions.ndim != 2 or conditions.shape[1] != wanted:
        raise BadInput(f"the brain embeddings have shape {conditions.shape}, this prior was trained on (n, {wanted})")
    config = config or prior.settings.runner()
    indices = np.arange(len(conditions)) if at is None else np.asarray(at)
    starts = range(0, len(conditions), BATCH)
    progress = progress or Progress()
    progress.begin("sampling the prior", len(starts) * len(config.path))
    prior.module.to(device)
    parts = [
        _sample(prior, conditions[start : start + BATCH], indices[start : start + BATCH], config, device, progress)
        for start in starts
    ]
    prior.module.cpu()
    drawn = np.concatenate(parts) if parts else np.empty((0, prior.args["embedding"]), np.float32)
    return drawn / np.float32(prior.scale)


def _sample(
    prior: TrainedPrior,
    conditions: NDArray[np.floating[Any]],
    at: NDArray[np.integer[Any]],
    config: DiffusionConfig,
    device: str,
    progress: Progress,
) -> Features:
    """One batch; `streamkit.inference.runners.diffusion` takes the same steps with one window."""
    dim = prior.args["embedding"]
    sources = [np.random.default_rng([config.seed, int(index)]) for index in at]
    given = conditions.astype(np.float32)

    def draws() -> Features:
        return np.stack([source.standard_normal((1, dim), np.float32)[0] for source in sources])

    x = draws()
    for step in config.path:
        said = _denoise(prior, x, step.time, given, device)
        if config.guidance is not None:
            without = _denoise(prior, x, step.time, np.zeros_like(given), device)
            said = without + np.float32(config.guidance) * (said - without)
        clean, noise = step.split(x, said, config.prediction)
        if config.clip is not None:
            clean = np.clip(clean, -config.clip, config.clip)
        x = (step.ddpm(x, clean) if config.sampler == "ddpm" else step.ddim(clean, noise)).astype(np.float32)
        if step.noise:
            x = x + np.float32(step.noise) * draws()
        progress.advance()
    return x


def _denoise(prior: TrainedPrior, x: Features, time: int, given: Features, device: str) -> Features:
    torch = require("torch", "train", "the diffusion prior")
    with torch.inference_mode():
        times = torch.full((len(x),), float(time), device=device)
        said = prior.module(torch.from_numpy(x).to(device), times, torch.from_numpy(given).to(device))
    values: Features = said.cpu().numpy()
    return values
