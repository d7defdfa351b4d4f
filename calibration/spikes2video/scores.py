"""All scores of reconstructed clips, content and pixels, at both levels; of several seeds side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.spikes2video.content import (
    CONTENT,
    DIRECTION,
    LEVELS,
    Level,
    Scenes,
    content,
    items_of,
    tables,
)
from calibration.spikes2video.fidelity import LOSS, MSE, SSIM, fidelity
from calibration.spikes2video.fit import Fitted
from calibration.spikes2video.material import Rows, Trials
from calibration.tables.items import Items, Row, difference, row

__all__ = [
    "CONTENT",
    "DIRECTION",
    "LEVELS",
    "METRICS",
    "Level",
    "Scenes",
    "Scored",
    "Scores",
    "averaged",
    "content",
    "differences",
    "fidelity",
    "named",
    "of_models",
    "of_seeds",
    "rows_of",
    "score",
    "score_at",
    "stacked",
]

Array = NDArray[np.floating]
METRICS = (*CONTENT, SSIM, MSE, LOSS)


@dataclass(frozen=True)
class Scores:
    """Scores of one network at one level.

    Attributes
    ----------
    items
        By metric, condition by condition.
    tables
        By metric of content: reconstructions of each condition beside what was shown in each.
    condition, decoded
        ``(n,)`` of every reconstruction that was scored: its condition, and the direction in which it moves, degrees;
        none where motion was not asked for.
    """

    items: dict[str, Items]
    tables: dict[str, Array]
    condition: Rows
    decoded: Array


Scored = dict[Level, list[Scores]]
"""One per seed."""


def score(seen: Array, trials: Trials, draws: Draws, metrics: Sequence[str] = METRICS) -> dict[Level, Scores]:
    """Score reconstructions of all of `trials` at both levels.

    Parameters
    ----------
    seen
        ``(n, 3, n_frames, height, width)`` in [0, 1].
    metrics
        Some of `METRICS`; motion is by far the slowest.
    """
    whole = Scenes.of(seen, trials)
    return {level: score_at(whole.at(level), draws, metrics) for level in LEVELS}


def score_at(scenes: Scenes, draws: Draws, metrics: Sequence[str] = METRICS) -> Scores:
    """Score scenes as they are."""
    found = tables(scenes, [name for name in CONTENT if name in metrics])
    items = {name: items_of(name, table, draws) for name, table in found.items()}
    if set(metrics) - set(CONTENT):
        items |= {name: each for name, each in fidelity(scenes, draws).items() if name in metrics}
    return Scores(items, found, scenes.condition, scenes.__dict__.get("decoded", np.empty(0)))


def of_models(models: Sequence[Fitted], trials: Trials, draws: Draws, metrics: Sequence[str] = METRICS) -> Scored:
    """Score trained networks that differ in their seed."""
    return stacked([score(fitted.predict(trials.X), trials, draws, metrics) for fitted in models])


def stacked(each: Sequence[dict[Level, Scores]]) -> Scored:
    """Scores of several seeds, side by side."""
    return {level: [one[level] for one in each] for level in LEVELS}


def of_seeds(scored: Scored, level: Level) -> dict[str, list[Items]]:
    """Every metric at a level, one `Items` per seed."""
    each = scored[level]
    return {name: [one.items[name] for one in each] for name in each[0].items}


def averaged(trials: Trials, level: Level) -> int:
    """How many reconstructions are averaged before they are scored: the fewest trials that a condition has, or one."""
    return min(len(rows) for _, rows in trials.rows_of_conditions()) if level == "condition means" else 1


def rows_of(label: str, scored: Scored, trials: Trials, draws: Draws, **further: object) -> list[Row]:
    """Lines of a table, one per level and metric; `label` stands before the level."""
    return [
        row(named(label, level), items, draws, level=level, averaged=averaged(trials, level), **further)
        for level in LEVELS
        for items in of_seeds(scored, level).values()
    ]


def differences(label: str, first: Scored, second: Scored, draws: Draws, **further: object) -> list[Row]:
    """Lines of `second` less `first`, paired condition by condition and seed by seed."""
    return [
        difference(named(label, level), before, after, draws, level=level, **further)
        for level in LEVELS
        for before, after in zip(of_seeds(first, level).values(), of_seeds(second, level).values(), strict=True)
    ]


def named(label: str, level: Level) -> str:
    """What a line is called."""
    return f"{label}, {level}" if label else level
