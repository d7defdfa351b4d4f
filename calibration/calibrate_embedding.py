"""calibrate, where the target is an embedding: a brain encoder and a brain decoder, and the pictures they know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.bundle import encoder_of, exported, what_it_knows
from calibration.brainae.fit import Fitted as FittedSystem
from calibration.brainae.fit import fit_brainae
from calibration.brainae.from_recipe import settings_of
from calibration.brainae.material import Parts, Trials, parts_of, trials_of
from calibration.brainae.pairs import Pairs, hold_back
from calibration.brainae.scores import encoding, retrieval, retrieve, similarity
from calibration.brainae.stimuli import Stimuli, stimuli_of
from calibration.evaluate import Answers
from calibration.fit import Fitted
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.tables import items
from calibration.windows import Examples
from streamkit.bundle import ModelBundle, write_bundle
from streamkit.encoding import Correlation, RunningCorrelation
from streamkit.errors import ConfigError
from streamkit.inference.cache import cache_dir
from streamkit.inference.runners import activate
from streamkit.recording import Recording

Array = NDArray[np.floating]

AVERAGED = "averaged retrieval"
"""Pictures found from the mean response over the repeats of each, as the paper scores."""


def make(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: str | Path,
    progress: Progress,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> Made:
    """Train, score on the held-out groups, export and write the bundle.

    Responses to one image are averaged for training, as published; the held-out ones are scored trial by trial where
    pictures are found, and averaged by image where they are predicted.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    settings, loop = settings_of(recipe)
    progress.begin("preprocessing", 2)
    parts = parts_of(recipe, recordings)
    progress.advance()
    by_name = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    trials = {name: trials_of(parts, part) for name, part in by_name.items() if part}
    progress.advance(f"{sum(len(each.X) for each in trials.values())} windows")
    stimuli = stimuli_of(recipe, parts.all, cache_dir() / "features", progress)
    train, validation = training_pairs(recipe, stimuli, trials)
    sfreq = parts.cutting.out.sfreq
    system = fit_brainae(train, validation, settings, sfreq=sfreq, loop=loop, checkpoint=checkpoint, progress=progress)
    test = stimuli.pairs(trials["test"].X, trials["test"].labels)
    progress.begin("scoring", 1)
    scores = held_out_scores(recipe, system, test)
    progress.advance()

    progress.begin("exporting", 1)
    network = encoder_of(system.settings, train, sfreq)
    fitted = Fitted(network, system.model.encoder, system.history, len(train), len(validation) if validation else 0)
    contract, tensors = what_it_knows(recipe, parts, system, stimuli, trials)
    graphs, references, parity = exported(system, network, train)
    bundle = write_bundle(
        out,
        contract=contract,
        graphs=graphs,
        references=references,
        metrics=tuple(score.metric() for score in scores),
        provenance=provenance(recipe, recordings, *parts.groups, fitted),
        tensors=tensors,
        overwrite=overwrite,
    )
    progress.advance()
    answers = answers_of(system, bundle, stimuli, trials["test"], tensors["templates"])
    return Made(
        bundle, scores, answers, fitted, as_examples(train, parts), parity, sfreq, agreement=agreement(system, test)
    )


def agreement(system: FittedSystem, test: Pairs) -> Correlation:
    """Correlation of what is predicted with every single held-out trial, as live shows it."""
    found = RunningCorrelation(test.size[0], window=len(test))
    for predicted, recorded in zip(system.predict(test.features), test.X, strict=True):
        found.add(predicted.T, recorded.T)
    return found.now()


def training_pairs(recipe: Recipe, stimuli: Stimuli, trials: dict[str, Trials]) -> tuple[Pairs, Pairs | None]:
    """What is trained on, and what picks the epoch: the groups that the recipe names, or a share of the images."""
    train = stimuli.pairs(trials["train"].X, trials["train"].labels).by_image()
    if "validation" in trials:
        return train, stimuli.pairs(trials["validation"].X, trials["validation"].labels).by_image()
    share = recipe.split.validation
    count = round(share * len(train)) if isinstance(share, float) else 0
    return hold_back(train, count, recipe.train.seed) if count else (train, None)


def held_out_scores(recipe: Recipe, system: FittedSystem, test: Pairs) -> list[Score]:
    """Pictures found trial by trial and, with repeats, from their averages; averaged responses predicted."""
    settings = recipe.evaluate
    draws = Draws(settings.bootstrap, settings.permutations, recipe.train.seed)
    means = test.by_image()
    found = retrieval(system, test, draws)
    if len(means) < len(test):
        found += retrieve(system, system.embed(means.X), means, draws, AVERAGED)
    if len(means) > 1:
        found += encoding(system.predict(means.features), means.X, draws)
    scores = [items.score([each], draws) for each in found]
    wanted = settings.metric or "top-1"
    main = [score for score in scores if wanted in score.name]
    if not main:
        names = ", ".join(score.name for score in scores) or "none, for there is a single picture"
        raise ConfigError(f"evaluate.metric: {wanted!r} does not fit this target, which has {names}")
    return main[:1] + [score for score in scores if score is not main[0]]


def answers_of(
    system: FittedSystem, bundle: ModelBundle, stimuli: Stimuli, trials: Trials, templates: Array
) -> Answers:
    """What the brain encoder says about each trial of a picture that the bundle knows."""
    output = bundle.contract.output
    place = {label: k for k, label in enumerate(output.labels)}
    cosines = similarity(system.embed(trials.X), templates) / system.settings.tau
    values = np.stack([activate(row, output.activation) for row in cosines])
    labels = np.array([str(label) for label in trials.labels], np.str_)
    nobody = np.zeros(len(labels), np.intp)
    return Answers(values, np.array([place[label] for label in labels]), labels, labels, nobody)


def as_examples(train: Pairs, parts: Parts) -> Examples:
    """What was trained on, for the report."""
    nobody = np.zeros(len(train), np.intp)
    names = np.full(len(train), "", np.str_)
    return Examples(train.X, train.features, names, names, nobody, nobody, parts.cutting.left_out)
