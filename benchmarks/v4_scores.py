"""Scores of predicted responses and decoded pictures of macaque V4: session by session, one list of distractors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.v4_data import DRAWS, SESSIONS, Array, Data, edges, mean_r, within
from calibration.metrics import correlations
from calibration.mouse_v1.scores import ssim_losses, stretched
from calibration.tables.plots import sheet as drawn_sheet
from calibration.tables.table import Table

N_SHEET = 24
ENCODER, WIDE, GABOR, RIDGE = "V1 encoder", "V1 encoder, 56 x 56 colour", "Gabor ridge", "ridge"
LINEAR = "V1 encoder, linear readout"
GREY_GABOR = "Gabor ridge, 28 x 28 grey"


def pixel_r(made: Array, shown: Array) -> float:
    """Mean correlation of pixels of pictures in pairs."""
    if not np.isfinite(made).all():
        return -1.0
    return float(np.diag(correlations(made, shown)).mean())


def wins(near: Array, own: Array, others: NDArray[np.intp]) -> Array:
    """``(n,)`` whether each is most like its own picture; ties are shared.

    Parameters
    ----------
    near
        ``(n, m)`` likeness of each to all pictures.
    own, others
        Columns of its own picture, and of those it is told from, -1 for none.
    """
    found = np.empty(len(near))
    for k, line in enumerate(near):
        rivals = line[others[k][others[k] >= 0]]
        mine = line[own[k]]
        found[k] = 0.0 if (rivals > mine).any() else 1 / (1 + (rivals == mine).sum())
    return found


def scores(data: Data, said: Mapping[str, Array], lists: NDArray[np.intp]) -> dict[str, Any]:
    """Every session: all methods, intervals over clusters of pictures, paired differences from ridge."""
    rng, found = np.random.default_rng(0), dict[str, Any]()
    for k, session in enumerate(SESSIONS):
        rows = np.flatnonzero((data.session == k) & np.isfinite(said[f"decode/{RIDGE}"]).all((1, 2, 3)))
        units = np.flatnonzero(data.unit_session == k)
        if not len(rows):
            continue
        column = {int(row): at for at, row in enumerate(rows)}
        others = np.array([[column.get(int(row), -1) for row in line] for line in lists[rows]])
        draws = drawn_clusters(data.cluster[rows], rng)
        own = np.arange(len(rows))
        found[session] = {
            "images": len(rows),
            "units": len(units),
            "clusters": len(np.unique(data.cluster[rows])),
            "distractors": [int((others >= 0).sum(1).min()), int((others >= 0).sum(1).max())],
            "encode": encoded(data, said, rows, units, others, own, draws),
            "decode": {
                name.partition("/")[2]: of_pictures(
                    values[rows], data.grey[rows], others, own, draws, said[f"decode/{RIDGE}"][rows], rng
                )
                for name, values in said.items()
                if name.startswith("decode/")
            },
        }
    return found


def drawn_clusters(cluster: NDArray[np.intp], rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Draws of whole clusters, as rows."""
    members = [np.flatnonzero(cluster == one) for one in np.unique(cluster)]
    return [np.concatenate([members[m] for m in rng.integers(len(members), size=len(members))]) for _ in range(DRAWS)]


def encoded(
    data: Data,
    said: Mapping[str, Array],
    rows: NDArray[np.intp],
    units: NDArray[np.intp],
    others: NDArray[np.intp],
    own: NDArray[np.intp],
    draws: list[NDArray[np.intp]],
) -> dict[str, Any]:
    """Mean correlation over units and folds, and identification of the picture by predicted responses."""
    Y, fold_of = data.Y[np.ix_(rows, units)], data.fold[rows]
    each = {name.partition("/")[2]: v[np.ix_(rows, units)] for name, v in said.items() if name.startswith("encode/")}
    r = {name: [mean_r(Y[draw], values[draw], fold_of[draw]) for draw in draws] for name, values in each.items()}
    found = {}
    for name, values in each.items():
        scale = np.maximum(Y.std(0), 1e-6)
        won = wins(correlations((Y - Y.mean(0)) / scale, (values - Y.mean(0)) / scale), own, others)
        found[name] = {
            "r": {"value": mean_r(Y, values, fold_of), "ci95": edges(r[name])},
            "r_minus_gabor": {
                "value": mean_r(Y, values, fold_of) - mean_r(Y, each[GABOR], fold_of),
                "ci95": edges(np.subtract(r[name], r[GABOR])),
            },
            "identification": {"value": float(won.mean()), "ci95": edges([won[draw].mean() for draw in draws])},
        }
    permuted = [mean_r(Y, each[ENCODER][within(fold_of, np.random.default_rng(k))], fold_of) for k in range(20)]
    return {"methods": found, "chance_r": float(np.mean(permuted)), "chance_identification": 1 / (1 + others.shape[1])}


def of_pictures(
    made: Array,
    shown: Array,
    others: NDArray[np.intp],
    own: NDArray[np.intp],
    draws: list[NDArray[np.intp]],
    by_ridge: Array,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Pixel correlation, identification, squared error and SSIM loss of one method's pictures."""
    near = correlations(made, shown)
    each = {"pixel r": np.diag(near), "identification": wins(near, own, others)}
    each["MSE"] = ((stretched(made) - stretched(shown)) ** 2).mean((1, 2, 3))
    each["SSIM loss"] = ssim_losses(made, shown)
    found: dict[str, Any] = {
        name: {"value": float(v.mean()), "ci95": edges([v[draw].mean() for draw in draws])} for name, v in each.items()
    }
    found["pixel r"]["chance"] = float(np.mean([near[rng.permutation(own), own].mean() for _ in range(20)]))
    found["identification"]["chance"] = 1 / (1 + others.shape[1])
    less = np.diag(near) - np.diag(correlations(by_ridge, shown))
    found["pixel r minus ridge"] = {"value": float(less.mean()), "ci95": edges([less[draw].mean() for draw in draws])}
    return found


def sheet(data: Data, said: Mapping[str, Array], file: Path) -> None:
    """The contact sheet: 24 held-out pictures of all sessions as shown, and as every method has them."""
    known = np.flatnonzero(np.isfinite(said[f"decode/{RIDGE}"]).all((1, 2, 3)))
    rows = known[np.linspace(0, len(known) - 1, min(N_SHEET, len(known))).round().astype(int)]
    arrays = {"shown": stretched(data.grey[rows])[:, 0]}
    arrays |= {
        name.partition("/")[2]: stretched(values[rows])[:, 0]
        for name, values in said.items()
        if name.startswith("decode/")
    }
    drawn_sheet(Table([], arrays)).savefig(file, dpi=110)
