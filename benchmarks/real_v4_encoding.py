"""Macaque V4 from pictures: image to ECoG's network with its scalar head, beside ridge regression on Gabor energies.

python -m benchmarks.real_v4_encoding FOLDER/v4_cowley

Every unit's repeat-averaged count is predicted from the picture. All four sessions are learnt together: one backbone,
one output per unit, and a loss over the units that saw the picture. Pictures of all sessions are clustered, near-twins
together, and whole clusters dealt into five folds: no picture that is tested in any session, and none like it, is
trained on in another. Within the training pictures one more fold picks the epoch, and which of two backbones is used:
the convolutions, trained with the rest, or the weight-free Gabor pyramid, on which the regressor alone is trained. The
ridge regression sees the same pyramid and the same folds, session by session; its penalty is picked by leave-one-out.
Writes one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from apps.bench.machine import machine
from benchmarks.entry import entry
from benchmarks.v4_data import (
    DRAWS,
    SESSIONS,
    SIZE,
    Array,
    Data,
    edges,
    folds_of,
    mean_r,
    read,
    ridge,
    scaled,
    within,
)
from calibration.metrics import pearson
from calibration.training.loop import fit
from calibration.training.settings import LoopSettings
from models.image2ecog import Image2Ecog, Regressor

SHIFT = 3
NETWORK = {"size": SIZE, "conv": (16, 32, 64), "pool": 7, "hidden": (256, 128), "dropout": 0.3}
LOOPS = {
    "convolutions": LoopSettings(
        epochs=16, batch_size=32, lr=1e-3, weight_decay=1e-3, patience=8, schedule="cosine", warm_up=0.1
    ),
    "pyramid": LoopSettings(
        epochs=60, batch_size=32, lr=5e-4, weight_decay=1e-2, patience=10, schedule="cosine", warm_up=0.1
    ),
}
LAMBDA = 0.7
logger = logging.getLogger("benchmarks.real_v4_encoding")


class Shaken(torch.nn.Module):
    """The network; while it is trained pictures are shifted by up to `SHIFT` pixels, edges repeated."""

    def __init__(self, n_units: int):
        super().__init__()
        self.network = Image2Ecog((n_units,), **NETWORK)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            top, left = (int(k) for k in torch.randint(0, 2 * SHIFT + 1, (2,)))
            padded = torch.nn.functional.pad(images, (SHIFT,) * 4, mode="replicate")
            images = padded[:, :, top : top + SIZE, left : left + SIZE]
        return self.network.standardised(images)


def loss_of(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The composite loss over the units that saw each picture; the correlation is along the batch, unit by unit."""
    said, known = module(batch["x"]), batch["known"]
    difference = torch.where(known, said - batch["y"], 0)
    mse = difference.square().sum() / known.sum()
    n = known.sum(0).clamp(min=1)
    a, b = (torch.where(known, v - torch.where(known, v, 0).sum(0) / n, 0) for v in (said, batch["y"]))
    r = (a * b).sum(0) / ((a.square().sum(0) * b.square().sum(0) + 1e-12).sqrt() + 1e-8)
    enough = known.sum(0) > 2
    corr = (1 - r[enough]).mean() if enough.any() else said.sum() * 0
    return {"loss": LAMBDA * mse + corr, "mse": mse, "corr": corr}


def learnt(backbone: str, data: Data, train: Array, aside: Array, seed: int) -> Array:
    """Standardised predictions for every picture, ``(n, n_units)``, by a network trained on `train`."""
    n_units = data.Y.shape[1]
    mean, std = np.nanmean(data.Y[train], axis=0), np.nanstd(data.Y[train], axis=0)
    standard = (data.Y - mean) / np.where(std > 0, std, 1)
    x = data.images if backbone == "convolutions" else scaled(data.pyramid, train)
    columns = {"x": x.astype(np.float32), "y": np.nan_to_num(standard).astype(np.float32), "known": np.isfinite(data.Y)}
    torch.manual_seed(seed)
    module = Shaken(n_units) if backbone == "convolutions" else Regressor(x.shape[1], (n_units,), (256, 128), 0.5)
    settings = LOOPS[backbone].model_copy(update={"seed": seed})
    history = fit(
        module,
        loss_of,
        {name: each[train] for name, each in columns.items()},
        settings,
        validation={name: each[aside] for name, each in columns.items()},
    )
    logger.info("%s, seed %d: %d epochs, %.0f s", backbone, seed, len(history.train), history.seconds)
    with torch.no_grad():
        parts = [module.eval()(torch.from_numpy(columns["x"][k : k + 128])).numpy() for k in range(0, len(x), 128)]
    return np.concatenate(parts)


def by_unit(said: Array, data: Data, rows: Array) -> Array:
    """Correlation of each unit over the pictures of its session among `rows`."""
    found = []
    for unit, session in enumerate(data.unit_session):
        own = rows[data.session[rows] == session]
        found.append(pearson(said[own, unit], data.Y[own, unit]))
    return np.array(found)


def predictions(data: Data, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Predictions of every picture by networks that were not trained on it; the ridge's beside them."""
    shape = data.Y.shape
    said = {name: np.full(shape, np.nan) for name in ("chosen", *LOOPS, "Gabor ridge")}
    chosen = []
    for train, aside, test in folds_of(data):
        found = {name: np.mean([learnt(name, data, train, aside, seed) for seed in seeds], axis=0) for name in LOOPS}
        inner = {name: float(np.nanmean(by_unit(each, data, aside))) for name, each in found.items()}
        best = max(inner, key=lambda name: inner[name])
        chosen.append({"chosen": best, "inner": inner})
        for name, each in found.items():
            said[name][test] = each[test]
        said["chosen"][test] = found[best][test]
        said["Gabor ridge"][test] = ridge(data, np.concatenate([train, aside]), test)
    return {"said": said, "folds": chosen}


def report(data: Data, said: Mapping[str, Array]) -> dict[str, Any]:
    """Mean correlation over units of each session, fold by fold; intervals draw clusters of pictures."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for k, name in enumerate(SESSIONS):
        rows, units = np.flatnonzero(data.session == k), np.flatnonzero(data.unit_session == k)
        members = [np.flatnonzero(data.cluster[rows] == one) for one in np.unique(data.cluster[rows])]
        Y, fold = data.Y[np.ix_(rows, units)], data.fold[rows]
        each = {who: values[np.ix_(rows, units)] for who, values in said.items()}
        value = {who: mean_r(Y, values, fold) for who, values in each.items()}
        boot: dict[str, list[float]] = {who: [] for who in each}
        for _ in range(DRAWS):
            drawn = np.concatenate([members[m] for m in rng.integers(len(members), size=len(members))])
            for who, values in each.items():
                boot[who].append(mean_r(Y[drawn], values[drawn], fold[drawn]))
        shuffled = [mean_r(Y, each["chosen"][within(fold, rng)], fold) for _ in range(DRAWS)]
        found[name] = {
            "units": len(units),
            "images": len(rows),
            "clusters": len(members),
            "r": {who: {"value": value[who], "ci95": edges(boot[who])} for who in each},
            "chosen_minus_ridge": {
                "value": value["chosen"] - value["Gabor ridge"],
                "ci95": edges(np.subtract(boot["chosen"], boot["Gabor ridge"])),
            },
            "chance": float(np.mean(shuffled)),
            "chance95": edges(shuffled),
        }
    return found


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seeds", type=int, default=1, help="networks whose predictions are averaged (1)")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    begin = time.monotonic()
    data = read(given.path)
    found = predictions(data, tuple(range(given.seeds)))
    facts = {
        "machine": machine(),
        "seconds": time.monotonic() - begin,
        "seeds": given.seeds,
        "note": "r: mean over units and five folds of pictures, repeat-averaged counts; interval: bootstrap over "
        "clusters of pictures; chance: pictures permuted within folds",
        "network": {key: list(value) if isinstance(value, tuple) else value for key, value in NETWORK.items()},
        "sessions": report(data, found["said"]),
        "folds": found["folds"],
    }
    json.dump(facts, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    entry(main)
