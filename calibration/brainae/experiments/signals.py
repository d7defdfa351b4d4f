"""Experiments on the predicted signals themselves: representations, spectra, connections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.analyses.agreement import agreement
from calibration.analyses.connectivity import channel_correlation, phase_lag_index
from calibration.analyses.rsa import contrast, dissimilarity
from calibration.analyses.spectra import BANDS, band_power, resolved, spectrum
from calibration.brainae.plan import Plan
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.trained import Trained
from calibration.metrics import Draws
from calibration.tables.items import Items, Row, as_row, mean, row
from calibration.tables.table import Table, not_run

Array = NDArray[np.floating]
RECORDED, PREDICTED, EMBEDDING, FEATURES = "recorded", "predicted", "embedding", "image features"


def rsa(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Whether images that are alike to the brain are alike to the model, and categories apart.

    Dissimilarities are averaged over seeds.
    """
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    found = {
        RECORDED: dissimilarity(test.X),
        PREDICTED: np.mean([dissimilarity(fitted.predict(test.features)) for fitted in models], axis=0),
        EMBEDDING: np.mean([dissimilarity(fitted.embed(test.X)) for fitted in models], axis=0),
        FEATURES: np.mean([dissimilarity(fitted.project(test.features)) for fitted in models], axis=0),
    }
    pairs = ((PREDICTED, RECORDED), (EMBEDDING, FEATURES), (PREDICTED, FEATURES), (RECORDED, FEATURES))
    rows = [
        as_row(f"{a} ~ {b}", agreement("RDM agreement", found[a], found[b], plan.draws, ranks=True), seeds=len(models))
        for a, b in pairs
    ]
    names = [trained.material.categories.get(int(concept), "") for concept in test.concept]
    known = np.array([bool(name) for name in names])
    kept = [name for name in names if name]
    if len(set(kept)) < 2 or len(kept) == len(set(kept)):
        rows.append(not_run("categories", "between − within", "the material names no super-categories of its concepts"))
    else:
        for name, table in found.items():
            score = contrast("between − within", table[np.ix_(known, known)], kept, plan.draws)
            rows.append(as_row(name, score, seeds=len(models)))
    order = np.argsort(names, kind="stable")
    return Table(rows, {name: table[np.ix_(order, order)] for name, table in found.items()})


def spectra(trained: Trained, settings: BrainAESettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Band power, channel correlation and phase lags of predicted beside recorded responses."""
    models, test = trained.of(settings, seeds), trained.material.test.by_image()
    sfreq = trained.material.sfreq
    predicted = [fitted.predict(test.features) for fitted in models]
    rows = _bands(predicted, test.X, sfreq, plan.draws) + _unresolved(test.X.shape[2], sfreq)
    arrays = {}
    for name, coupling in (
        ("channel correlation", channel_correlation),
        ("phase lag index", lambda X: phase_lag_index(X, sfreq)),
    ):
        recorded, modelled = coupling(test.X), np.mean([coupling(each) for each in predicted], axis=0)
        score = agreement(f"{name}, agreement", modelled, recorded, plan.draws)
        rows.append(as_row("channels", score, seeds=len(models)))
        arrays |= {f"{name}, {RECORDED}": recorded, f"{name}, {PREDICTED}": modelled}
    freqs, density = spectrum(test.X, sfreq)
    modelled = np.mean([spectrum(each, sfreq)[1].mean((0, 1)) for each in predicted], axis=0)
    return Table(rows, arrays | {"freqs": freqs, RECORDED: density.mean((0, 1)), PREDICTED: modelled})


def _bands(predicted: Sequence[Array], recorded: Array, sfreq: float, draws: Draws) -> list[Row]:
    """Log ratio of the power in each band, and the correlation over channels of the two."""
    true = band_power(recorded, sfreq)
    powers = [band_power(each, sfreq) for each in predicted]
    rows = []
    for band in true:
        log_true = np.log10(np.maximum(true[band], TINY))
        logs = [np.log10(np.maximum(each[band], TINY)) for each in powers]
        rows.append(row(band, [_ratio(log, log_true) for log in logs], draws))
        rows.append(row(band, [_topography(log, log_true, draws) for log in logs], draws))
    return rows


TINY = 1e-30
"""Power of a constant signal, whose logarithm is none."""

RATIO = "log10 power, predicted / recorded"


def _ratio(predicted: Array, recorded: Array) -> Items:
    """Mean over channels of the log ratio, image by image."""
    note = "0 is as much power as recorded, −1 a tenth"
    return Items(RATIO, (predicted - recorded).mean(1), 0.0, np.empty(0), note=note)


def _topography(predicted: Array, recorded: Array, draws: Draws) -> Items:
    """Correlation over channels of log power, image by image; the null permutes channels."""
    rng = np.random.default_rng(draws.seed)
    a, b = (_rows_standardised(side) for side in (predicted, recorded))
    orders = [rng.permutation(a.shape[1]) for _ in range(draws.permutations)]
    null = np.array([mean(np.sum(a * b[:, order], axis=1)) for order in orders])
    return Items("band topography r", np.sum(a * b, axis=1), 0.0, null, note="over channels", permuted="channels")


def _rows_standardised(values: Array) -> Array:
    centred = values - values.mean(1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, norm, out=np.full_like(centred, np.nan), where=norm > 1e-9)


def _unresolved(n_times: int, sfreq: float) -> list[Row]:
    told = resolved(n_times, sfreq)
    return [
        not_run(band, RATIO, f"{n_times} samples at {sfreq:g} Hz cannot tell {low:g}-{high:g} Hz")
        for band, (low, high) in BANDS.items()
        if band not in told
    ]
