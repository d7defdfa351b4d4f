"""What the brain does at a picture, predicted from the picture: visual evoked responses of EEGLAB's sample recording.

python -m benchmarks.real_encoding FOLDER/eeglab_data.set

The stimulus is a square at one of two places; its features are the place. BrainAE's brain decoder is trained on the
single trials of four fifths of the recording (contiguous blocks, so that no neighbouring trial is on both sides) and
its prediction is correlated, channels x time, with the trial average of the fifth it never saw. Two nulls: the same
average around rotated onsets (is anything evoked predicted?), and the difference between the places with the places of
the held-out trials permuted (is anything of the place predicted?). Writes one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import loadmat

from apps.bench.machine import machine
from benchmarks.entry import entry
from calibration.metrics import pearson
from calibration.training.loop import fit
from calibration.training.settings import LoopSettings
from models.brainae_decoder import BrainDecoder, LinearDecoder
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.recording import read_recording

Array = NDArray[np.floating]
SEEDS, FOLDS, NULLS = (0, 1, 2, 3, 4), 5, 1000
N_TIMES, BASELINE = 64, 13
NOT_SCALP = ("EOG1", "EOG2")
CHAIN = {
    "stages": [
        {"kind": "rereference", "ref": "average"},
        {"kind": "bandpass", "low": 0.5, "high": 20.0, "order": 2},
    ]
}
DECODERS = {
    "BrainAE decoder": lambda n_chans: BrainDecoder(
        n_chans, N_TIMES, embedding=16, filters=16, kernel=9, pool=4, out_act="identity"
    ),
    "linear decoder": lambda n_chans: LinearDecoder(n_chans, N_TIMES, embedding=16),
}


def read(path: Path) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Processed samples ``(n_times, n_chans)``; sample and place (0 or 1) of every square."""
    recording = read_recording(path)
    signal = recording.signals[0]
    kept = [k for k, name in enumerate(signal.spec.ch_names) if name not in NOT_SCALP]
    spec = signal.spec.model_copy(update={"ch_names": tuple(signal.spec.ch_names[k] for k in kept)})
    preprocessor = Preprocessor(spec, PreprocessConfig.model_validate(CHAIN))
    whole = signal.whole()
    processed = preprocessor.process(type(whole)(whole.data[:, kept], whole.stamps))
    events = loadmat(path, squeeze_me=True, struct_as_record=False)
    table = events["EEG"].event if "EEG" in events else events["event"]
    squares = [event for event in table if event.type == "square"]
    places = np.unique([int(event.position) for event in squares])
    at = np.array([round(float(event.latency)) - 1 for event in squares])
    return processed.data, at, np.searchsorted(places, [int(event.position) for event in squares])


def epochs(data: Array, at: NDArray[np.intp]) -> Array:
    """``(n, n_chans, N_TIMES)`` from each onset on, less the mean of the tenth of a second before it."""
    cut = [data[k : k + N_TIMES] - data[k - BASELINE : k].mean(0) for k in at]
    return np.stack(cut).transpose(0, 2, 1).astype(np.float32)


class Encoder(torch.nn.Module):
    """Place, ``(B, 2)``, to epoch ``(B, n_chans, N_TIMES)``."""

    def __init__(self, decoder: torch.nn.Module):
        super().__init__()
        self.read_in, self.decoder = torch.nn.Linear(2, 16), decoder

    def forward(self, place: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.read_in(place))


def loss_of(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean squared error of single trials."""
    return {"loss": (module(batch["place"]) - batch["epoch"]).square().mean()}


def predicted(name: str, train: Array, place: NDArray[np.intp], seed: int) -> Array:
    """Epoch of either place, ``(2, n_chans, N_TIMES)``, by a decoder trained on single trials."""
    scale = train.std((0, 2), keepdims=True)
    torch.manual_seed(seed)
    module = Encoder(DECODERS[name](train.shape[1]))
    settings = LoopSettings(epochs=60, batch_size=16, lr=2e-3, weight_decay=0.0, seed=seed, keep="last")
    fit(module, loss_of, {"place": np.eye(2, dtype=np.float32)[place], "epoch": train / scale}, settings)
    with torch.no_grad():
        return np.asarray(module.eval()(torch.eye(2)).numpy() * scale)


def averages(trials: Array, place: NDArray[np.intp]) -> Array:
    """Mean epoch of either place, flattened, ``(2, n_values)``."""
    return np.stack([trials[place == k].mean(0).ravel() for k in (0, 1)])


def evaluate(name: str, data: Array, at: NDArray[np.intp], place: NDArray[np.intp]) -> dict[str, Any]:
    """Correlations on the held-out fifths, by seed, with both nulls."""
    trials, fold = epochs(data, at), np.arange(len(at)) * FOLDS // len(at)
    rng = np.random.default_rng(0)
    evoked, differing = np.zeros((len(SEEDS), FOLDS, 2)), np.zeros((len(SEEDS), FOLDS))
    null_evoked, null_differing = np.zeros((NULLS, FOLDS)), np.zeros((NULLS, FOLDS))
    for k in range(FOLDS):
        out = fold == k
        said = [predicted(name, trials[~out], place[~out], seed).reshape(2, -1) for seed in SEEDS]
        true = averages(trials[out], place[out])
        for row, each in enumerate(said):
            evoked[row, k] = [pearson(a, b) for a, b in zip(each, true, strict=True)]
            differing[row, k] = pearson(each[1] - each[0], true[1] - true[0])
        mean = np.mean(said, axis=0)
        span = (int(at[out][0]) - BASELINE, int(at[out][-1]) + N_TIMES)
        for draw in range(NULLS):
            turned = rotated(at[out], span, rng)
            away = averages(epochs(data, turned), place[out])
            null_evoked[draw, k] = np.mean([pearson(a, b) for a, b in zip(mean, away, strict=True)])
            shuffled = averages(trials[out], rng.permutation(place[out]))
            null_differing[draw, k] = pearson(mean[1] - mean[0], shuffled[1] - shuffled[0])
    return {
        "evoked_r": facts(evoked.mean(2), null_evoked.mean(1), "held-out onsets rotated within their fifth"),
        "difference_r": facts(differing, null_differing.mean(1), "places of the held-out trials permuted"),
    }


def rotated(at: NDArray[np.intp], span: tuple[int, int], rng: np.random.Generator) -> NDArray[np.intp]:
    """Onsets shifted by a random amount around the stretch of recording that they lie in."""
    first, last = span[0] + BASELINE, span[1] - N_TIMES
    return (at - first + rng.integers(last - first)) % (last - first) + first


def facts(found: Array, null: Array, what: str) -> dict[str, Any]:
    """Mean over seeds and folds; interval over folds; p against the null."""
    value, by_fold = float(found.mean()), found.mean(0)
    drawn = np.random.default_rng(0).integers(len(by_fold), size=(2000, len(by_fold)))
    return {
        "value": value,
        "ci95": np.percentile(by_fold[drawn].mean(1), (2.5, 97.5)).tolist(),
        "by_seed": found.mean(1).tolist(),
        "by_fold": by_fold.tolist(),
        "chance": float(null.mean()),
        "null95": np.percentile(null, (2.5, 97.5)).tolist(),
        "p": float((1 + np.sum(null >= value)) / (1 + len(null))),
        "null": f"{len(null)} draws: {what}; interval: bootstrap over {len(by_fold)} folds",
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    data, at, place = read(parser.parse_args().path)
    found = {name: evaluate(name, data, at, place) for name in DECODERS}
    json.dump({"machine": machine(), "n_trials": len(at), "n_chans": data.shape[1], **found}, sys.stdout, indent=1)


if __name__ == "__main__":
    entry(main)
