"""What is done with macaque V4 inside one fold: encoders mixed, known pictures looked up, decoders refitted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.v4_data import Array, Data
from benchmarks.v4_scores import GABOR, pixel_r
from calibration.closed_form import ridge_raw
from calibration.metrics import column_correlations
from calibration.mouse_v1.fit_decoder import FittedDecoder
from calibration.mouse_v1.fit_encoder import FittedEncoder
from calibration.mouse_v1.material import Animal, Responses
from calibration.training.history import History

NEIGHBOURS = (1, 5, 20, 60)
STEPS = 10
"""Of a share, from none to all."""
Weights = dict[str, float]
PARTS = ("aside", "test")
"""What is set aside, told by what left it out, and what is tested, told by what did not."""
logger = logging.getLogger("benchmarks.real_v4_decoding")


@dataclass(frozen=True)
class Networks:
    """Encoders of one kind.

    Attributes
    ----------
    told
        By part, networks that differ in their seed.
    images
        The pictures that they take, of all rows of the data.
    """

    told: Mapping[str, Sequence[FittedEncoder]]
    images: Array


@dataclass(frozen=True)
class Encoders:
    """Everything that predicts responses of one session.

    Attributes
    ----------
    networks
        By name.
    known
        By part, rows that what tells it may have seen.
    session
        Number of the session.
    """

    data: Data
    networks: Mapping[str, Networks]
    known: Mapping[str, Array]
    animal: str
    session: int

    @property
    def units(self) -> NDArray[np.intp]:
        """Columns of the session's units."""
        return np.flatnonzero(self.data.unit_session == self.session)

    def rows(self, rows: Array) -> NDArray[np.intp]:
        """Those of the session."""
        return rows[self.data.session[rows] == self.session]

    def predict(self, rows: Array, part: str) -> dict[str, Array]:
        """Responses to any pictures, by name, from what a part is told by."""
        found = {
            name: np.mean([fitted.predict(each.images[rows], self.animal) for fitted in each.told[part]], axis=0)
            for name, each in self.networks.items()
        }
        return found | {GABOR: self.ridge(self.data.pyramid, rows, part)}

    def ridge(self, features: Array, rows: Array, part: str) -> Array:
        """Responses to any pictures by ridge regression from features of the session's known pictures."""
        own = self.rows(self.known[part])
        weight, bias = ridge_raw(features[own].astype(np.float64), self.data.Y[np.ix_(own, self.units)])
        found: Array = features[rows] @ weight.T + bias
        return found

    def chosen(self, aside: Array) -> Weights:
        """Shares of the encoders that predict the pictures set aside best."""
        own = self.rows(aside)
        said, recorded = self.predict(own, "aside"), self.data.Y[np.ix_(own, self.units)]
        options = [dict(zip(said, shares, strict=True)) for shares in simplex(len(said))]
        return max(options, key=lambda weights: mean_r(mixed(said, weights), recorded))


def mean_r(said: Array, recorded: Array) -> float:
    """Mean correlation over units; one whose prediction is constant counts as 0."""
    return float(np.nan_to_num(column_correlations(said, recorded)).mean())


def simplex(n: int) -> list[tuple[float, ...]]:
    """All shares of `n` parts in steps of a tenth."""
    return [
        tuple(k / STEPS for k in (*head, STEPS - sum(head)))
        for head in product(range(STEPS + 1), repeat=n - 1)
        if sum(head) <= STEPS
    ]


def mixed(parts: Mapping[str, Array], weights: Weights) -> Array:
    """The weighted sum of what there is by name."""
    return sum(weights[name] * parts[name] for name in parts)  # type: ignore[return-value]


def nearest(encoders: Encoders, weights: Weights, part: str, X: Array) -> dict[int, Array]:
    """Mean of the k known pictures whose predicted responses are most like the recorded ones, by k.

    Likeness is the likelihood under independent noise of each unit, as large as what is not predicted of it.
    """
    known, data = encoders.known[part], encoders.data
    own = encoders.rows(known)
    said = mixed(encoders.predict(known, part), weights)
    left = data.Y[np.ix_(own, encoders.units)] - mixed(encoders.predict(own, part), weights)
    scale = 1 / np.sqrt(np.maximum(left.var(0), 1e-6))
    a, b = X * scale, said * scale
    order = np.argsort((a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1), axis=1)
    return {k: data.grey[known[order[:, :k]]].mean(1) for k in NEIGHBOURS}


def best_mix(first: Mapping[str, Array], second: Mapping[str, Array], shown: Array) -> tuple[dict[str, Array], float]:
    """Two decoders' pictures mixed by the share that correlates best with the pictures set aside."""
    shares = [k / STEPS for k in range(STEPS + 1)]
    value = {w: pixel_r(w * first["aside"] + (1 - w) * second["aside"], shown) for w in shares}
    best = max(value, key=lambda w: value[w])
    return {part: best * first[part] + (1 - best) * second[part] for part in first}, best


def with_aside(animal: Animal) -> Animal:
    """The same session, trained on the pictures set aside as well."""
    first, second = animal.train, animal.validation
    joined = Responses(
        np.concatenate([first.X, second.X]),
        np.concatenate([first.images, second.images]),
        np.concatenate([first.shown, second.shown + len(first.images)]),
    )
    return replace(animal, train=joined)


class Fitted(Protocol):
    """Anything trained epoch by epoch."""

    @property
    def history(self) -> History:
        """Of its training."""

    @property
    def settings(self) -> Any:
        """Of its training."""


F = TypeVar("F", bound=Fitted)


def both_ways(
    kept: Path, known: Mapping[str, Any], settings: Any, seeds: Sequence[int], fit: Callable[..., F]
) -> dict[str, list[F]]:
    """By part, networks that differ in their seed.

    Those for what is tested are trained anew with the pictures set aside, for as many epochs as were best on them.

    Parameters
    ----------
    kept
        Folder of these trainings; its name is logged.
    known
        By part, what they are trained on.
    fit
        Takes what is known, settings, a folder for its checkpoint, and for what is tested ``loop``.
    """
    aside, test = (known[part] for part in PARTS)
    models = [fit(aside, settings.but(seed=seed), checkpoint=kept / f"aside-{seed}") for seed in seeds]
    history = models[0].history
    told = f"{history.seconds:.0f} s, best epoch {history.best + 1}, {min(history.validation):.4f}"
    logger.info("%s: %s", kept.name, told)
    whole = {seed: each.settings.but(epochs=each.history.best + 1) for seed, each in zip(seeds, models, strict=True)}
    again = [fit(test, each, loop={"keep": "last"}, checkpoint=kept / f"whole-{seed}") for seed, each in whole.items()]
    return dict(zip(PARTS, (models, again), strict=True))


def by_part(animals: list[Animal]) -> dict[str, list[Animal]]:
    """Sessions as they are known to what tells each part."""
    return dict(zip(PARTS, (animals, [with_aside(animal) for animal in animals]), strict=True))


def told_of(animal: Animal, part: str) -> Responses:
    """The presentations of a part."""
    return animal.validation if part == "aside" else animal.test


def decode(models: Sequence[FittedDecoder], X: Array, animal: str) -> Any:
    """Pictures of one session for responses as measured, mean over seeds."""
    return np.mean([fitted.predict(X, animal) for fitted in models], axis=0)
