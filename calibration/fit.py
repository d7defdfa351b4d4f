"""From examples to a fitted network, in closed form or by gradient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration import closed_form
from calibration.evaluate import Answers
from calibration.network import Network
from calibration.progress import Progress
from calibration.recipe import Recipe
from calibration.split import validation_mask
from calibration.train import History, predict, train
from calibration.warm_start import warm_start
from calibration.windows import Examples
from streamkit.errors import ConfigError
from streamkit.inference.runners import activate
from streamkit.types import OutputSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Fitted:
    """A fitted network.

    Attributes
    ----------
    network
        Name and all arguments it was built with.
    module
        The network, in evaluation mode.
    history
        Of the training loop; None for a closed form.
    n_train, n_validation, n_rejected
        How many examples served for what.
    """

    network: Network
    module: nn.Module
    history: History | None
    n_train: int
    n_validation: int = 0
    n_rejected: int = 0

    def answer(self, examples: Examples, output: OutputSpec) -> Answers:
        """What the network says about examples, activation applied as the runner does."""
        raw = predict(self.module, examples.X)
        values = np.stack([activate(one, output.activation) for one in raw])
        return Answers(values, examples.y, examples.groups, examples.labels, examples.recording)


def fit(
    recipe: Recipe,
    examples: Examples,
    output: OutputSpec,
    sfreq: float,
    progress: Progress,
    checkpoint: Path | None = None,
) -> Fitted:
    """Fit the recipe's network to examples.

    Parameters
    ----------
    sfreq
        Rate of the processed samples in Hz.
    checkpoint
        A folder to take a training by gradient up from, and to write it to; None for none.
    """
    settings = recipe.train
    clean = _clean(examples, settings.reject)
    network = _network(recipe, examples, output, sfreq)
    module = network.build(settings.seed)
    n_rejected = len(examples) - len(clean)
    if settings.method == "closed-form":
        progress.begin("solving", 1)
        closed_form.fit(module, clean.X, clean.y, int(np.prod(output.shape)), settings)
        progress.advance()
        return Fitted(network, module, None, len(clean), 0, n_rejected)
    inside, aside = validation_mask(clean, recipe.split.validation, recipe.window.n_times, settings.seed)
    train_set, validation_set = clean[inside], clean[aside]
    if not len(train_set):
        raise ConfigError(f"split.validation = {recipe.split.validation} leaves no example to train on")
    if settings.warm_start:
        warm_start(module, train_set.X, train_set.y)
    history = train(
        module,
        recipe.target.kind,
        (train_set.X, train_set.y),
        (validation_set.X, validation_set.y) if len(validation_set) else None,
        settings,
        progress,
        checkpoint,
        about={"network": network},
    )
    return Fitted(network, module, history, len(train_set), len(validation_set), n_rejected)


def _clean(examples: Examples, reject: float | None) -> Examples:
    if reject is None:
        return examples
    kept: NDArray[np.bool_] = np.abs(examples.X).max(axis=(1, 2)) <= reject
    if not kept.any():
        raise ConfigError(f"train.reject = {reject:g} leaves out every training window; raise it")
    return examples[kept]


def _network(recipe: Recipe, examples: Examples, output: OutputSpec, sfreq: float) -> Network:
    sizes = {"n_chans": examples.X.shape[1], "n_times": examples.X.shape[2]}
    args = {**sizes, "out_shape": list(output.shape), "sfreq": sfreq, **recipe.model.args}
    return Network(recipe.model.name, args)
