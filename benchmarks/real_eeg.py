"""BrainAE's encoder and other networks against a causal LDA on real recordings, on the same folds.

python -m benchmarks.real_eeg uci FOLDER       leave-one-subject-out, first against matching picture
python -m benchmarks.real_eeg p300 FOLDER      subject 1, leave-one-run-out, rare against frequent picture

Every choice (network, its dropout and learning rate) is made on groups inside each training fold; five seeds; the
difference to the LDA is paired, items or groups resampled together. Writes one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.bench.machine import machine
from benchmarks.entry import entry
from calibration import nested
from calibration.calibrate import read_recordings
from calibration.evaluate import Answers
from calibration.metrics import Score
from calibration.nested import Contestant, Fold
from calibration.progress import Progress
from calibration.recipe import load_recipe
from calibration.training.fan_out import Task, fan_out

SEEDS = (0, 1, 2, 3, 4)
GRADIENT: dict[str, Any] = {
    "train.method": "gradient",
    "train.estimator": None,
    "train.epochs": 30,
    "train.batch_size": 64,
    "train.patience": 8,
    "split.validation": 0.15,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "BrainAE encoder": {"model.name": "brainae_classifier", "model.args": {"embedding": 128, "adapt": True}},
    "EEGNet": {"model.name": "eegnet", "model.args": {}},
    "ShallowFBCSPNet": {"model.name": "shallow_fbcsp", "model.args": {}},
}
CHOICES = {
    f"{name}, lr {lr:g}": {**GRADIENT, **values, "train.lr": lr}
    for name, values in NETWORKS.items()
    for lr in (1e-3, 3e-3)
}
JOBS = {"uci": "uci-s1-match", "p300": "p300-muse"}


def fold_of(recipe: str, path: str, held_out: list[int], network: bool, seeds: tuple[int, ...]) -> Fold:
    """One fold of one contestant; a task that may run anywhere."""
    plain = load_recipe(recipe)
    contestant = Contestant(plain, CHOICES) if network else Contestant(plain)
    return nested.run_fold(contestant, read_recordings(plain, path, Progress()), held_out, seeds)


def facts_of(score: Score) -> dict[str, Any]:
    """A score as JSON values."""
    return {"value": score.value, "chance": score.chance, "ci95": list(score.ci95), "p": score.p, "n": score.n}


def compare(recipe: str, path: str, scheduler: str) -> dict[str, Any]:
    """Run all folds of both and score them."""
    plain = load_recipe(recipe)
    recordings = read_recordings(plain, path, Progress())
    outer = list(nested.outer_folds(plain, recordings))
    tasks = [
        Task(
            f"{'networks' if network else 'LDA'} without {', '.join(names)}",
            {
                "recipe": recipe,
                "path": path,
                "held_out": rows,
                "network": network,
                "seeds": SEEDS if network else SEEDS[:1],
            },
        )
        for network in (False, True)
        for names, rows in outer
    ]
    results = [result.value for result in fan_out(fold_of, tasks, scheduler)]
    lda, networks = results[: len(outer)], results[len(outer) :]
    return report(plain, recordings, lda, networks)


def report(recipe: Any, recordings: Any, lda: list[Fold], networks: list[Fold]) -> dict[str, Any]:
    """Scores, per seed and of the mean output over seeds, beside those of the LDA."""
    plain = nested.main_score(recipe, Answers.joined([fold.answers[0] for fold in lda]), recordings[0])
    by_seed = {
        seed: nested.main_score(recipe, Answers.joined([fold.answers[seed] for fold in networks]), recordings[0])
        for seed in SEEDS
    }
    together = Answers.joined([nested.mean_of(list(fold.answers.values())) for fold in networks])
    ensemble = nested.main_score(recipe, together, recordings[0])
    values = [score.value for score in by_seed.values()]
    return {
        "recipe": recipe.name,
        "metric": plain.name,
        "note": plain.note,
        "lda": facts_of(plain),
        "network_by_seed": {str(seed): facts_of(score) for seed, score in by_seed.items()},
        "network_mean_over_seeds": {"value": float(np.mean(values)), "sd": float(np.std(values, ddof=1))},
        "network_minus_lda_by_seed": {str(seed): nested.paired(plain, score) for seed, score in by_seed.items()},
        "mean_output_of_five": facts_of(ensemble) | {"minus_lda": nested.paired(plain, ensemble)},
        "folds": [choice_facts(fold) for fold in networks],
    }


def choice_facts(fold: Fold) -> Mapping[str, Any]:
    """What was chosen in a fold, and how the choices did inside it."""
    return {"held_out": list(fold.held_out), "chosen": fold.chosen, "inner": dict(fold.inner)}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("path")
    parser.add_argument("--scheduler", default="local")
    given = parser.parse_args()
    begin = time.monotonic()
    found = compare(JOBS[given.job], given.path, given.scheduler)
    json.dump({"machine": machine(), "seconds": time.monotonic() - begin, **found}, sys.stdout, indent=1)


if __name__ == "__main__":
    entry(main)
