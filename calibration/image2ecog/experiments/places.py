"""Experiments on where responses are predicted: subjects by regions, the cortex, channels by signal to noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from calibration.image2ecog.channels import bad_channels, snr
from calibration.image2ecog.material import Material
from calibration.image2ecog.plan import Plan
from calibration.image2ecog.regions import ChannelScores, fisher_t, mean_chance, permutation_p, subject_by_region
from calibration.image2ecog.scores import R
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.split import split
from calibration.image2ecog.subjects import SubjectScores, over, scores_of
from calibration.image2ecog.trained import Trained
from calibration.metrics import Draws, means_of_drawn
from calibration.tables.items import Row
from calibration.tables.table import Table, not_run

Array = NDArray[np.floating]


def subjects(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Mean correlation of each subject's electrodes in each region, and of all of them."""
    found = scores_of(trained, settings, seeds, plan)
    channels = [each.channels[R] for each in found.values()]
    table, names, labels = subject_by_region(channels)
    rows = []
    for each in channels:
        parts = {"all": np.flatnonzero(each.scored)} | {label: each.within(label) for label in labels}
        rows += [
            line_of(f"{each.subject}, {label}", [(each, at)], plan.draws) for label, at in parts.items() if len(at)
        ]
    return Table(rows, {"matrix": table, "subjects": np.array(names, np.str_), "regions": np.array(labels, np.str_)})


def line_of(label: str, own: Sequence[tuple[ChannelScores, NDArray[np.intp]]], draws: Draws) -> Row:
    """Mean over electrodes, its interval over them, and what predictions for other things get."""
    r = np.concatenate([each.value[at] for each, at in own])
    low, high = np.percentile(means_of_drawn(r, draws, np.random.default_rng(draws.seed)), (2.5, 97.5))
    return {
        "row": label,
        "metric": R,
        "value": float(r.mean()),
        "chance": mean_chance(own),
        "ci95": [float(low), float(high)],
        "p": permutation_p(own),
        "p_t": fisher_t(r),
        "n": len(r),
        "note": f"mean over {len(r)} electrodes; interval: bootstrap over electrodes; "
        f"p: permutations of {own[0][0].permuted}",
    }


def cortex(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Correlation of every electrode whose position is known, beside what predictions for other things get."""
    found = scores_of(trained, settings, seeds, plan)
    known = {subject: np.isfinite(each.electrodes.position).all(1) for subject, each in trained.subjects.items()}
    if not any(mask.any() for mask in known.values()):
        return Table([not_run("electrodes", R, "nobody said where the electrodes are")])
    own, position = [], []
    for subject, mask in known.items():
        each = found[subject].channels[R]
        at = np.flatnonzero(mask & np.isfinite(each.value))
        own.append((each, at))
        position.append(trained.subjects[subject].electrodes.position[at])
    r = np.concatenate([each.value[at] for each, at in own])
    above = np.concatenate([each.value[at] - each.guessed(at) for each, at in own])
    arrays = {"position": np.concatenate(position), "r": r, "r above chance": above}
    return Table([line_of("electrodes with a position", own, plan.draws)], arrays)


def channels(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Channels left out, and whether those of a high signal to noise on training trials are predicted better."""
    found = scores_of(trained, settings, seeds, plan)
    ranked = {subject: ranking(trained.subjects[subject], settings.but(fold=plan.folds[0])) for subject in found}
    rows = [left_out(trained.subjects, ranked), rank_agreement(found, ranked, plan)]
    for share in plan.shares:
        values = {subject: best(found[subject], ranked[subject], share) for subject in found}
        chances = {subject: best(found[subject], ranked[subject], share, chance=True) for subject in found}
        rows.append(over(f"best {share:.0%}", R, values, chances, plan.draws, share=share))
    each = [np.stack([ranked[s], found[s].channels[R].value]) for s in found]
    return Table(rows, {"snr and r": np.concatenate(each, axis=1)})


def ranking(material: Material, settings: Image2EcogSettings) -> Array:
    """Signal to noise of each channel on the training trials; NaN for bad ones."""
    rows = split(material, settings).train
    Y = material.Y[rows]
    return np.where(bad_channels(Y, settings.bad_sd), np.nan, snr(Y, material.image[rows]))


def left_out(subjects: Mapping[str, Material], ranked: Mapping[str, Array]) -> Row:
    """How many channels the rule leaves out, and which."""
    names = [
        f"{subject} {material.electrodes.ch_names[k]}"
        for subject, material in subjects.items()
        for k in np.flatnonzero(np.isnan(ranked[subject]))
    ]
    n = sum(len(each) for each in ranked.values())
    note = f"variance over training trials beyond the rule: {', '.join(names) or 'none'}"
    line = {"row": "bad channels", "metric": "left out", "value": float(len(names)), "chance": None}
    return line | {"ci95": [None, None], "p": None, "n": n, "note": note}


def rank_agreement(found: Mapping[str, SubjectScores], ranked: Mapping[str, Array], plan: Plan) -> Row:
    """Spearman's correlation over channels of signal to noise with r, averaged over subjects."""
    values = {}
    for subject, each in found.items():
        both = np.isfinite(ranked[subject]) & np.isfinite(each.channels[R].value)
        values[subject] = float(spearmanr(ranked[subject][both], each.channels[R].value[both]).statistic)
    return over("signal to noise ~ r", "rank correlation", values, dict.fromkeys(values, 0.0), plan.draws)


def best(found: SubjectScores, ranked: Array, share: float, chance: bool = False) -> float:
    """Mean correlation of the best channels by signal to noise, or their chance."""
    scores = found.channels[R]
    usable = np.flatnonzero(np.isfinite(ranked) & np.isfinite(scores.value))
    kept = usable[np.argsort(-ranked[usable], kind="stable")][: max(1, round(share * len(usable)))]
    return float((scores.guessed(kept) if chance else scores.value[kept]).mean())
