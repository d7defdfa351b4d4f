"""calibrate, where the target is an embedding: a brain encoder and a brain decoder, and the pictures they know."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.fit import Fitted as FittedSystem
from calibration.brainae.fit import fit_brainae
from calibration.brainae.material import Parts, Trials, parts_of, processed_spec, trials_of
from calibration.brainae.pairs import Pairs, hold_back
from calibration.brainae.scores import encoding, retrieval, retrieve, similarity
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.stimuli import Stimuli, stimuli_of
from calibration.evaluate import Answers
from calibration.export import check_export, export_graph, run_torch
from calibration.fit import Fitted
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.network import Network
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.tables import items
from calibration.training.settings import LoopSettings
from calibration.windows import Examples, window_config
from streamkit.bundle import Contract, EncodingSpec, GraphFiles, ModelBundle, write_bundle
from streamkit.encoding import Correlation, RunningCorrelation
from streamkit.errors import ConfigError
from streamkit.inference.cache import cache_dir
from streamkit.inference.runners import RetrievalConfig, activate
from streamkit.recording import Recording
from streamkit.recording.images import as_pixels, resized
from streamkit.types import OutputSpec

Array = NDArray[np.floating]
Reference = tuple[Array, Array]
N_REFERENCES = 8
THUMBNAIL = 64
"""Side in pixels, at most, of the pictures that go into a bundle."""

AVERAGED = "averaged retrieval"
"""Pictures found from the mean response over the repeats of each, as the paper scores."""

OF_THE_TRAINING = ("epochs", "batch_size", "lr", "betas", "seed")
"""Keys of a recipe's ``train`` that `BrainAESettings` has as well."""


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
    trials = {name: trials_of(recipe, parts, part) for name, part in by_name.items() if part}
    progress.advance(f"{sum(len(each.X) for each in trials.values())} windows")
    stimuli = stimuli_of(recipe, parts.all, cache_dir() / "features", progress)
    train, validation = training_pairs(recipe, stimuli, trials)
    sfreq = processed_spec(parts).sfreq
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
        provenance=provenance(recipe, recordings, *groups_of(parts), fitted),
        tensors=tensors,
        overwrite=overwrite,
    )
    progress.advance()
    answers = answers_of(system, bundle, stimuli, trials["test"], tensors["templates"])
    return Made(bundle, scores, answers, fitted, as_examples(train), parity, sfreq, agreement=agreement(system, test))


def agreement(system: FittedSystem, test: Pairs) -> Correlation:
    """Correlation of what is predicted with every single held-out trial, as live shows it."""
    found = RunningCorrelation(test.size[0], window=len(test))
    for predicted, recorded in zip(system.predict(test.features), test.X, strict=True):
        found.add(predicted.T, recorded.T)
    return found.now()


def settings_of(recipe: Recipe) -> tuple[BrainAESettings, dict[str, Any]]:
    """Settings of BrainAE from ``model.args`` and ``train``, and what further keys of the loop the recipe names.

    Raises
    ------
    ConfigError
        For an argument that BrainAE does not have, or a wrong value; names the key.
    """
    if recipe.split.cv != "none":
        raise ConfigError("split.cv: a recipe with target kind 'embedding' is not cross-validated; leave it out")
    train, named = recipe.train, recipe.train.model_fields_set
    keys = {key: getattr(train, key) for key in OF_THE_TRAINING if key in named}
    loop = {key: getattr(train, key) for key in LoopSettings.model_fields if key in named - set(OF_THE_TRAINING)}
    unknown = [key for key in recipe.model.args if key not in BrainAESettings.model_fields]
    if unknown:
        known = [key for key in BrainAESettings.model_fields if key not in OF_THE_TRAINING]
        raise ConfigError(f"model.args: BrainAE takes no {unknown[0]!r}. It takes {', '.join(known)}")
    try:
        return BrainAESettings.model_validate({"seed": train.seed, **recipe.model.args, **keys}), loop
    except ValueError as error:
        raise ConfigError(f"model.args: {_first(error)}") from error


def _first(error: ValueError) -> str:
    found = error.errors()[0] if hasattr(error, "errors") else None
    return str(error) if found is None else f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


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


def what_it_knows(
    recipe: Recipe, parts: Parts, system: FittedSystem, stimuli: Stimuli, trials: dict[str, Trials]
) -> tuple[Contract, dict[str, NDArray[Any]]]:
    """The contract of the bundle, and its tensors: a template, features and a picture for each of its stimuli."""
    chosen = [trials["test"]] if recipe.target.gallery == "held-out" else list(trials.values())
    labels = tuple(sorted({str(label) for each in chosen for label in each.labels}))
    numbers = stimuli.numbers(labels)
    templates = np.ascontiguousarray(system.project(stimuli.features[numbers]), np.float32)
    window = window_config(recipe)
    contract = Contract(
        stream=parts.spec,
        preprocess=parts.preprocess,
        window=window,
        output=OutputSpec(
            kind="probabilities",
            labels=labels,
            shape=(len(labels),),
            activation="softmax",
            classes={glob.escape(label): label for label in labels},
            chance=1 / len(labels),
        ),
        runner=RetrievalConfig(graph="encoder", templates="templates", temperature=system.settings.tau),
        encoding=EncodingSpec(labels=labels, n_times=window.n_times, tmin=window.tmin, baseline=window.baseline),
        gallery="gallery",
    )
    # The decoder takes what stands between features and the embedding for granted: its features are the projected ones.
    return contract, {"templates": templates, "stimulus_features": templates, "gallery": thumbnails(stimuli, numbers)}


def thumbnails(stimuli: Stimuli, numbers: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Pictures of these stimuli, ``(n, channels, height, width)``, none larger than `THUMBNAIL` a side."""
    channels, height, width = stimuli.images.shape[1:]
    side = min(THUMBNAIL, height, width)
    return np.stack([as_pixels(resized(stimuli.images[number], (channels, side, side))) for number in numbers])


def encoder_of(settings: BrainAESettings, train: Pairs, sfreq: float) -> Network:
    """Name and arguments of the brain encoder, for the backends of torch."""
    n_chans, n_times, _ = train.size
    sizes = {"n_chans": n_chans, "n_times": n_times, "embedding": settings.embedding}
    if settings.backbone != "tsconv":
        return Network("backbone_encoder", {"name": settings.backbone, **sizes, "sfreq": sfreq})
    keys = settings.model_dump(include={"filters", "kernel", "pool", "dropout"})
    return Network("brainae_encoder", sizes | keys)


def decoder_of(settings: BrainAESettings, train: Pairs) -> Network:
    """The same of the brain decoder."""
    n_chans, n_times, _ = train.size
    sizes = {"n_chans": n_chans, "n_times": n_times, "embedding": settings.embedding}
    if settings.decoder == "linear":
        return Network("brainae_linear_decoder", sizes)
    return Network("brainae_decoder", sizes | settings.model_dump(include={"filters", "kernel", "pool", "out_act"}))


def exported(
    system: FittedSystem, encoder: Network, train: Pairs
) -> tuple[dict[str, GraphFiles], dict[str, Reference], float]:
    """Both graphs, real inputs with what torch says to them, and how far the exported graphs are off."""
    rows = np.sort(np.random.default_rng(system.settings.seed).permutation(len(train))[:N_REFERENCES])
    inputs = {
        "encoder": np.ascontiguousarray(train.X[rows], np.float32),
        "decoder": np.ascontiguousarray(system.project(train.features[rows]), np.float32),
    }
    networks = {"encoder": encoder, "decoder": decoder_of(system.settings, train)}
    modules = {"encoder": system.model.encoder, "decoder": system.model.decoder}
    tensors = {"encoder": ("window", "features"), "decoder": ("features", "epoch")}
    graphs = {
        name: export_graph(
            modules[name],
            inputs[name],
            builder=network.name,
            builder_args=network.args,
            input_names=tensors[name][:1],
            output_names=tensors[name][1:],
        )
        for name, network in networks.items()
    }
    references = {name: (inputs[name], run_torch(modules[name], inputs[name])) for name in graphs}
    parity = max(check_export(graphs[name], *references[name]) for name in graphs)
    return graphs, references, parity


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


def groups_of(parts: Parts) -> tuple[list[str], list[str]]:
    """Groups trained on, those that pick the epoch included, and groups held out."""
    kept = [recording.meta.group for recording in (*parts.train, *parts.validation)]
    return list(dict.fromkeys(kept)), list(dict.fromkeys(recording.meta.group for recording in parts.test))


def as_examples(train: Pairs) -> Examples:
    """What was trained on, for the report."""
    nobody = np.zeros(len(train), np.intp)
    names = np.full(len(train), "", np.str_)
    return Examples(train.X, train.features, names, names, nobody, nobody)
