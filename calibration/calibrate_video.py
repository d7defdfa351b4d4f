"""calibrate, where the target is a clip: spikes to video, whole clips at a trial's end or a frame for every bin."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.material import Parts, parts_of
from calibration.datasets.dots_clips import sheet, sheet_size
from calibration.evaluate import Answers, film_or_image_scores, score
from calibration.export import check_export, export_graph, run_torch
from calibration.fit import Fitted
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.network import Network
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.spikes2video.fit import fit_spikes2video, network_of
from calibration.spikes2video.material import Trials
from calibration.spikes2video.pseudo import split
from calibration.spikes2video.recorded import stream_in, trials_of
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.streaming import Stream, fit_streaming, some
from calibration.system_settings import settings_from
from calibration.tables import items
from calibration.windows import Examples, window_config
from streamkit.bundle import Contract, write_bundle
from streamkit.errors import ConfigError
from streamkit.inference import RunnerConfig
from streamkit.recording import Recording
from streamkit.types import OutputSpec

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.float32]
N_REFERENCES = 4
MOST_CLIPS, MOST_FRAMES = 2048, 20_000
"""Held-out answers that are scored at most, so that they fit into memory: as many of every condition, evenly spread."""
NETWORKS = {"spikes2video": "unet", "spikes2video_mlp": "mlp", "spikes2video_shallow": "shallow"}
STREAMING = "spikes2video_streaming"
OF_THE_TRAINING = ("epochs", "batch_size", "lr", "optimiser", "step", "gamma", "seed")
"""Keys of a recipe's ``train`` that `Spikes2VideoSettings` has as well."""
BY_THE_RECIPE = ("network", "regions", "scaling")
"""Settings that a recipe says elsewhere: by its model, its stream and its preprocessing."""


@dataclass(frozen=True)
class Learnt:
    """A network as live decoding runs it, and what it said about the held-out windows.

    Attributes
    ----------
    module, network
        From standardised counts ``(B, n_sites, n_bins)`` to an image: a frame, or the sheet of a clip.
    windows
        ``(n, n_sites, n_bins)`` some of those trained on.
    seen, shown
        ``(n, C, H, W)`` of the held-out windows.
    labels, groups
        ``(n,)`` what each shows, and where it is from.
    further
        Scores beside those that any image has.
    """

    module: nn.Module
    network: Network
    history: Any
    n_train: int
    n_validation: int
    windows: Array
    seen: Array
    shown: Array
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    mean: Array
    further: list[Score]


def make(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: str | Path,
    progress: Progress,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> Made:
    """Train, score on the held-out groups, export and write the bundle.

    With windows behind events the answer is a whole clip, on a sheet of all its frames; with hopping windows it is the
    frame under the newest bin.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    settings, loop = settings_of(recipe)
    progress.begin("preprocessing", 1)
    parts = parts_of(recipe, recordings)
    progress.advance()
    learn = streaming if recipe.window.mode == "hop" else whole_clips
    learnt = learn(recipe, parts, settings, loop, checkpoint, progress)
    output = OutputSpec(
        kind="image",
        shape=learnt.seen.shape[1:],
        chance=1 / min(recipe.evaluate.n_way, len(np.unique(learnt.labels))),
    )
    nobody = np.zeros(len(learnt.seen), np.intp)
    streamed = recipe.window.mode == "hop"
    answers = Answers(learnt.seen, learnt.shown, learnt.groups, learnt.labels, nobody, streamed=streamed)
    progress.begin("scoring", 1)
    scores = scores_of(recipe, answers, output, learnt)
    progress.advance()

    progress.begin("exporting", 1)
    fitted = Fitted(learnt.network, learnt.module, learnt.history, learnt.n_train, learnt.n_validation)
    graph = export_graph(
        learnt.module, learnt.windows[:2], builder=learnt.network.name, builder_args=learnt.network.args
    )
    inputs = learnt.windows[:N_REFERENCES]
    outputs = run_torch(learnt.module, inputs)
    parity = check_export(graph, inputs, outputs)
    bundle = write_bundle(
        out,
        contract=Contract(
            stream=parts.spec,
            preprocess=parts.preprocess,
            window=window_config(recipe),
            output=output,
            runner=RunnerConfig(graph="decoder"),
        ),
        graphs={"decoder": graph},
        references={"decoder": (inputs, outputs)},
        metrics=tuple(each.metric() for each in scores),
        provenance=provenance(recipe, recordings, *parts.groups, fitted),
        overwrite=overwrite,
    )
    progress.advance()
    examples = Examples.counted(learnt.n_train, parts.cutting.left_out)
    return Made(bundle, scores, answers, fitted, examples, parity, parts.cutting.out.sfreq)


def settings_of(recipe: Recipe) -> tuple[Spikes2VideoSettings, dict[str, Any]]:
    """Settings from ``model`` and ``train``, and what further keys of the loop the recipe names.

    Raises
    ------
    ConfigError
        For a network or an argument that there is not, or a wrong value; names the key.
    """
    check_network(recipe)
    elsewhere = [key for key in BY_THE_RECIPE if key in recipe.model.args]
    if elsewhere:
        raise ConfigError(
            f"model.args: {elsewhere[0]!r} is not said there: a recipe says its network in model.name, its sites in "
            "stream.ch_names, and the scaling of counts in a stage of kind 'scale'"
        )
    settings, loop = settings_from(recipe, Spikes2VideoSettings, "spikes to video", OF_THE_TRAINING)
    return settings.but(network=NETWORKS.get(recipe.model.name, "unet"), scaling="none"), loop


def check_network(recipe: Recipe) -> None:
    """Refuse a network that does not answer windows as the recipe cuts them."""
    hop = recipe.window.mode == "hop"
    fit = (STREAMING,) if hop else tuple(NETWORKS)
    if recipe.model.name not in fit:
        raise ConfigError(
            f"model.name: {recipe.model.name!r} does not go with window.mode {recipe.window.mode!r} and target kind "
            f"'video', expected {' or '.join(fit)}"
        )


def whole_clips(
    recipe: Recipe,
    parts: Parts,
    settings: Spikes2VideoSettings,
    loop: dict[str, Any],
    checkpoint: Path | None,
    progress: Progress,
) -> Learnt:
    """The paper's form: a clip for every trial."""
    from models.spikes2video import on_sheet

    train, test = trials_of(recipe, parts, parts.train), trials_of(recipe, parts, parts.test)
    train, validation = watched(recipe, parts, train)
    fitted = fit_spikes2video(train, validation, settings, loop=loop, checkpoint=checkpoint, progress=progress)
    test = some_trials(test, MOST_CLIPS)
    seen, shown = fitted.predict(test.X), test.video
    size = sheet_size(train.stages.n_frames)
    plain = network_of(settings, *train.size, train.out_shape, train.sfreq)
    out_shape = list(sheet(shown[0], size).shape)
    names = np.array([f"clip {row:04d}" for row in test.shown], np.str_)
    return Learnt(
        module=on_sheet(fitted.model, size).eval(),
        network=Network(plain.name, {**plain.args, "out_shape": out_shape, "sheet": list(size)}),
        history=fitted.history,
        n_train=len(train),
        n_validation=0 if validation is None else len(validation),
        windows=fitted.standardised(train.X[spread(len(train), N_REFERENCES)]),
        seen=np.stack([sheet(clip, size) for clip in seen]),
        shown=np.stack([sheet(clip, size) for clip in shown]),
        labels=names,
        groups=test.session,
        mean=sheet(train.mean_clip(), size),
        further=content_scores(recipe, seen, test),
    )


def watched(recipe: Recipe, parts: Parts, train: Trials) -> tuple[Trials, Trials | None]:
    """What is trained on, and what picks the epoch: the groups that the recipe names, or a share of every condition."""
    if parts.validation:
        return train, trials_of(recipe, parts, parts.validation)
    share = recipe.split.validation
    if not isinstance(share, float) or not share:
        return train, None
    dealt = split(train, {"train": 1 - share, "validation": share}, recipe.train.seed)
    return dealt["train"], dealt["validation"] if len(dealt["validation"]) else None


def streaming(
    recipe: Recipe,
    parts: Parts,
    settings: Spikes2VideoSettings,
    loop: dict[str, Any],
    checkpoint: Path | None,
    progress: Progress,
) -> Learnt:
    """A frame for every bin; the epoch is picked by the validation groups, without one the last is kept."""
    train, test = (stream_in(recipe, parts, part, settings.eta) for part in (parts.train, parts.test))
    validation = stream_in(recipe, parts, parts.validation, settings.eta) if parts.validation else None
    sfreq = parts.cutting.out.sfreq
    fitted = fit_streaming(
        train, validation, settings, sfreq=sfreq, loop=loop, checkpoint=checkpoint, progress=progress
    )
    test = test.only(spread(len(test), MOST_FRAMES))
    return Learnt(
        module=fitted.model,
        network=fitted.network,
        history=fitted.history,
        n_train=n_windows(train, settings),
        n_validation=0 if validation is None else n_windows(validation, settings),
        windows=train.windows(spread(len(train), N_REFERENCES)),
        seen=fitted.predict(test),
        shown=test.shown(),
        labels=np.array([f"frame {row:04d}" for row in test.frame], np.str_),
        groups=np.full(len(test), parts.test[0].meta.group if len(parts.test) == 1 else "held out"),
        mean=train.mean_frame(),
        further=[],
    )


def n_windows(stream: Stream, settings: Spikes2VideoSettings) -> int:
    """How many windows of a stream a training takes."""
    return len(some(stream, settings.windows, settings.seed))


def spread(n: int, most: int) -> NDArray[np.intp]:
    """Rows evenly spread, all of them where they are few."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))


def some_trials(trials: Trials, most: int) -> Trials:
    """As many trials of every condition, all of them where they are few."""
    if len(trials) <= most:
        return trials
    each = max(1, most // len(np.unique(trials.condition)))
    kept = [rows[spread(len(rows), each)] for _, rows in trials.rows_of_conditions()]
    return trials[np.sort(np.concatenate(kept))]


def scores_of(recipe: Recipe, answers: Answers, output: OutputSpec, learnt: Learnt) -> list[Score]:
    """Identification and pixels as for any image, then the content of clips, then the mean image trained on."""
    settings = recipe.evaluate
    draws = Draws(settings.bootstrap, settings.permutations, recipe.train.seed)
    found = score(answers, recipe.target, output, settings, recipe.train.seed)
    guess = np.broadcast_to(learnt.mean, answers.values.shape)
    return [
        *found,
        *learnt.further,
        *film_or_image_scores(answers, guess, settings, draws, ", mean training image"),
    ]


def content_scores(recipe: Recipe, seen: Array, test: Trials) -> list[Score]:
    """Cue, colour, motion and fidelity of single trials; motion where OpenCV is there."""
    from calibration.spikes2video.fidelity import fidelity
    from calibration.spikes2video.scores import CONTENT, DIRECTION, Scenes, content

    draws = Draws(recipe.evaluate.bootstrap, recipe.evaluate.permutations, recipe.train.seed)
    scenes = Scenes.of(seen, test)
    flows = importlib.util.find_spec("cv2") is not None
    metrics = [name for name in CONTENT if flows or name != DIRECTION] if min(test.stages) else []
    found = content(scenes, draws, metrics) | fidelity(scenes, draws)
    return [items.score([each], draws) for each in found.values()]
