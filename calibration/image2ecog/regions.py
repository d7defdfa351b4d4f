"""Regions: electrodes of all subjects by label, with tests, corrected over regions; thin regions are left out, by name.

The paper prints a p value per region and does not name the test. Here are two, which ask different things:

``p_t``
    Is the correlation above 0? A t test over electrodes of Fisher's z. Most of an evoked response is common to all
    images, so it is far above 0 where nothing is known of the image. Electrodes of one subject are not independent, so
    it is too small, too.
``p``
    Does the prediction know the image? What the split deals is permuted within each subject: whole things with their
    views, or images, where trials are split. Subjects who were shown the same share their permutations, as what a
    prediction has of a thing without knowing any response, the predictions for all of them may have. With several folds
    it is twice the mean of the folds' p values, which holds however they depend on each other (Rüschendorf 1982, Ann
    Probab 10:593): what one fold tests, the others were trained on, so their scores vary together and permuting their
    sum would not.

Both are corrected after Benjamini and Hochberg over the regions of the table (``q_t``, ``q``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import false_discovery_control, ttest_1samp

from calibration.image2ecog.things import alongside
from calibration.metrics import Draws
from calibration.sections import Section
from calibration.tables.items import Row, number
from calibration.tables.table import not_run

Array = NDArray[np.floating]


class Thin(Section):
    """Regions with fewer electrodes or subjects are left out of the table."""

    electrodes: int = Field(5, ge=1)
    subjects: int = Field(3, ge=1)


@dataclass(frozen=True)
class ChannelScores:
    """One metric of one subject's channels.

    Attributes
    ----------
    region
        Label of each; empty where unknown.
    value
        ``(n_chans,)``; NaN for channels that were left out.
    null
        ``(n_permutations, n_chans)`` the same with what the subject was shown permuted.
    by_fold
        Both for each fold, where there are several.
    chance
        ``(n_chans,)`` what predictions for other things get; None: the mean over permutations.
    permuted
        ``"things"`` or ``"images"``.
    """

    subject: str
    region: tuple[str, ...]
    value: Array
    null: Array
    by_fold: tuple[tuple[Array, Array], ...] = ()
    chance: Array | None = None
    permuted: str = "images"

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which channels have a value and a region."""
        return np.isfinite(self.value) & np.array([bool(label) for label in self.region])

    @property
    def folds(self) -> tuple[tuple[Array, Array], ...]:
        """Value and null of each fold."""
        return self.by_fold or ((self.value, self.null),)

    def guessed(self, at: NDArray[np.intp]) -> Array:
        """Chance of some channels."""
        return self.null[:, at].mean(0) if self.chance is None else self.chance[at]

    def within(self, label: str) -> NDArray[np.intp]:
        """Channels of a region that have a value."""
        return np.flatnonzero(self.scored & (np.array(self.region) == label))


def labels_of(subjects: Sequence[ChannelScores]) -> list[str]:
    """All regions with an electrode that was scored, in alphabetical order."""
    return sorted({label for each in subjects for label, kept in zip(each.region, each.scored, strict=True) if kept})


def region_table(
    name: str,
    subjects: Sequence[ChannelScores],
    draws: Draws,
    thin: Thin | None = None,
    lower: bool = False,
    correlation: bool = True,
    **further: object,
) -> list[Row]:
    """One line per region: mean over its electrodes, with both tests; one that says why for each that is too thin.

    The interval draws subjects with replacement.

    Parameters
    ----------
    lower
        Whether less is better, as of an error.
    correlation
        Whether it is one: only those have a t test of Fisher's z.
    """
    thin = thin or Thin()
    rows, left_out = [], []
    for label in labels_of(subjects):
        own = [(each, each.within(label)) for each in subjects]
        own = [(each, at) for each, at in own if len(at)]
        n = sum(len(at) for _, at in own)
        if n < thin.electrodes or len(own) < thin.subjects:
            why = f"{n} electrodes in {len(own)} subjects; the table wants {thin.electrodes} in {thin.subjects}"
            left_out.append(not_run(label, name, why) | {"excluded": True, **further})
        else:
            rows.append(region_row(label, name, own, draws, lower, correlation) | further)
    return corrected(rows) + left_out


def region_row(
    label: str,
    name: str,
    own: Sequence[tuple[ChannelScores, NDArray[np.intp]]],
    draws: Draws,
    lower: bool = False,
    correlation: bool = True,
) -> Row:
    """One region: mean over electrodes, interval over subjects, both tests."""
    values = [each.value[at] for each, at in own]
    flat = np.concatenate(values)
    null, permuted = mean_null(own), own[0][0].permuted
    low, high = _over_subjects(values, draws)
    return {
        "row": label,
        "metric": name,
        "value": float(flat.mean()),
        "chance": mean_chance(own),
        "chance95": [float(edge) for edge in np.percentile(null, (2.5, 97.5))] if len(null) else None,
        "ci95": [low, high],
        "p": permutation_p(own, lower),
        "p_t": fisher_t(flat) if correlation else None,
        "n": len(flat),
        "subjects": len(own),
        "better": "lower" if lower else "higher",
        "note": f"mean over {len(flat)} electrodes of {len(own)} subjects; interval: bootstrap over subjects; "
        f"p: {len(null)} permutations of {permuted} within each subject; p_t: t test of Fisher's z against 0",
    }


def mean_chance(own: Sequence[tuple[ChannelScores, NDArray[np.intp]]]) -> float | None:
    """Mean over electrodes of what a prediction gets that knows nothing of the image; None where it is not known."""
    return number(float(np.concatenate([each.guessed(at) for each, at in own]).mean()))


def mean_null(own: Sequence[tuple[ChannelScores, NDArray[np.intp]]]) -> Array:
    """Mean over electrodes of every permutation, ``(n_permutations,)``."""
    return np.concatenate(alongside([each.null[:, at] for each, at in own]), axis=1).mean(1)


def permutation_p(own: Sequence[tuple[ChannelScores, NDArray[np.intp]]], lower: bool = False) -> float | None:
    """How often the mean over electrodes is as good when permuted; of several folds, twice their mean p."""
    found = []
    for parts in zip(*(each.folds for each, _ in own), strict=True):
        value = np.concatenate([value[at] for (value, _), (_, at) in zip(parts, own, strict=True)])
        nulls = alongside([null[:, at] for (_, null), (_, at) in zip(parts, own, strict=True)])
        null = np.concatenate(nulls, axis=1)
        kept = np.isfinite(value)
        if kept.any() and len(null):
            mean, means = value[kept].mean(), null[:, kept].mean(1)
            as_good = means <= mean + 1e-12 if lower else means >= mean - 1e-12
            found.append((1 + as_good.sum()) / (1 + len(null)))
    if not found:
        return None
    return float(found[0] if len(found) == 1 else min(1.0, 2 * np.mean(found)))


def fisher_t(r: Array) -> float | None:
    """One-sample, two-sided t test of Fisher's z over electrodes against 0; None with fewer than three."""
    r = r[np.isfinite(r)]
    if len(r) < 3:
        return None
    return number(float(ttest_1samp(np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9)), 0).pvalue))


def corrected(rows: Sequence[Row]) -> list[Row]:
    """The same lines with both p values corrected after Benjamini and Hochberg, which the notes say, too."""
    made = [dict(row) for row in rows]
    for key, wanted in (("p", "q"), ("p_t", "q_t")):
        known = [row for row in made if row.get(key) is not None]
        if known:
            for row, q in zip(known, false_discovery_control([row[key] for row in known]), strict=True):
                row[wanted] = float(q)
                row["note"] += f"; {wanted} = {q:.2g} of {len(known)} regions"
    return made


def subject_by_region(subjects: Sequence[ChannelScores]) -> tuple[Array, list[str], list[str]]:
    """Mean over electrodes, ``(n_subjects, n_regions)``, NaN where a subject has none; names of rows and columns."""
    labels = labels_of(subjects)
    table = np.full((len(subjects), len(labels)), np.nan)
    for row, each in enumerate(subjects):
        for column, label in enumerate(labels):
            if len(at := each.within(label)):
                table[row, column] = each.value[at].mean()
    return table, [each.subject for each in subjects], labels


def carry_signal(rows: Sequence[Row], alpha: float = 0.05) -> Mapping[str, bool]:
    """Which regions' predictions know the image, by the corrected permutation test."""
    return {row["row"]: row["q"] < alpha for row in rows if row.get("q") is not None}


def _over_subjects(values: Sequence[Array], draws: Draws) -> tuple[float, float]:
    rng = np.random.default_rng(draws.seed)
    sums, sizes = np.array([each.sum() for each in values]), np.array([len(each) for each in values])
    drawn = rng.integers(len(values), size=(draws.bootstrap, len(values)))
    low, high = np.percentile(sums[drawn].sum(1) / sizes[drawn].sum(1), (2.5, 97.5))
    return float(low), float(high)
