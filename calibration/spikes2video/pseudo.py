"""Pseudo-trials: sites that were not recorded together, put together condition by condition.

Real trials are split first, and pseudo-trials are made of one part at a time (`material_of`): what a site did in one
trial is on one side of a split only. Made the other way round, the same spikes would be trained on and tested with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.material import PUBLISHED_SITES, Material, Rows, Trials
from streamkit.errors import BadInput, ConfigError

SHARES: Mapping[str, float] = {"train": 0.7, "validation": 0.1, "test": 0.2}
"""As in the authors' code."""
VALIDATION = 1 / 8
"""Share of a fold's training trials that picks the epoch."""


def split(trials: Trials, shares: Mapping[str, float] = SHARES, seed: int = 1233) -> dict[str, Trials]:
    """Deal the trials of every condition into parts; all sites of a trial stay together.

    Raises
    ------
    ConfigError
        When the shares are not of one whole.
    """
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ConfigError(f"shares {dict(shares)} were given, expected numbers from 0 that add up to 1")
    rng, edges = np.random.default_rng(seed), np.cumsum([0.0, *shares.values()])
    rows: dict[str, list[Rows]] = {name: [] for name in shares}
    for _, members in trials.rows_of_conditions():
        members = rng.permutation(members)
        cuts = np.round(edges * len(members)).astype(int)
        for name, first, stop in zip(shares, cuts, cuts[1:], strict=False):
            rows[name].append(members[first:stop])
    return {name: trials[np.sort(np.concatenate(parts))] for name, parts in rows.items()}


def folds(trials: Trials, n_folds: int = 5, seed: int = 1233) -> Iterator[dict[str, Trials]]:
    """Cross-validation within conditions: each trial is tested once, an eighth of the others picks the epoch.

    Raises
    ------
    ConfigError
        When a condition has fewer trials than there are folds.
    """
    fewest = min(len(rows) for _, rows in trials.rows_of_conditions())
    if not 2 <= n_folds <= fewest:
        raise ConfigError(f"{n_folds} folds were asked for, expected 2 to {fewest}: a condition has so many trials")
    dealt = list(split(trials, {str(k): 1 / n_folds for k in range(n_folds)}, seed).values())
    for k, test in enumerate(dealt):
        others = joined([part for j, part in enumerate(dealt) if j != k])
        parts = split(others, {"train": 1 - VALIDATION, "validation": VALIDATION}, seed + 1)
        yield {**parts, "test": test}


def joined(parts: Sequence[Trials]) -> Trials:
    """Trials of the same sites and clips, one part after the other."""
    first = parts[0]
    rows = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "condition", "shown")}
    named = all(len(part.session) == len(part) for part in parts)
    session = np.concatenate([part.session for part in parts]) if named else np.empty(0, np.str_)
    return replace(first, **rows, session=session)


def pseudo_trials(sessions: Sequence[Trials], n: int, seed: int = 1233, together: bool = False) -> Trials:
    """Pseudo-trials of all sites of some sessions.

    Parameters
    ----------
    sessions
        Each with sites of its own, and the same clips and conditions; one part of a split.
    n
        Pseudo-trials of each condition. Of a site no trial is used twice before all have been.
    together
        Keep the sites of a session in the trial they were recorded in; otherwise each site's trials are drawn by
        themselves, which also undoes what sites of one session share from trial to trial.

    Raises
    ------
    BadInput
        When a session has no trial of a condition that another has.
    """
    rng, first = np.random.default_rng(seed), sessions[0]
    numbers = np.unique(np.concatenate([trials.condition for trials in sessions]))
    X, shown = [], []
    for number in numbers:
        members = [np.flatnonzero(trials.condition == number) for trials in sessions]
        if not all(len(rows) for rows in members):
            raise BadInput(
                f"condition {number} has no trial in one of the {len(sessions)} sessions: leave that session or that "
                "condition out, or split into larger parts"
            )
        X.append(_put_together(sessions, members, n, rng, together))
        seen = np.concatenate([trials.shown[rows] for trials, rows in zip(sessions, members, strict=True)])
        shown.append(rng.choice(np.unique(seen), n))
    region = np.concatenate([trials.region for trials in sessions])
    condition = np.repeat(numbers, n).astype(np.intp)
    return replace(
        first,
        X=np.concatenate(X),
        condition=condition,
        shown=np.concatenate(shown).astype(np.intp),
        region=region,
        session=np.empty(0, np.str_),
    )


def _put_together(
    sessions: Sequence[Trials], members: Sequence[Rows], n: int, rng: np.random.Generator, together: bool
) -> NDArray[np.float32]:
    """Counts ``(n, n_bins, n_sites)`` of one condition."""
    columns = []
    for trials, rows in zip(sessions, members, strict=True):
        n_sites = trials.size[1]
        chosen = np.stack([drawn(rows, n, rng) for _ in range(1 if together else n_sites)], axis=1)
        at = np.broadcast_to(chosen, (n, n_sites))[:, None]  # (n, 1, n_sites)
        bins = np.arange(trials.size[0])[None, :, None]
        columns.append(trials.X[at, bins, np.arange(n_sites)[None, None]])
    return np.concatenate(columns, axis=2)


def drawn(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Draw `n` of them, none twice before all have been drawn."""
    turns = [rng.permutation(rows) for _ in range(-(-n // len(rows)))]
    return np.concatenate(turns)[:n]


def chosen_sites(region: NDArray[np.str_], wanted: Mapping[str, int] = PUBLISHED_SITES, seed: int = 1233) -> Rows:
    """Sites drawn from a larger population, region after region in the order of `wanted`.

    Raises
    ------
    BadInput
        When a region has fewer sites than are wanted.
    """
    rng, chosen = np.random.default_rng(seed), []
    for name, count in wanted.items():
        sites = np.flatnonzero(region == name)
        if len(sites) < count:
            raise BadInput(f"{count} sites of {name} are wanted, and there are {len(sites)}: ask for fewer")
        chosen.append(np.sort(rng.choice(sites, count, replace=False)))
    return np.concatenate(chosen)


def material_of(
    parts: Mapping[str, Sequence[Trials]],
    n: Mapping[str, int],
    name: str,
    simulated: bool,
    seed: int = 1233,
    together: bool = False,
) -> Material:
    """Pseudo-trials of every part of a split, each made of that part's trials alone.

    Parameters
    ----------
    parts
        By ``"train"``, ``"validation"`` and ``"test"``: that part of every session, as `split` gives it.
    n
        Pseudo-trials of each condition, by part.
    """
    made = {
        part: pseudo_trials(parts[part], n[part], seed + k, together)
        for k, part in enumerate(("train", "validation", "test"))
    }
    return Material(**made, name=name, simulated=simulated)
