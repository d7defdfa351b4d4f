"""calibrate, where the target is a response: images in, ECoG out, and which image it was by its predicted response.

An encoding model answers no window. What does here is identification (Kay et al. 2008, Nature 452:352): the epoch that
was recorded is held against the epoch predicted for each known picture, and the most alike wins. It has nothing to
learn beyond the encoding model.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.bundle import N_REFERENCES, Reference, thumbnails
from calibration.brainae.stimuli import Stimuli
from calibration.evaluate import Answers
from calibration.export import check_export, export_graph, run_torch
from calibration.fit import Fitted
from calibration.image2ecog.channels import Standard, fit_standard
from calibration.image2ecog.fit import Fitted as FittedSystem
from calibration.image2ecog.fit import fit_image2ecog
from calibration.image2ecog.material import Material
from calibration.image2ecog.pictures import encoding, retrieval
from calibration.image2ecog.recordings import by_subject, material_of
from calibration.image2ecog.scores import score
from calibration.image2ecog.settings import OF_THE_TRAINING, Image2EcogSettings
from calibration.image2ecog.split import Parts
from calibration.image2ecog.things import things_of
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.network import Network
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.split import hold_out
from calibration.streams import contract_stream
from calibration.system_settings import settings_from
from calibration.tables import items
from calibration.windows import Examples, window_config
from streamkit.bundle import Contract, EncodingSpec, GraphFiles, write_bundle
from streamkit.encoding import Correlation, RunningCorrelation
from streamkit.errors import ConfigError, require
from streamkit.inference.runners import RetrievalConfig, activate
from streamkit.recording import Recording
from streamkit.types import OutputSpec

Array = NDArray[np.floating]
TEMPERATURE = 0.07
SHAPE, PREDICTOR = "encoder", "predictor"


@dataclass(frozen=True)
class Learnt:
    """A trained system and what it was trained on.

    Attributes
    ----------
    known
        Numbers of the pictures that the bundle knows.
    shape
        Makes of an epoch what is compared.
    """

    recipe: Recipe
    material: Material
    system: FittedSystem
    known: NDArray[np.intp]
    shape: Any

    @property
    def labels(self) -> tuple[str, ...]:
        """What the pictures known are called."""
        return tuple(self.material.labels[k] for k in self.known)

    @property
    def pixels(self) -> NDArray[np.float32]:
        """Pictures known, a row each."""
        images = self.material.images[self.known]
        return np.ascontiguousarray(images.reshape(len(images), -1), np.float32)

    @property
    def templates(self) -> NDArray[np.float32]:
        """What the predicted epoch of each picture known is compared as."""
        return run_torch(self.shape, self.system.predict(self.material.images[self.known]))


def make(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: str | Path,
    progress: Progress,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> Made:
    """Train on one subject, score on the held-out groups, export and write the bundle.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    settings, loop = settings_of(recipe)
    check(recipe, recordings, settings)
    groups = groups_of(recipe, recordings)
    progress.begin("preprocessing", 1)
    recipe, material = of_good_channels(recipe, recordings, settings, groups)
    parts = parts_of(material, groups)
    progress.advance()
    if settings.split == "image":
        check_new(material, parts)
    all_kept = settings.but(bad_sd=1e9, channels=None)
    system = fit_image2ecog(material, all_kept, loop=loop, parts=parts, checkpoint=checkpoint, progress=progress)
    learnt = Learnt(recipe, material, system, known_of(recipe, material, parts), shape_of(system.standard))
    progress.begin("scoring", 1)
    answers = answers_of(learnt, parts)
    scores = held_out_scores(learnt, parts, answers)
    progress.advance()

    progress.begin("exporting", 1)
    graphs, references, parity = exported(learnt)
    fitted = Fitted(network_of(learnt), system.model, system.history, len(parts.train), len(parts.validation))
    stimuli = Stimuli(material.labels, material.images, learnt.pixels, np.asarray(material.thing, np.intp))
    bundle = write_bundle(
        out,
        contract=contract_of(learnt, contract_stream(recordings, recipe)),
        graphs=graphs,
        references=references,
        metrics=tuple(one.metric() for one in scores),
        provenance=provenance(recipe, recordings, [*groups[0], *groups[1]], groups[2], fitted),
        tensors={
            "templates": learnt.templates,
            "stimulus_features": learnt.pixels,
            "gallery": thumbnails(stimuli, learnt.known),
        },
        overwrite=overwrite,
    )
    progress.advance()
    examples = as_examples(material, parts)
    return Made(bundle, scores, answers, fitted, examples, parity, material.sfreq, agreement=agreement(learnt, parts))


def settings_of(recipe: Recipe) -> tuple[Image2EcogSettings, dict[str, Any]]:
    """Settings of image to ECoG from ``model.args`` and ``train``, and what further keys of the loop are named."""
    return settings_from(recipe, Image2EcogSettings, "image2ecog", OF_THE_TRAINING)


def check(recipe: Recipe, recordings: Sequence[Recording], settings: Image2EcogSettings) -> None:
    """Refuse what cannot become a bundle."""
    subjects = by_subject(recordings)
    if len(subjects) > 1:
        raise ConfigError(
            f"the recordings are of {len(subjects)} subjects ({', '.join(subjects)}), whose electrodes differ: choose "
            f"one, such as --set data.options.subject={next(iter(subjects))}"
        )
    if settings.head == "scalar":
        raise ConfigError("model.args: head 'scalar' predicts no epochs that a bundle could show: use 'waveform'")
    if recipe.target.grey or recipe.target.size != settings.size:
        raise ConfigError(f"target: the network takes colour images; set grey = false and size = {settings.size}")


def groups_of(recipe: Recipe, recordings: Sequence[Recording]) -> tuple[list[str], list[str], list[str]]:
    """Groups to train on, to pick the epoch by (by default the last of the others), and held out."""
    kept, held = hold_out([recording.meta.group for recording in recordings], recipe.split.held_out)
    rule = recipe.split.validation
    if not held:
        raise ConfigError("split.held_out names nothing, and nothing is left to test on: name a group")
    names = rule if isinstance(rule, tuple) and rule else ("last",)
    train, aside = hold_out(kept, names)
    return train, aside, held


def of_good_channels(
    recipe: Recipe, recordings: Sequence[Recording], settings: Image2EcogSettings, groups: Sequence[Sequence[str]]
) -> tuple[Recipe, Material]:
    """The recipe and material of the channels that are good on the training trials.

    A stage that mixes channels gives other values without the bad ones; so all is computed once more without them.
    """
    material = material_of(recipe, recordings, settings.size)
    train = parts_of(material, groups).train
    kept = fit_standard(material.Y[train], material.image[train], settings).kept
    if len(kept) == len(material.electrodes):
        return recipe, material
    names = tuple(material.electrodes.ch_names[k] for k in kept)
    recipe = recipe.model_copy(update={"stream": recipe.stream.model_copy(update={"ch_names": names})})
    return recipe, material_of(recipe, recordings, settings.size)


def parts_of(material: Material, groups: Sequence[Sequence[str]]) -> Parts:
    """Trials of each part, by the group of their recording."""
    own = np.array(material.group, np.str_)
    return Parts(*(np.flatnonzero(np.isin(own, list(names))) for names in groups))


def check_new(material: Material, parts: Parts) -> None:
    """Refuse a split between groups that share things: what is tested would have been trained on."""
    shown = {name: np.unique(material.thing[material.image[rows]]) for name, rows in vars(parts).items()}
    shared = np.intersect1d(np.union1d(shown["train"], shown["validation"]), shown["test"])
    if len(shared):
        label = material.labels[int(np.flatnonzero(material.thing == shared[0])[0])]
        raise ConfigError(
            f"split: {len(shared)} of the things tested are also trained on, such as that of {label!r}: split between "
            "groups that show different ones, or say so with model.args.split = 'trial'"
        )


def known_of(recipe: Recipe, material: Material, parts: Parts) -> NDArray[np.intp]:
    """Pictures that the bundle chooses among and predicts for."""
    rows = parts.test if recipe.target.gallery == "held-out" else np.arange(len(material.image))
    return np.unique(material.image[rows]).astype(np.intp)


def shape_of(standard: Standard) -> Any:
    """Module that makes of an epoch what is compared."""
    torch = require("torch", "train", "calibration")
    from models.image2ecog import EpochShape

    return EpochShape(torch.from_numpy(np.asarray(standard.std, np.float32))).eval()


def answers_of(learnt: Learnt, parts: Parts) -> Answers:
    """How likely each picture known is, for every held-out trial."""
    material, rows = learnt.material, parts.test
    cosines = run_torch(learnt.shape, material.Y[rows]).astype(np.float64) @ learnt.templates.T.astype(np.float64)
    values = np.stack([activate(row / TEMPERATURE, "softmax") for row in cosines])
    labels = np.array([material.labels[k] for k in material.image[rows]], np.str_)
    return Answers(
        values,
        np.searchsorted(learnt.known, material.image[rows]),
        np.array(material.group, np.str_)[rows],
        labels,
        np.zeros(len(rows), np.intp),
    )


def held_out_scores(learnt: Learnt, parts: Parts, answers: Answers) -> list[Score]:
    """Which picture it was, trial by trial, and how well responses are predicted, averaged by picture and single."""
    material = learnt.material
    shown = np.unique(material.image[parts.test])
    means = [material.Y[parts.test][material.image[parts.test] == number].mean(0, dtype=np.float64) for number in shown]
    settings = learnt.recipe.evaluate
    draws = Draws(settings.bootstrap, settings.permutations, learnt.recipe.train.seed)
    known, tested = (things_of(material, learnt.system.settings, each) for each in (learnt.known, shown))
    found = retrieval(answers.values, np.asarray(answers.y, np.intp), known, draws)
    found += encoding(learnt.system.predict(material.images[shown]), np.stack(means), tested, draws)
    each = [one.items(slice(None), draws) for one in score(learnt.system, material).values()]
    found += [replace(one, name=f"{one.name}, single trials") for one in each]
    scores = [items.score([each], draws) for each in found]
    wanted = settings.metric or "top-1"
    main = [one for one in scores if wanted in one.name]
    if not main:
        names = ", ".join(one.name for one in scores)
        raise ConfigError(f"evaluate.metric: {wanted!r} does not fit this target, which has {names}")
    return main[:1] + [one for one in scores if one is not main[0]]


def contract_of(learnt: Learnt, stream: Any) -> Contract:
    """What the stream must be, and what the bundle says of it."""
    window, labels = window_config(learnt.recipe), learnt.labels
    return Contract(
        stream=stream,
        preprocess=learnt.recipe.preprocess,
        window=window,
        output=OutputSpec(
            kind="probabilities",
            labels=labels,
            shape=(len(labels),),
            activation="softmax",
            classes={glob.escape(label): label for label in labels},
            chance=1 / len(labels),
        ),
        runner=RetrievalConfig(graph=SHAPE, templates="templates", temperature=TEMPERATURE),
        encoding=EncodingSpec(
            graph=PREDICTOR, labels=labels, n_times=window.n_times, tmin=window.tmin, baseline=window.baseline
        ),
        gallery="gallery",
    )


def network_of(learnt: Learnt) -> Network:
    """Name and arguments of the network, for the backends of torch: it takes pictures as rows of numbers."""
    n_chans, n_times = learnt.material.Y.shape[1:]
    keys = learnt.system.settings.model_dump(include={"size", "conv", "pool", "hidden", "dropout"}, mode="json")
    return Network("image2ecog", {"n_chans": n_chans, "n_times": n_times, **keys, "flat": True})


def exported(learnt: Learnt) -> tuple[dict[str, GraphFiles], dict[str, Reference], float]:
    """Both graphs, real inputs with what torch says to them, and how far the exported graphs are off."""
    network, settings = network_of(learnt), learnt.system.settings
    flat = network.build(settings.seed)
    flat.load_state_dict(learnt.system.model.state_dict())
    rows = np.sort(np.random.default_rng(settings.seed).permutation(len(learnt.material.Y))[:N_REFERENCES])
    inputs = {SHAPE: np.ascontiguousarray(learnt.material.Y[rows]), PREDICTOR: learnt.pixels[:N_REFERENCES]}
    modules = {SHAPE: learnt.shape, PREDICTOR: flat.eval()}
    graphs = {
        SHAPE: export_graph(modules[SHAPE], inputs[SHAPE], input_names=("window",), output_names=("features",)),
        PREDICTOR: export_graph(
            modules[PREDICTOR],
            inputs[PREDICTOR],
            builder=network.name,
            builder_args=network.args,
            input_names=("image",),
            output_names=("epoch",),
        ),
    }
    references = {name: (inputs[name], run_torch(modules[name], inputs[name])) for name in graphs}
    parity = max(check_export(graphs[name], *references[name]) for name in graphs)
    return graphs, references, parity


def agreement(learnt: Learnt, parts: Parts) -> Correlation:
    """Correlation of what is predicted with every single held-out trial, as live shows it."""
    material = learnt.material
    said = dict(zip(learnt.known.tolist(), learnt.system.predict(material.images[learnt.known]), strict=True))
    found = RunningCorrelation(material.Y.shape[1], window=len(parts.test))
    for row in parts.test:
        found.add(said[int(material.image[row])].T, material.Y[row].T)
    return found.now()


def as_examples(material: Material, parts: Parts) -> Examples:
    """What was trained on, for the report."""
    rows = parts.train
    nobody = np.zeros(len(rows), np.intp)
    groups = np.array(material.group, np.str_)[rows]
    labels = np.array([material.labels[k] for k in material.image[rows]], np.str_)
    category = np.asarray(material.category)[material.image[rows]]
    return Examples(material.Y[rows], category, groups, labels, nobody, nobody, dict(material.left_out))
