"""Two ways to decode, on the same folds: choices are made inside each training fold, differences are paired.

Every fold is fitted from nothing without its own groups, preprocessing included. Among the settings that a contestant
may choose from, the one wins that does best on groups held out *within* the training groups; what is held out outside
is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from calibration.calibrate import answers_of_fold, output_of
from calibration.evaluate import Answers, score
from calibration.metrics import Score, difference_interval
from calibration.recipe import Recipe, recipe_from
from calibration.sections import SplitSection
from calibration.split import folds
from calibration.streams import contract_stream
from streamkit.errors import ConfigError
from streamkit.recording import Recording


@dataclass(frozen=True)
class Contestant:
    """A recipe and what may be chosen in it.

    Attributes
    ----------
    choices
        By name: values by dotted key that replace those of the recipe. With one there is nothing to choose.
    """

    recipe: Recipe
    choices: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: {"as it is": {}})

    def variants(self) -> dict[str, Recipe]:
        """The recipe with each choice made."""
        return {name: changed(self.recipe, values) for name, values in self.choices.items()}


@dataclass(frozen=True)
class Fold:
    """What one contestant said about one fold.

    Attributes
    ----------
    held_out
        Groups of the fold.
    chosen
        Name of the choice, and the inner score of each; without scores where there was nothing to choose.
    answers
        By seed.
    """

    held_out: tuple[str, ...]
    chosen: str
    inner: Mapping[str, float]
    answers: Mapping[int, Answers]


def changed(recipe: Recipe, values: Mapping[str, object]) -> Recipe:
    """A recipe with other values, by dotted key."""
    document = recipe.model_dump(mode="json", exclude_unset=True)
    for key, value in values.items():
        table = document
        *path, last = key.split(".")
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return recipe_from(document, recipe.name)


def outer_folds(recipe: Recipe, recordings: Sequence[Recording]) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """Groups of each fold of the recipe's cross-validation, and the numbers of its recordings."""
    groups = np.array([recording.meta.group for recording in recordings])
    for names, inside in folds(groups, recipe.split, 0):
        yield tuple(names), np.flatnonzero(inside).tolist()


def run_fold(
    contestant: Contestant,
    recordings: Sequence[Recording],
    held_out: Sequence[int],
    seeds: Sequence[int],
    inner_folds: int = 3,
) -> Fold:
    """Choose on the training groups alone, then fit with each seed and answer what was held out.

    Parameters
    ----------
    recordings
        All of them.
    held_out
        Numbers of those of this fold.
    """
    training = [r for number, r in enumerate(recordings) if number not in held_out]
    unseen = [recordings[number] for number in held_out]
    variants, inner = contestant.variants(), dict[str, float]()
    if len(variants) > 1:
        inner = {name: inner_score(each, training, inner_folds, seeds[0]) for name, each in variants.items()}
    chosen = max(variants, key=lambda name: inner.get(name, 0.0))
    answers = {seed: answer(variants[chosen], training, unseen, seed) for seed in seeds}
    return Fold(tuple(dict.fromkeys(r.meta.group for r in unseen)), chosen, inner, answers)


def inner_score(recipe: Recipe, training: Sequence[Recording], n_folds: int, seed: int) -> float:
    """The recipe's metric, averaged over folds within the training recordings."""
    groups = np.array([recording.meta.group for recording in training])
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ConfigError("a choice needs at least two training groups: give more recordings, or a single choice")
    split = SplitSection(cv="k-fold", folds=min(n_folds, n_groups))
    found = []
    for _, inside in folds(groups, split, seed):
        rest = [r for r, held in zip(training, inside, strict=True) if not held]
        aside = [r for r, held in zip(training, inside, strict=True) if held]
        found.append(main_score(recipe, answer(recipe, rest, aside, seed), rest[0], quick=True).value)
    return float(np.mean(found))


def answer(recipe: Recipe, training: Sequence[Recording], unseen: Sequence[Recording], seed: int) -> Answers:
    """Fit a recipe to recordings and let it answer others."""
    recipe = changed(recipe, {"train.seed": seed})
    spec = contract_stream([*training, *unseen], recipe)
    return answers_of_fold(recipe, training, unseen, spec, output_of(training[0], recipe))


def main_score(recipe: Recipe, answers: Answers, example: Recording, quick: bool = False) -> Score:
    """The recipe's metric; each group is scored by itself, for its decoder was fitted without it."""
    few = {"bootstrap": 10, "permutations": 10} if quick else {}
    settings = recipe.evaluate.model_copy(update=few)
    return score(answers, recipe.target, output_of(example, recipe), settings, 0, within=True)[0]


def mean_of(answers: Sequence[Answers]) -> Answers:
    """The mean output of several decoders (seeds) for the same items."""
    return replace(answers[0], values=np.mean([each.values for each in answers], axis=0))


def paired(one: Score, other: Score) -> dict[str, object]:
    """Difference of two scores of the same items (`other` minus `one`) with its interval."""
    return {"difference": other.value - one.value, "ci95": list(difference_interval(one, other))}
