"""calibrate, where frames of a film are painted from voxels: Brain2Pix and its network baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.brain2pix.fit import Fitted as Trained
from calibration.brain2pix.fit import fit_brain2pix, network_of
from calibration.brain2pix.material import Movie
from calibration.brain2pix.recorded import movie_of, shots_across
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.brainae.material import Parts, parts_of
from calibration.calibrate_video import spread
from calibration.evaluate import Answers, film_or_image_scores, score
from calibration.export import check_export, export_graph, run_torch
from calibration.fit import Fitted
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.network import Network
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.system_settings import settings_from
from calibration.windows import Examples, window_config
from streamkit.bundle import Contract, write_bundle
from streamkit.errors import ConfigError
from streamkit.inference import RunnerConfig
from streamkit.preprocess import PreprocessConfig
from streamkit.preprocess.pick import PickSettings
from streamkit.recording import Recording
from streamkit.types import OutputSpec

N_REFERENCES = 4
NETWORKS = {"brain2pix": "fixed", "brain2pix_shen": "shen", "brain2pix_dense": "dense"}
OF_THE_TRAINING = ("epochs", "batch_size", "lr", "betas", "seed")
"""Keys of a recipe's ``train`` that `Brain2PixSettings` has as well."""
BY_THE_RECIPE = ("network", "regions", "scaling", "synthetic", "share")
"""Settings that a recipe says elsewhere, or that no bundle has."""
LEARNED = "learned"
"""Argument of the model `brain2pix` in a recipe: LearnedRF."""


def make(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: str | Path,
    progress: Progress,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> Made:
    """Train, score on the held-out groups, export and write the bundle.

    The bundle takes voxels as they are recorded: scaling, the choice of those that have a place, the receptive-field
    images and the straightening of what was painted through the fisheye are all in it.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    settings, loop = settings_of(recipe)
    progress.begin("preprocessing", 1)
    parts = parts_of(recipe, recordings)
    train, test = (movie_of(recipe, parts, part) for part in (parts.train, parts.test))
    validation = movie_of(recipe, parts, parts.validation) if parts.validation else None
    progress.advance()
    trained = fit_brain2pix(train, validation, settings, loop=loop, checkpoint=checkpoint, progress=progress)
    network, module = live_network(trained, train, parts.cutting.out.sfreq)

    answers = answers_of(trained, test, parts)
    n_shots = len(np.unique(test.shot))
    output = OutputSpec(kind="image", shape=test.out_shape, chance=1 / min(recipe.evaluate.n_way, n_shots))
    progress.begin("scoring", 1)
    scores = scores_of(recipe, answers, output, train)
    progress.advance()

    progress.begin("exporting", 1)
    n_validation = 0 if validation is None else len(validation)
    fitted = Fitted(network, module, trained.history, len(train), n_validation)
    inputs = train.only(trained.voxels).windows(spread(len(train), N_REFERENCES))
    graph = export_graph(module, inputs[:2], builder=network.name, builder_args=network.args)
    outputs = run_torch(module, inputs)
    parity = check_export(graph, inputs, outputs)
    origin = provenance(recipe, recordings, *parts.groups, fitted)
    bundle = write_bundle(
        out,
        contract=Contract(
            stream=parts.spec,
            preprocess=picked(parts, trained),
            window=window_config(recipe),
            output=output,
            runner=RunnerConfig(graph="decoder"),
        ),
        graphs={"decoder": graph},
        references={"decoder": (inputs, outputs)},
        metrics=tuple(each.metric() for each in scores),
        provenance=origin.model_copy(update={"note": f"{origin.note}; {trained.note}"}),
        overwrite=overwrite,
    )
    progress.advance()
    examples = Examples.counted(len(train), parts.cutting.left_out)
    return Made(bundle, scores, answers, fitted, examples, parity, parts.cutting.out.sfreq)


def settings_of(recipe: Recipe) -> tuple[Brain2PixSettings, dict[str, Any]]:
    """Settings from ``model`` and ``train``, and what further keys of the loop the recipe names.

    Raises
    ------
    ConfigError
        For a network or an argument that there is not, or a wrong value; names the key.
    """
    name, args = recipe.model.name, dict(recipe.model.args)
    if name not in NETWORKS or recipe.window.mode != "event":
        raise ConfigError(
            f"model.name {name!r} with window.mode {recipe.window.mode!r} were given, expected one of "
            f"{', '.join(NETWORKS)}, and 'event'"
        )
    elsewhere = [key for key in BY_THE_RECIPE if key in args]
    if elsewhere:
        raise ConfigError(
            f"model.args: {elsewhere[0]!r} is not said there: a recipe says its network in model.name (and learned = "
            "true), its voxels in stream.ch_names, the scaling in a stage of kind 'scale'; synthetic and share are "
            "experiments of `streamkit reproduce brain2pix`"
        )
    learned = bool(args.pop(LEARNED, False))
    if learned and name != "brain2pix":
        raise ConfigError(f"model.args: learned = true belongs to model 'brain2pix', not to {name!r}")
    plain = recipe.model_copy(update={"model": recipe.model.model_copy(update={"args": args})})
    settings, loop = settings_from(plain, Brain2PixSettings, "Brain2Pix", OF_THE_TRAINING)
    return settings.but(network=LEARNED if learned else NETWORKS[name], scaling="none"), loop


def live_network(trained: Trained, train: Movie, sfreq: float) -> tuple[Network, Any]:
    """The network as live decoding runs it: what it paints comes out straight."""
    film = train.only(trained.voxels)
    network = network_of(trained.settings, film, trained.pixel, sfreq, unwarp=trained.settings.fisheye)
    module = network.build(trained.settings.seed)
    module.load_state_dict(trained.model.state_dict())
    return network, module.eval()


def picked(parts: Parts, trained: Trained) -> PreprocessConfig:
    """The preprocessing, and the choice of voxels where some have no place."""
    names = parts.cutting.out.ch_names
    if len(trained.voxels) == len(names):
        return parts.preprocess
    stage = PickSettings(ch_names=tuple(names[voxel] for voxel in trained.voxels))
    return parts.preprocess.model_copy(update={"stages": (*parts.preprocess.stages, stage)})


def answers_of(trained: Trained, test: Movie, parts: Parts) -> Answers:
    """What was painted beside what was shown, frame by frame."""
    groups = np.array([recording.meta.group for recording in parts.test], np.str_)
    shots = shots_across(parts.test, test.label, test.run)
    return Answers(trained.predict(test), test.shown(), groups[test.run], test.label, test.run, shots)


def scores_of(recipe: Recipe, answers: Answers, output: OutputSpec, train: Movie) -> list[Score]:
    """Of what was painted, shot by shot, then of the mean frame trained on."""
    settings = recipe.evaluate
    draws = Draws(settings.bootstrap, settings.permutations, recipe.train.seed)
    found = score(answers, recipe.target, output, settings, recipe.train.seed)
    guess = np.broadcast_to(train.mean_frame(), answers.values.shape)
    return [*found, *film_or_image_scores(answers, guess, settings, draws, ", mean training image")]
