"""Who is trained on, who is not. A group is never cut between training and scoring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from calibration.sections import SplitSection
from calibration.windows import Examples
from streamkit.errors import ConfigError
from streamkit.types import Mask

MIN_GROUPS = 3
"""Fewer training groups than this are too few to give a whole one to validation."""


def hold_out(groups: Sequence[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Groups to train on and groups to keep away.

    Parameters
    ----------
    groups
        Of the recordings, in their order; repeats are fine.
    patterns
        fnmatch patterns; ``"last"`` is the last group unless one is called so.

    Raises
    ------
    ConfigError
        When a pattern fits no group, or nothing is left to train on.
    """
    known = list(dict.fromkeys(groups))
    held: set[str] = set()
    for pattern in patterns:
        found = [group for group in known if fnmatchcase(group, pattern)]
        if not found and pattern == "last":
            found = known[-1:]
        if not found:
            raise ConfigError(f"split.held_out: {pattern!r} fits no group; the groups are {', '.join(known)}")
        held.update(found)
    kept = [group for group in known if group not in held]
    if not kept:
        raise ConfigError(
            f"split.held_out: holding out {', '.join(sorted(held))} leaves nothing to train on; the data have "
            f"{len(known)} group{'s' * (len(known) != 1)}. Hold out fewer, or give more recordings"
        )
    return kept, [group for group in known if group in held]


def validation_mask(examples: Examples, rule: float | Sequence[str], n_times: int, seed: int) -> tuple[Mask, Mask]:
    """Masks of the examples to train on and to stop early by.

    Parameters
    ----------
    rule
        Groups (fnmatch patterns), or a share of the examples. With at least `MIN_GROUPS` groups the share is made of
        whole groups drawn by `seed`. With fewer, it is the end of each recording; training windows that share
        samples with it are dropped, and so are those of an image that is also in it.
    n_times
        Samples in a window.

    Raises
    ------
    ConfigError
        When a pattern fits no group, or all.
    """
    if not isinstance(rule, (int, float)):
        aside = in_groups(examples.groups, rule)
        return ~aside, aside
    share = float(rule)
    if share <= 0:
        return np.ones(len(examples), bool), np.zeros(len(examples), bool)
    names = np.unique(examples.groups)
    if len(names) >= MIN_GROUPS:
        order = np.random.default_rng(seed).permutation(names)
        sizes = np.array([np.mean(examples.groups == name) for name in order])
        n_aside = int(np.clip(np.argmin(np.abs(np.cumsum(sizes) - share)) + 1, 1, len(names) - 1))
        aside = np.isin(examples.groups, order[:n_aside])
        return ~aside, aside
    return _tail(examples, share, n_times)


def in_groups(groups: NDArray[np.str_], patterns: Sequence[str]) -> Mask:
    """Which items are of the groups to stop early by, ``(n,)``; none without patterns.

    Raises
    ------
    ConfigError
        When a pattern fits no group, or all.
    """
    names = np.unique(groups).tolist()
    chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if patterns and (not chosen or len(chosen) == len(names)):
        raise ConfigError(
            f"split.validation: {', '.join(patterns)} fits {'all' if chosen else 'none'} of the training groups "
            f"{', '.join(names)}; name some of them, or give a share such as 0.2"
        )
    return np.isin(groups, chosen)


def _tail(examples: Examples, share: float, n_times: int) -> tuple[Mask, Mask]:
    aside = np.zeros(len(examples), bool)
    train = np.zeros(len(examples), bool)
    for number in np.unique(examples.recording):
        rows = np.flatnonzero(examples.recording == number)
        rows = rows[np.argsort(examples.last[rows], kind="stable")]
        n_aside = min(max(1, round(share * len(rows))), len(rows) - 1)
        cut = len(rows) - n_aside
        aside[rows[cut:]] = True
        starts = examples.last[rows[cut:]].min() - n_times + 1
        train[rows[:cut][examples.last[rows[:cut]] < starts]] = True
    if examples.y.ndim == 4:
        train &= ~np.isin(examples.labels, examples.labels[aside])
    return train, aside


def folds(groups: NDArray[np.str_], split: SplitSection, seed: int) -> Iterator[tuple[list[str], Mask]]:
    """Name of the groups of each fold, and the mask of the items in it.

    Raises
    ------
    ConfigError
        When there are fewer groups than folds.
    """
    names = list(dict.fromkeys(groups.tolist()))
    n_folds = len(names) if split.cv == "leave-one-group-out" else split.folds
    if len(names) < max(n_folds, 2):
        raise ConfigError(f"split.cv: {max(n_folds, 2)} folds by group need as many groups, there are {len(names)}")
    order = np.arange(len(names)) if n_folds == len(names) else np.random.default_rng(seed).permutation(len(names))
    for fold in range(n_folds):
        chosen = [names[k] for k in order[fold::n_folds]]
        yield chosen, np.isin(groups, chosen)
