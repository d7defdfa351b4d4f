"""What a reconstructed clip says of cue, colour and motion, condition by condition.

Two levels, side by side. *Condition means* are the paper's: the reconstructions of all trials of a condition are
averaged, then scored. *Single trials* are scored one by one, and what they scored is averaged over the trials of the
condition. Either way there is one number for each condition, so levels and models are paired condition by condition.

Chance is what the reconstruction of a condition gets beside the clip of any condition, drawn by lot: a quarter of the
conditions share its cue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws, correlations
from calibration.spikes2video.material import Conditions, Stages, Trials
from calibration.spikes2video.motion import angle, mean_flow, turn
from calibration.tables.items import Items, mean

Array = NDArray[np.floating]
Rows = NDArray[np.intp]
Level = Literal["condition means", "single trials"]
LEVELS: tuple[Level, ...] = get_args(Level)
CUE, COLOUR, COSINE, DIRECTION = "cue r", "colour r", "colour cosine", "direction error"
CONTENT = (CUE, COLOUR, COSINE, DIRECTION)
QUARTERS = (2, 3)
"""Colour is taken where rows and columns at two and three quarters cross."""


@dataclass(frozen=True)
class Scenes:
    """Reconstructions beside the clips shown, in rows that belong together.

    Attributes
    ----------
    seen, shown
        ``(n, 3, n_frames, height, width)`` in [0, 1].
    condition
        ``(n,)`` row of `conditions`.
    """

    seen: Array
    shown: Array
    condition: Rows
    conditions: Conditions
    stages: Stages

    @staticmethod
    def of(seen: Array, trials: Trials) -> Scenes:
        """Reconstructions of all of `trials`."""
        return Scenes(seen, trials.video, trials.condition, trials.conditions, trials.stages)

    def means(self) -> Scenes:
        """One row per condition: the mean of its reconstructions beside the mean of its clips."""
        return self._averaged([np.flatnonzero(self.condition == number) for number in np.unique(self.condition)])

    def averaged(self, count: int) -> Scenes:
        """Means of `count` trials of a condition, none of them in two; what is left over is left out."""
        members = (np.flatnonzero(self.condition == number) for number in np.unique(self.condition))
        return self._averaged(
            [rows[at : at + count] for rows in members for at in range(0, len(rows) - count + 1, count)]
        )

    def _averaged(self, groups: Sequence[Rows]) -> Scenes:
        seen, shown = (np.stack([side[rows].mean(0) for rows in groups]) for side in (self.seen, self.shown))
        condition = self.condition[[rows[0] for rows in groups]]
        return Scenes(seen, shown, condition, self.conditions, self.stages)

    def at(self, level: Level) -> Scenes:
        """What is scored at a level."""
        return self.means() if level == "condition means" else self

    @cached_property
    def decoded(self) -> Array:
        """``(n,)`` direction in which each reconstruction moves, degrees."""
        return directions(self.seen, self.stages)

    def turns(self) -> Iterator[tuple[Rows, Array]]:
        """Rows with one trial of every condition, and which of them come for the first time.

        A condition of fewer trials begins anew.
        """
        members = [np.flatnonzero(self.condition == number) for number in np.unique(self.condition)]
        for again in range(max(len(rows) for rows in members)):
            rows = np.array([own[again % len(own)] for own in members])
            yield rows, np.array([again < len(own) for own in members])


@dataclass(frozen=True)
class Measure:
    """One metric of content: features of the reconstruction, features of what was shown, and what compares them.

    Attributes
    ----------
    seen, shown
        From scenes to features ``(n, …)`` of the reconstructions, and those they should have.
    compare
        From features of n and of m items to a table ``(n, m)``.
    """

    seen: Callable[[Scenes], Array]
    shown: Callable[[Scenes], Array]
    compare: Callable[[Array, Array], Array]


def cue_pixels(clips: Array, stages: Stages) -> Array:
    """``(n, values)`` every pixel of the frames with the cue."""
    return clips[:, :, stages.frames("cue")].reshape(len(clips), -1)


def dot_colours(clips: Array, stages: Stages) -> Array:
    """``(n, 12)`` mean colour over the stimulus at the four points where the quarters cross."""
    height, width = clips.shape[-2:]
    rows, columns = (np.array([size * part // 4 for part in QUARTERS]) for size in (height, width))
    means = clips[:, :, stages.frames("stimulus")].mean(2)
    return means[:, :, rows[:, None], columns].reshape(len(clips), -1)


def directions(clips: Array, stages: Stages) -> Array:
    """``(n,)`` degrees of the mean flow of the stimulus."""
    return angle(mean_flow(clips, stages))


def correlated(a: Array, b: Array) -> Array:
    """Correlation of every two rows; NaN where one does not vary."""
    found = correlations(a, b)
    found[np.ptp(a, axis=1) < 1e-9] = np.nan
    found[:, np.ptp(b, axis=1) < 1e-9] = np.nan
    return found


def _cosine(a: Array, b: Array) -> Array:
    a, b = (np.asarray(side, np.float64) for side in (a, b))
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    return np.divide(a @ b.T, norms, out=np.full(norms.shape, np.nan), where=norms > 1e-12)


def _turned(a: Array, b: Array) -> Array:
    return turn(a[:, None], b[None])


def _both(features: Callable[[Array, Stages], Array], compare: Callable[[Array, Array], Array]) -> Measure:
    """A measure that takes the same features of what was seen and shown."""
    return Measure(
        lambda scenes: features(scenes.seen, scenes.stages),
        lambda scenes: features(scenes.shown, scenes.stages),
        compare,
    )


MEASURES: dict[str, Measure] = {
    CUE: _both(cue_pixels, correlated),
    COLOUR: _both(dot_colours, correlated),
    COSINE: _both(dot_colours, _cosine),
    DIRECTION: Measure(
        lambda scenes: scenes.decoded, lambda scenes: scenes.conditions.direction[scenes.condition], _turned
    ),
}
"""What is told by content; of the direction, what the condition says is right, not the flow of the clip."""


def table_of(metric: str, scenes: Scenes) -> Array:
    """``(m, m)`` reconstructions of each condition beside what was shown in each, mean over trials."""
    measure = MEASURES[metric]
    seen, shown = measure.seen(scenes), measure.shown(scenes)
    total, count = 0.0, 0.0
    for rows, fresh in scenes.turns():
        found = measure.compare(seen[rows], shown[rows])
        known = np.isfinite(found) & fresh[:, None]
        total, count = total + np.where(known, found, 0.0), count + known
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0)


def items_of(metric: str, table: Array, draws: Draws, kept: NDArray[np.bool_] | None = None) -> Items:
    """Items of a table of conditions by conditions; of `kept` conditions alone, where they are given."""
    rng, rows = np.random.default_rng(draws.seed), np.arange(len(table))
    own = rows if kept is None else np.flatnonzero(kept)
    null = np.array([mean(table[own, rng.permutation(rows)[own]]) for _ in range(draws.permutations)])
    note = "chance: clips of conditions drawn by lot"
    return Items(metric, table[own, own].copy(), mean(table[own]), null, metric == DIRECTION, note, "conditions")


def tables(scenes: Scenes, metrics: Sequence[str] = CONTENT) -> dict[str, Array]:
    """Table of conditions by conditions of each metric."""
    return {metric: table_of(metric, scenes) for metric in metrics}


def content(scenes: Scenes, draws: Draws, metrics: Sequence[str] = CONTENT) -> dict[str, Items]:
    """Cue, colour and motion, one number per condition."""
    return {metric: items_of(metric, table, draws) for metric, table in tables(scenes, metrics).items()}
