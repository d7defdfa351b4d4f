"""Score a decoder: outputs beside targets, and a bundle run by its own pipeline over a recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration import metrics
from calibration.baselines import cca_classes, cca_order
from calibration.metrics import Draws, Score
from calibration.recipe import Recipe, recipe_from
from calibration.sections import EvaluateSection, TargetSection
from calibration.streams import narrow
from calibration.windows import examples_of, targets_of
from streamkit.bundle import ModelBundle, contract_signals
from streamkit.errors import BundleError, ConfigError, RecordingError
from streamkit.inference import Choice, Wishes
from streamkit.pipeline import Pipeline
from streamkit.recording import Recording, Signal
from streamkit.types import Chunk, OutputSpec, Prediction, StreamSpec

if TYPE_CHECKING:
    from calibration.brain2pix.material import Shots

Array = NDArray[np.floating]
CHUNK_S = 1.0
IRREGULAR_CHUNK = 256
DEFAULT_METRIC = {
    "class": "balanced_accuracy",
    "signal": "pearson",
    "image": "identification",
    "embedding": "top-1",
    "response": "top-1",
    "video": "identification",
}
FOUND = ("embedding", "response")
"""Kinds of target whose answer is one of the pictures known."""
FILMS = "brain2pix"
"""Method of training whose pictures are frames of films, scored shot by shot."""


@dataclass(frozen=True)
class Answers:
    """What a decoder said and what it should have said.

    Attributes
    ----------
    values
        ``(n, *output.shape)``, activation applied.
    y
        Targets as in `calibration.windows.Examples`.
    groups, labels, recording
        ``(n,)`` group, marker label, number of the recording.
    shots
        Of frames of films: which belong together, and count as one item.
    streamed
        Whether they are windows of streams, one behind the other, and not events.
    things
        Of a target that is a response: which thing each picture known shows, by its label.
    """

    values: Array
    y: NDArray[np.generic]
    groups: NDArray[np.str_]
    labels: NDArray[np.str_]
    recording: NDArray[np.intp]
    shots: Shots | None = None
    streamed: bool = False
    things: Mapping[str, int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Those of several folds as one; every recording keeps a number of its own."""
        offsets = np.cumsum([0, *(part.recording.max() + 1 for part in parts[:-1])])
        columns = [
            np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "y", "groups", "labels")
        ]
        numbers = [part.recording + at for part, at in zip(parts, offsets, strict=True)]
        return cls(*columns, recording=np.concatenate(numbers))


@dataclass(frozen=True)
class Evaluation:
    """Scores of a bundle on recordings.

    Attributes
    ----------
    scores
        The main one first.
    answers
        What they were computed from.
    counts
        What became of the windows, over all recordings.
    backend, choices
        Name of the backend that ran the graphs; and for each of them, what ran it and why.
    """

    scores: tuple[Score, ...]
    answers: Answers
    output: OutputSpec
    target: TargetSection
    counts: dict[str, int] = field(default_factory=dict)
    backend: str = ""
    choices: Mapping[str, Choice] = field(default_factory=dict)


def score(
    answers: Answers,
    target: TargetSection,
    output: OutputSpec,
    settings: EvaluateSection,
    seed: int,
    within: bool = False,
) -> list[Score]:
    """All metrics of a target kind, the recipe's own first.

    Parameters
    ----------
    within
        For classes: score each group by itself and take the mean (cross-validation).

    Raises
    ------
    ConfigError
        When the recipe asks for a metric that this target does not have.
    """
    draws = Draws(settings.bootstrap, settings.permutations, seed)
    kinds = {"class": _classes, "signal": _signals, "image": _images, "video": _images}
    kinds |= {"embedding": _pictures, "response": _pictures}
    scores = kinds[target.kind](answers, output, settings, draws, within)
    wanted = settings.metric or ("auc" if len(output.labels) == 2 and target.kind == "class" else None)
    wanted = wanted or DEFAULT_METRIC[target.kind]
    main = [s for s in scores if wanted in s.name]
    if not main:
        names = ", ".join(s.name for s in scores)
        raise ConfigError(f"evaluate.metric: {wanted!r} does not fit this target, which has {names}")
    return main[:1] + [s for s in scores if s is not main[0]]


def _classes(a: Answers, output: OutputSpec, settings: EvaluateSection, draws: Draws, within: bool) -> list[Score]:
    guess, n_classes = a.values.argmax(1), len(output.labels)
    # A guess that says every class as often as the decoder does, which is also what the permutations do.
    same_rates = float(np.bincount(a.y, minlength=n_classes) @ np.bincount(guess, minlength=n_classes)) / len(a) ** 2
    table = [
        ("balanced_accuracy", metrics.balanced_accuracy, guess, 1 / n_classes),
        ("accuracy", metrics.accuracy, guess, same_rates),
    ]
    if n_classes == 2:
        table.insert(0, ("auc", metrics.auc, a.values[:, 1] - a.values[:, 0], 0.5))
    return [
        metrics.score_classes(name, metric, a.y, said, a.groups, chance, draws, within)
        for name, metric, said, chance in table
    ]


def _signals(a: Answers, output: OutputSpec, settings: EvaluateSection, draws: Draws, within: bool) -> list[Score]:
    names = [f"pearson, {label}" for label in output.labels] if len(output.labels) > 1 else ["pearson"]
    return [metrics.score_trace(name, a.y[:, k], a.values[:, k], a.recording, draws) for k, name in enumerate(names)]


def _images(a: Answers, output: OutputSpec, settings: EvaluateSection, draws: Draws, within: bool) -> list[Score]:
    return film_or_image_scores(a, a.values, settings, draws)


def _pictures(a: Answers, output: OutputSpec, settings: EvaluateSection, draws: Draws, within: bool) -> list[Score]:
    from calibration.embedding import retrieval_scores

    thing = None if a.things is None else np.array([a.things[label] for label in output.labels])
    return retrieval_scores(a.values, np.asarray(a.y, int), draws, thing)


def film_or_image_scores(
    a: Answers, images: Array, settings: EvaluateSection, draws: Draws, suffix: str = ""
) -> list[Score]:
    """Score any reconstructions of what was shown: shot by shot where that is frames of films, else by image."""
    if a.shots is None:
        sequence = a.recording if a.streamed else None
        return image_scores(images, a.y, a.labels, settings, draws, suffix, sequence)
    from calibration.brain2pix.scores import film_scores

    found = film_scores(images, np.asarray(a.y), a.shots, settings.n_way, draws)
    return [s.named(s.name + suffix) for s in found]


def image_scores(
    images: Array,
    shown: Array,
    labels: NDArray[np.str_],
    settings: EvaluateSection,
    draws: Draws,
    suffix: str = "",
    sequence: NDArray[np.intp] | None = None,
) -> list[Score]:
    """Score identification and pixel correlation of any reconstructions of the shown images."""
    scores = [
        metrics.score_identification(images, shown, labels, settings.n_way, draws, sequence=sequence),
        metrics.score_pixels(images, shown, labels, draws, sequence=sequence),
    ]
    return [s.named(s.name + suffix) for s in scores]


def score_cca(
    X: Array,
    y: NDArray[np.integer],
    groups: NDArray[np.str_],
    sfreq: float,
    output: OutputSpec,
    settings: EvaluateSection,
    seed: int,
) -> Score:
    """Balanced accuracy of canonical correlation on the same windows."""
    guess = cca_classes(X, cca_order(output.labels, settings.cca), sfreq)
    draws = Draws(settings.bootstrap, settings.permutations, seed)
    found = metrics.score_classes(
        "balanced_accuracy, CCA", metrics.balanced_accuracy, y, guess, groups, 1 / len(output.labels), draws
    )
    return found.named(found.name, "canonical correlation with sines, untrained; " + found.note)


def evaluate(
    bundle: ModelBundle, recordings: Sequence[Recording], *, backend: Wishes = "auto", strict: bool = False
) -> Evaluation:
    """Run a bundle's own pipeline over recordings and score what it says.

    Parameters
    ----------
    backend
        What to run it with: a `Wish`, or the name of a backend.
    strict
        Raise when a backend fails its proof, rather than use another.

    Raises
    ------
    ContractMismatch
        When a recording is not what the bundle was calibrated on.
    BundleError
        When the bundle does not say what its answers should have been.
    RecordingError
        When not one prediction has a target.
    """
    recipe = recipe_of(bundle)
    output = bundle.contract.output
    runner = bundle.open_runner(backend, strict=strict)
    try:
        per_recording = [run_pipeline(bundle, runner, recording, recipe) for recording in recordings]
    finally:
        runner.close()
    answers = answers_of(recordings, [predictions for predictions, _ in per_recording], recipe.target, output)
    if recipe.train.method == FILMS:
        from calibration.brain2pix.recorded import shots_across

        answers = replace(answers, shots=shots_across(recordings, answers.labels, answers.recording))
    if recipe.target.kind == "response":
        from calibration.image2ecog.pictures import things_by_label

        answers = replace(answers, things=things_by_label(recipe, recordings, output.labels))
    counts = {key: sum(c.get(key, 0) for _, c in per_recording) for key in per_recording[0][1]}
    seed = bundle.provenance.seed or 0
    scores = score(answers, recipe.target, output, recipe.evaluate, seed)
    if recipe.evaluate.cca:
        contract = bundle.contract
        examples = examples_of(recordings, contract.stream, contract.preprocess, recipe, contract.also)
        rate = bundle.contract.processed.sfreq
        scores.append(score_cca(examples.X, examples.y, examples.groups, rate, output, recipe.evaluate, seed))
    if bundle.contract.encoding is not None:
        from calibration.embedding import encoding_scores

        draws = Draws(recipe.evaluate.bootstrap, recipe.evaluate.permutations, seed)
        scores += encoding_scores(bundle, recordings, draws, backend, answers.things)
    return Evaluation(tuple(scores), answers, output, recipe.target, counts, runner.backend, runner.choices)


def recipe_of(bundle: ModelBundle) -> Recipe:
    """Return the recipe a bundle was calibrated by, or what its contract says where somebody packed it.

    Raises
    ------
    BundleError
        When neither says what the right answer is.
    """
    if bundle.provenance.recipe:
        return recipe_from(bundle.provenance.recipe, f"{bundle.path} (the recipe in its provenance)")
    contract = bundle.contract
    target = _target_from(bundle)
    return recipe_from(
        {
            "name": bundle.path.name,
            "data": {"dataset": "file"},
            "preprocess": contract.preprocess.model_dump(),
            "window": contract.window.model_dump(),
            "target": target,
            "model": {"name": "packed"},
        },
        f"{bundle.path} (its contract)",
    )


def _target_from(bundle: ModelBundle) -> dict[str, object]:
    output = bundle.contract.output
    if output.kind == "probabilities" and output.classes:
        return {"kind": "class", "classes": dict(output.classes)}
    if output.kind == "image":
        return {"kind": "image", "size": output.shape[1], "grey": output.shape[0] == 1}
    raise BundleError(
        f"{bundle.path} does not say what its answers should have been: it was not made by `calibrate`, and its "
        'contract has no output.classes. Pack it again with classes, such as {"1" = "nontarget", "2" = "target"}'
    )


def run_pipeline(
    bundle: ModelBundle, runner: object, recording: Recording, recipe: Recipe
) -> tuple[list[Prediction], dict[str, int]]:
    """All predictions of one recording in order, and what became of its windows."""
    contract = bundle.contract
    signal, others = contract_signals(contract, recording, recipe.stream.name)
    pipeline = Pipeline(
        contract.stream,
        contract.preprocess,
        contract.window,
        runner,  # type: ignore[arg-type]
        also=contract.also,
    )
    sides = [_chunks(other, side.stream) for other, side in zip(others, contract.also, strict=True)]
    events, at = recording.events(), 0
    predictions: list[Prediction] = []
    for chunk in _chunks(signal, contract.stream):
        for number, coming in enumerate(sides, 1):
            while coming and coming[0].stamps[0] <= chunk.stamps[-1]:
                pipeline.push(coming.popleft(), number)
        predictions += pipeline.push(chunk)
        while at < len(events) and events[at].stamp <= chunk.stamps[-1]:
            predictions += pipeline.push_event(events[at])
            at += 1
    for event in events[at:]:
        predictions += pipeline.push_event(event)
    predictions += pipeline.finish()
    return predictions, dict(pipeline.counts)


def _chunks(signal: Signal | None, expected: StreamSpec) -> deque[Chunk]:
    """The channels that are expected, in chunks of about a second."""
    if signal is None:
        return deque()
    size = max(1, round(CHUNK_S * signal.spec.sfreq)) if signal.spec.sfreq else IRREGULAR_CHUNK
    return deque(narrow(signal, expected.ch_names).chunks(size))


def wanted_of(
    recording: Recording, said: Sequence[Prediction], target: TargetSection, output: OutputSpec
) -> Sequence[object]:
    """What each prediction should have been; where it is found among pictures, which of them was shown."""
    if target.kind == "video":
        from calibration.spikes2video.recorded import image_on_screen

        return [image_on_screen(recording, label, output.shape) for label in labels_of(recording, said, target, output)]
    if target.kind not in FOUND:
        return targets_of(recording, said, target)
    place = {label: k for k, label in enumerate(output.labels)}
    return [place.get(prediction.event.label) if prediction.event else None for prediction in said]


def labels_of(recording: Recording, said: Sequence[Prediction], target: TargetSection, output: OutputSpec) -> list[str]:
    """Label of the event that each prediction answers; of a stream of frames, of the frame that was on the screen."""
    if target.kind == "video" and not any(prediction.event for prediction in said):
        from calibration.spikes2video.recorded import on_screen

        return on_screen(recording, np.array([prediction.stamp for prediction in said]))
    return [prediction.event.label if prediction.event else "" for prediction in said]


def answers_of(
    recordings: Sequence[Recording],
    predictions: Sequence[Sequence[Prediction]],
    target: TargetSection,
    output: OutputSpec,
) -> Answers:
    """Put predictions beside what they should have been, but for those over invalid samples or without a target."""
    # The order of the outputs is the contract's; the patterns of the classes may name them in another.
    place = [output.labels.index(name) for name in target.labels] if target.kind == "class" else []
    rows = []
    for number, (recording, said) in enumerate(zip(recordings, predictions, strict=True)):
        labels = labels_of(recording, said, target, output)
        for prediction, label, wanted in zip(said, labels, wanted_of(recording, said, target, output), strict=True):
            if prediction.valid and wanted is not None:
                right = place[wanted] if place else wanted  # type: ignore[index]
                rows.append((prediction.values, right, recording.meta.group, label, number))
    if not rows:
        names = ", ".join(recording.meta.name for recording in recordings) or "none"
        raise RecordingError(f"nothing to score in {names}: no prediction belongs to an event or signal of the target")
    values, targets, groups, labels, numbers = zip(*rows, strict=True)
    return Answers(
        np.stack(values),
        np.asarray(targets),
        np.array(groups, np.str_),
        np.array(labels, np.str_),
        np.array(numbers),
        streamed=target.kind == "video" and not any(each.event for said in predictions for each in said),
    )
