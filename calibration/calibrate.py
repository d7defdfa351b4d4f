"""calibrate: a recipe and recordings in; a bundle, its held-out scores and a report out."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration import baselines
from calibration.also import fit_sides, side_streams
from calibration.datasets import DATASETS
from calibration.evaluate import Answers, image_scores, score, score_cca
from calibration.export import check_export, export_graph, run_torch
from calibration.fit import fit
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.network import builder_of
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.report import write_report
from calibration.split import folds, hold_out, in_groups
from calibration.streams import contract_stream, training_signals
from calibration.training.fan_out import Task, fan_out
from calibration.windows import Examples, examples_of, image_shape, window_config
from streamkit.bundle import Contract, ModelBundle, write_bundle
from streamkit.errors import BundleError, ConfigError
from streamkit.inference import RunnerConfig
from streamkit.marks import MANIFEST
from streamkit.preprocess import PreprocessConfig, Preprocessor, SideStream, fit_preprocess
from streamkit.recording import Recording, write_recording
from streamkit.types import OutputSpec, StreamSpec

N_REFERENCES = 8
MAKERS = {
    "embedding": "calibration.calibrate_embedding",
    "response": "calibration.calibrate_response",
    "video": "calibration.calibrate_video",
}
"""Kinds of target whose bundle a module of its own makes."""
MAKERS_BY_METHOD = {"mouse-v1": "calibration.calibrate_v1", "brain2pix": "calibration.calibrate_brain2pix"}
"""The same of methods."""


@dataclass(frozen=True)
class CalibrationResult:
    """What a calibration made.

    Attributes
    ----------
    bundle
        As written.
    scores
        On the held-out groups, the recipe's metric first, baselines last; empty when nothing was held out.
    cross_validation
        Of the recipe over all groups; empty when it asks for none.
    parity
        Largest absolute difference between the exported graph and torch on the reference windows.
    trained_on, held_out
        Groups.
    held_out_recordings
        The folders written for ``held_out_dir``.
    report
        The HTML file.
    seconds
        All of it took.
    """

    bundle: ModelBundle
    scores: tuple[Score, ...]
    cross_validation: tuple[Score, ...]
    parity: float
    trained_on: tuple[str, ...]
    held_out: tuple[str, ...]
    held_out_recordings: tuple[Path, ...]
    report: Path
    seconds: float


@dataclass(frozen=True)
class Prepared:
    """Fitted preprocessing and the training examples it gives."""

    config: PreprocessConfig
    also: tuple[SideStream, ...]
    examples: Examples
    sfreq: float


def calibrate(
    recipe: Recipe,
    data_path: str | Path | None,
    out: str | Path,
    held_out_dir: str | Path | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    resume: str | Path | None = None,
    scheduler: str | None = None,
) -> CalibrationResult:
    """Train a decoder as a recipe says and write it as a bundle.

    Parameters
    ----------
    recipe
        See `calibration.recipe.load_recipe`.
    data_path
        The dataset's folder or file; None for the recipe's own.
    out
        The bundle to write; its report goes into ``report/`` inside.
    held_out_dir
        Where to write the held-out recordings as native folders; None for nowhere.
    seed
        Instead of the recipe's.
    progress
        Shows what is being done; None shows nothing.
    resume
        A folder where trainings by gradient are written to and taken up from; None for none.
    scheduler
        Where the folds of a cross-validation run side by side: ``"local"``, or the address of a Dask scheduler; None
        for one after the other in this process.

    Raises
    ------
    ConfigError, RecordingError, BundleError
        When the recipe, the data or the place for the bundle cannot be used.
    """
    begin = time.monotonic()
    progress = progress or Progress()
    check_free(Path(out) / MANIFEST, "--out", overwrite)
    if seed is not None:
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
    builder_of(recipe.model.name)  # a wrong name is told before the data are read
    recordings = read_recordings(recipe, data_path, progress)
    kept, held = hold_out([r.meta.group for r in recordings], recipe.split.held_out)
    unseen = [r for r in recordings if r.meta.group in held]
    for recording in unseen if held_out_dir is not None else ():
        place = Path(held_out_dir) / recording.meta.name
        _check_beside(Path(out), place)
        check_free(place, "--held-out", overwrite)
    checkpoints = None if resume is None else Path(resume)
    maker = MAKERS_BY_METHOD.get(recipe.train.method) or MAKERS.get(recipe.target.kind)
    if maker is not None:
        make = importlib.import_module(maker).make
        made = make(recipe, recordings, out, progress, checkpoints and checkpoints / "bundle", overwrite)
    else:
        made = _make_decoder(recipe, recordings, out, progress, checkpoints, overwrite, scheduler)
    report = write_report(made, recipe)
    written = write_held_out(unseen, Path(held_out_dir), overwrite) if held_out_dir is not None else ()
    return CalibrationResult(
        bundle=made.bundle,
        scores=tuple(made.scores),
        cross_validation=tuple(made.cross_validation),
        parity=made.parity,
        trained_on=tuple(kept),
        held_out=tuple(held),
        held_out_recordings=written,
        report=report,
        seconds=time.monotonic() - begin,
    )


def _make_decoder(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: str | Path,
    progress: Progress,
    checkpoints: Path | None,
    overwrite: bool,
    scheduler: str | None,
) -> Made:
    """Train a decoder of classes, signals or images, score it on the held-out groups, export and write it."""
    kept, held = hold_out([r.meta.group for r in recordings], recipe.split.held_out)
    training = [r for r in recordings if r.meta.group in kept]
    unseen = [r for r in recordings if r.meta.group in held]
    spec = contract_stream(recordings, recipe)
    output = output_of(recordings[0], recipe)

    cross_validation = cross_validate(recipe, recordings, spec, output, progress, checkpoints, scheduler)
    prepared = prepare(recipe, training, spec, progress)
    fitted = fit(recipe, prepared.examples, output, prepared.sfreq, progress, checkpoints and checkpoints / "bundle")
    held_examples = examples_of(unseen, spec, prepared.config, recipe, prepared.also) if unseen else None
    answers = fitted.answer(held_examples, output) if held_examples else None
    progress.begin("scoring", 1)
    scores = held_out_scores(recipe, prepared, held_examples, answers, output) if held_examples and answers else []
    progress.advance()

    progress.begin("exporting", 1)
    graph = export_graph(
        fitted.module, prepared.examples.X[:2], builder=fitted.network.name, builder_args=fitted.network.args
    )
    inputs = references(prepared.examples, recipe.train.seed)
    outputs = run_torch(fitted.module, inputs)
    parity = check_export(graph, inputs, outputs)
    bundle = write_bundle(
        out,
        contract=Contract(
            stream=spec,
            preprocess=prepared.config,
            window=window_config(recipe),
            output=output,
            runner=RunnerConfig(graph="decoder"),
            also=prepared.also,
        ),
        graphs={"decoder": graph},
        references={"decoder": (inputs, outputs)},
        metrics=tuple(
            s.metric() for s in [*scores, *(s.named(f"{s.name}, cross-validated") for s in cross_validation)]
        ),
        provenance=provenance(recipe, recordings, kept, held, fitted),
        overwrite=overwrite,
    )
    progress.advance()
    return Made(bundle, scores, answers, fitted, prepared.examples, parity, prepared.sfreq, cross_validation)


def check_free(path: Path, option: str, overwrite: bool) -> None:
    """Refuse a place that is taken before hours are spent on what should go there."""
    if path.exists() and not overwrite:
        raise BundleError(f"{path} is there already: choose another {option}, or allow overwriting with --overwrite")


def _check_beside(bundle: Path, held_out: Path) -> None:
    """Refuse a held-out recording in the bundle, which nothing could open then, and a bundle in the recording."""
    one, other = bundle.resolve(), held_out.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise ConfigError(
            f"--out {bundle} and the held-out recording {held_out} would lie one in the other: choose another "
            "--held-out"
        )


def read_recordings(recipe: Recipe, data_path: str | Path | None, progress: Progress) -> list[Recording]:
    """Return all recordings of the recipe's dataset.

    Raises
    ------
    ConfigError
        For an unknown dataset, or one whose place nobody said.
    """
    name = recipe.data.dataset
    if name not in DATASETS:
        raise ConfigError(f"data.dataset: there is no dataset {name!r}. Datasets: {', '.join(DATASETS)}")
    path = str(data_path) if data_path is not None else recipe.data.path
    if not path and not is_simulated(name):
        raise ConfigError(
            f"recipe {recipe.name!r} reads dataset {name!r} and does not say where it lies: give --data PATH, "
            f"{DATASETS[name].folder}. Its authors publish it at {DATASETS[name].source}"
        )
    progress.begin("reading recordings")
    recordings = list(DATASETS[name].read(Path(path), recipe.data.options))
    progress.advance()
    return recordings


def is_simulated(dataset: str) -> bool:
    """Whether a dataset is made by a forward model, so that it needs no files."""
    return DATASETS[dataset].source.startswith("simulated")


def output_of(recording: Recording, recipe: Recipe) -> OutputSpec:
    """What the decoder's output means."""
    target = recipe.target
    if target.kind == "class":
        return OutputSpec(
            kind="probabilities",
            labels=target.labels,
            shape=(len(target.labels),),
            activation="softmax",
            classes=target.classes,
            chance=1 / len(target.labels),
        )
    if target.kind == "image":
        return OutputSpec(kind="image", shape=image_shape(target), chance=1 / recipe.evaluate.n_way)
    signal = recording.signal(target.stream)
    labels = target.ch_names or signal.spec.ch_names
    return OutputSpec(kind="values", labels=labels, shape=(len(labels),), unit=signal.spec.unit, chance=0.0)


def prepare(recipe: Recipe, recordings: Sequence[Recording], spec: StreamSpec, progress: Progress) -> Prepared:
    """Fit the preprocessing and cut windows; groups named to stop early by have no part in the fit."""
    progress.begin("preprocessing", 2)
    rule = recipe.split.validation
    aside = in_groups(np.array([r.meta.group for r in recordings]), () if isinstance(rule, float) else rule)
    fitted_to = [recording for recording, out in zip(recordings, aside, strict=True) if not out]
    config = fit_preprocess(spec, recipe.preprocess, training_signals(fitted_to, recipe))
    also = fit_sides(fitted_to, recipe, side_streams(recordings, recipe))
    progress.advance()
    examples = examples_of(recordings, spec, config, recipe, also)
    progress.advance(f"{len(examples)} windows")
    return Prepared(config, also, examples, Preprocessor(spec, config).out.sfreq)


def cross_validate(
    recipe: Recipe,
    recordings: Sequence[Recording],
    spec: StreamSpec,
    output: OutputSpec,
    progress: Progress,
    resume: Path | None = None,
    scheduler: str | None = None,
) -> list[Score]:
    """Score the recipe over all groups: each fold is fitted from nothing, without its own groups."""
    if recipe.split.cv == "none":
        return []
    groups = np.array([recording.meta.group for recording in recordings])
    tasks = []
    for names, inside in folds(groups, recipe.split, recipe.train.seed):
        name = f"fold without {', '.join(names)}"
        training = [r for r, held in zip(recordings, inside, strict=True) if not held]
        unseen = [r for r, held in zip(recordings, inside, strict=True) if held]
        same = {"recipe": recipe, "spec": spec, "output": output}
        checkpoint = None if resume is None else resume / f"fold-{len(tasks) + 1}"
        tasks.append(Task(name, {**same, "training": training, "unseen": unseen, "checkpoint": checkpoint}))
    here = {"workers": 1, "threads": None} if scheduler is None else {}
    results = fan_out(answers_of_fold, tasks, scheduler or "local", progress=progress, what="folds", **here)
    answers = Answers.joined([result.value for result in results])
    return score(answers, recipe.target, output, recipe.evaluate, recipe.train.seed, within=True)


def answers_of_fold(
    recipe: Recipe,
    training: Sequence[Recording],
    unseen: Sequence[Recording],
    spec: StreamSpec,
    output: OutputSpec,
    checkpoint: Path | None = None,
) -> Answers:
    """Fit the recipe to some recordings and let it answer others; a task that may run anywhere."""
    prepared = prepare(recipe, training, spec, Progress())
    fitted = fit(recipe, prepared.examples, output, prepared.sfreq, Progress(), checkpoint)
    return fitted.answer(examples_of(unseen, spec, prepared.config, recipe, prepared.also), output)


def held_out_scores(
    recipe: Recipe, prepared: Prepared, held: Examples, answers: Answers, output: OutputSpec
) -> list[Score]:
    """Score the held-out answers, with the baselines that fit the target beside them."""
    settings, seed = recipe.evaluate, recipe.train.seed
    scores = score(answers, recipe.target, output, settings, seed)
    if settings.cca:
        scores.append(score_cca(held.X, held.y, held.groups, prepared.sfreq, output, settings, seed))
    if recipe.target.kind == "image":
        train = prepared.examples
        draws = Draws(settings.bootstrap, settings.permutations, seed)
        rivals = {
            ", ridge decoder": baselines.ridge_images(train.X, train.y, held.X),
            ", mean training image": baselines.mean_image(train.y, len(held)),
        }
        for suffix, images in rivals.items():
            scores += image_scores(images, held.y, held.labels, settings, draws, suffix)
    return scores


def references(examples: Examples, seed: int) -> np.ndarray:
    """Draw real training windows on which backends prove themselves: ``(n, n_chans, n_times)``."""
    n = min(N_REFERENCES, len(examples))
    rows = np.random.default_rng(seed).choice(len(examples), n, replace=False)
    return np.ascontiguousarray(examples.X[np.sort(rows)])


def write_held_out(recordings: Sequence[Recording], folder: Path, overwrite: bool) -> tuple[Path, ...]:
    """Write the recordings as native folders, ready to replay, verify and evaluate."""
    return tuple(write_recording(r, folder / r.meta.name, overwrite=overwrite) for r in recordings)
