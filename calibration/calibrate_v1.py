"""calibrate, where responses of mouse V1 (or any like them) are turned into the picture.

CNN, GAN, the inverted encoder, and with pretrained networks of the user's the SD-VAE and the ResNet50 decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration import baselines
from calibration.brainae.material import parts_of
from calibration.calibrate_video import spread
from calibration.evaluate import Answers, image_scores, score
from calibration.export import check_export, export_graph, run_torch
from calibration.fit import Fitted
from calibration.made import Made
from calibration.metrics import Draws, Score
from calibration.mouse_v1 import settings as sizes
from calibration.mouse_v1.features import ROW, FittedFeatures, fit_features, open_classifier
from calibration.mouse_v1.fit_decoder import Guide, fit_decoder
from calibration.mouse_v1.fit_encoder import FittedEncoder, fit_encoder
from calibration.mouse_v1.latents import AUTOENCODERS, FittedLatents, fit_latents, open_autoencoder
from calibration.mouse_v1.live import LiveDecoder, LivePainter, live_step, run_step
from calibration.mouse_v1.material import Animal, Responses, animal_in
from calibration.mouse_v1.meis import most_exciting
from calibration.mouse_v1.scores import METRICS, stretched
from calibration.mouse_v1.scores import score as picture_scores
from calibration.mouse_v1.settings import DecoderSettings, EncoderSettings, FeatureSettings, LatentSettings
from calibration.mouse_v1.trained import Search, Trained
from calibration.network import Network
from calibration.progress import Progress
from calibration.provenance import provenance
from calibration.recipe import Recipe
from calibration.sections import ModelSection, Section
from calibration.system_settings import settings_from
from calibration.tables import items
from calibration.windows import Examples, window_config
from streamkit.bundle import Contract, GraphFiles, write_bundle
from streamkit.errors import ConfigError
from streamkit.inference import RunnerConfig
from streamkit.inference.runners import IterativeConfig
from streamkit.recording import Recording
from streamkit.types import OutputSpec

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.float32]
N_REFERENCES = 4
MOST, MOST_INVERTED = 2000, 200
"""Held-out presentations that are scored at most; the inverted encoder takes its time over each."""
LATENT, RESNET = "v1_latent", "v1_resnet"
DECODERS: dict[str, Section] = {
    "v1_cnn": sizes.CNN,
    "v1_gan": sizes.GAN,
    LATENT: sizes.LatentSettings(),
    RESNET: sizes.FeatureSettings(),
}
INVERSION = "v1_inversion_step"
OF_THE_TRAINING = ("epochs", "batch_size", "lr", "weight_decay", "seed")
BY_THE_RECIPE = ("decoder", "animals")
GUIDED_BY, BUDGET, STEPS = "guided_by", "budget_ms", "steps"
WEIGHTS, AUTOENCODER, ACCEPTED = "weights", "autoencoder", "accept_licence"
PRETRAINED = {
    LATENT: "an image autoencoder ("
    + "; ".join(f"{key}: {', '.join(each)}" for key, each in AUTOENCODERS.items())
    + ")",
    RESNET: f"torchvision's ResNet50 ({ROW.network.url}; licence {ROW.licence})",
}
"""What the decoders around pretrained networks need of the user's."""
NOT_SETTINGS = (GUIDED_BY, BUDGET, STEPS, WEIGHTS, AUTOENCODER, ACCEPTED)
ENCODERS = {
    "published": (sizes.ENCODER, sizes.MEIS, sizes.INVERSION, Search(sizes.RATES, sizes.SIGMAS, sizes.STEPS)),
    "small": (
        sizes.SMALL_ENCODER,
        sizes.SMALL_MEIS,
        sizes.SMALL_INVERSION,
        Search(sizes.SMALL_RATES, sizes.SMALL_SIGMAS, sizes.SMALL_STEPS),
    ),
}
"""What ``guided_by`` names: the encoder that makes the GAN's images or is inverted, and how."""


@dataclass(frozen=True)
class Learnt:
    """A decoder as live decoding runs it.

    Attributes
    ----------
    module
        From a window ``(B, n_neurons, 1)`` as measured to a picture in [0, 1]; of the inverted encoder one step.
    graph, reference
        Of the bundle, and inputs and outputs that belong together.
    seen
        ``(n, 1, height, width)`` of the presentations that are scored.
    """

    module: nn.Module
    network: Network
    history: Any
    graph: GraphFiles
    reference: Any
    runner: Any
    parity: float
    seen: Array
    notes: dict[str, Any] = field(default_factory=dict)


def make(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: str | Path,
    progress: Progress,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> Made:
    """Train, score on the held-out groups, export and write the bundle.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    settings, loop = settings_of(recipe)
    progress.begin("preprocessing", 1)
    check_one(recordings)
    parts = parts_of(recipe, recordings)
    animal = animal_in(recipe, recordings[0].meta.subject, parts)
    progress.advance()
    inverted = isinstance(settings, EncoderSettings)
    test = animal.test[spread(len(animal.test), MOST_INVERTED if inverted else MOST)]
    learn = inversion if inverted else pretrained if recipe.model.name in PRETRAINED else decoder
    learnt: Learnt = learn(recipe, settings, loop, animal, test, checkpoint, progress)
    labels = test.names[test.shown]
    output = OutputSpec(kind="image", shape=animal.train.out_shape, chance=1 / recipe.evaluate.n_way)
    group = parts.test[0].meta.group if len(parts.test) == 1 else "held out"
    nobody = np.zeros(len(test), np.intp)
    answers = Answers(learnt.seen, test.y, np.full(len(test), group), labels, nobody)
    progress.begin("scoring", 1)
    scores = scores_of(recipe, answers, output, animal, test)
    progress.advance()

    progress.begin("exporting", 1)
    fitted = Fitted(learnt.network, learnt.module, learnt.history, len(animal.train), len(animal.validation))
    name = learnt.runner.graph
    bundle = write_bundle(
        out,
        contract=Contract(
            stream=parts.spec,
            preprocess=parts.preprocess,
            window=window_config(recipe),
            output=output,
            runner=learnt.runner,
        ),
        graphs={name: learnt.graph},
        references={name: learnt.reference},
        metrics=tuple(each.metric() for each in scores),
        provenance=provenance(recipe, recordings, *parts.groups, fitted),
        overwrite=overwrite,
    )
    progress.advance()
    examples = Examples.counted(len(animal.train), parts.cutting.left_out)
    return Made(bundle, scores, answers, fitted, examples, learnt.parity, parts.cutting.out.sfreq)


def settings_of(recipe: Recipe) -> tuple[Any, dict[str, Any]]:
    """Settings from ``model`` and ``train``, and what further keys of the loop the recipe names.

    Returns `DecoderSettings`; `EncoderSettings` for the inverted encoder, `LatentSettings` and `FeatureSettings` for
    the decoders around pretrained networks.

    Raises
    ------
    ConfigError
        For a network or an argument that there is not, or a wrong value; names the key.
    """
    known = (*DECODERS, INVERSION)
    if recipe.model.name not in known:
        raise ConfigError(
            f"model.name: {recipe.model.name!r} does not go with train.method 'mouse-v1', expected {', '.join(known)}"
        )
    elsewhere = [key for key in BY_THE_RECIPE if key in recipe.model.args]
    if elsewhere:
        raise ConfigError(f"model.args: {elsewhere[0]!r} is not said there: a recipe says it in model.name and in data")
    if how_guided(recipe) not in ENCODERS:
        raise ConfigError(f"model.args.{GUIDED_BY}: {how_guided(recipe)!r} was given, expected {' or '.join(ENCODERS)}")
    own = {key: value for key, value in recipe.model.args.items() if key not in NOT_SETTINGS}
    base = ENCODERS[how_guided(recipe)][0] if recipe.model.name == INVERSION else DECODERS[recipe.model.name]
    kind = type(base)
    args = {**base.model_dump(mode="json", exclude={"seed"}), **own}
    filled = recipe.model_copy(update={"model": ModelSection(name=recipe.model.name, args=args)})
    training = tuple(key for key in OF_THE_TRAINING if key in kind.model_fields)
    return settings_from(filled, kind, "mouse V1", training)


def how_guided(recipe: Recipe) -> str:
    """Which encoder makes the GAN's images, or is inverted."""
    return str(recipe.model.args.get(GUIDED_BY, "published"))


def check_one(recordings: Sequence[Recording]) -> None:
    """Refuse recordings of several animals: a bundle is made for one."""
    names = sorted({recording.meta.subject for recording in recordings})
    if len(names) > 1:
        raise ConfigError(
            f"data.options: a bundle decodes one animal, and the recordings are of {', '.join(names)}: choose one with "
            "the option 'animal'"
        )


def decoder(
    recipe: Recipe,
    settings: DecoderSettings,
    loop: dict[str, Any],
    animal: Animal,
    test: Responses,
    checkpoint: Path | None,
    progress: Progress,
) -> Learnt:
    """The CNN, or the GAN with the images that an encoder makes."""
    guides = {}
    if settings.decoder == "gan":
        encoder, meis, *_ = ENCODERS[how_guided(recipe)]
        fitted = fit_encoder(
            [animal], encoder, loop=loop, checkpoint=checkpoint and checkpoint / "encoder", progress=progress
        )
        made = most_exciting(fitted.of(animal.name), animal.train.out_shape, meis, progress)
        guides[animal.name] = Guide(made, fitted.places(animal.name))
    trained = fit_decoder(
        [animal],
        settings,
        guides=guides,
        loop=loop,
        checkpoint=checkpoint and checkpoint / "decoder",
        progress=progress,
    )
    live = LiveDecoder(trained.of(animal.name), trained.responses[animal.name].std).eval()
    network, seen = trained.networks[animal.name], trained.predict(test.X, animal.name)
    return exported(live, network, trained.history, animal, seen)


def pretrained(
    recipe: Recipe,
    settings: LatentSettings | FeatureSettings,
    loop: dict[str, Any],
    animal: Animal,
    test: Responses,
    checkpoint: Path | None,
    progress: Progress,
) -> Learnt:
    """The SD-VAE or the ResNet50 decoder, around a network of the user's."""
    told: dict[str, Any] = {"loop": loop, "checkpoint": checkpoint and checkpoint / "decoder", "progress": progress}
    args, shape, weights = recipe.model.args, animal.train.out_shape, recipe.model.args.get(WEIGHTS)
    if not weights:
        raise ConfigError(
            f"model.args.{WEIGHTS} is not given: this decoder goes around {PRETRAINED[recipe.model.name]}, which "
            f"streamkit neither has nor fetches. Fetch it and give its path: --set model.args.{WEIGHTS}=PATH"
        )
    if isinstance(settings, LatentSettings):
        named = str(args.get(AUTOENCODER, "sd-v1-4"))
        autoencoder = open_autoencoder(weights, named, accept_licence=args.get(ACCEPTED) is True)
        chain: FittedLatents | FittedFeatures = fit_latents(animal, autoencoder, settings, **told)
        side = autoencoder.side
    else:
        classifier = open_classifier(weights, settings.side)
        chain = fit_features(animal, classifier, settings, **told)
        side = classifier.side
    sizes_of = {"n_chans": animal.train.n_neurons, "n_times": 1, "out_shape": list(shape), "sfreq": 1.0}
    network = Network(recipe.model.name, sizes_of)
    live = LivePainter(chain.decoder, chain.responses, side, shape).eval()
    return exported(live, network, chain.history, animal, chain.predict(test.X, shape))


def exported(live: nn.Module, network: Network, history: Any, animal: Animal, seen: Array) -> Learnt:
    """A decoder that answers at once, as its bundle has it."""
    inputs = animal.train.X[spread(len(animal.train), N_REFERENCES)][:, :, None]
    graph = export_graph(live, inputs[:2])
    outputs = run_torch(live, inputs)
    return Learnt(
        module=live,
        network=network,
        history=history,
        graph=graph,
        reference=(inputs, outputs),
        runner=RunnerConfig(graph="decoder"),
        parity=check_export(graph, inputs, outputs),
        seen=stretched(seen),
    )


def inversion(
    recipe: Recipe,
    settings: EncoderSettings,
    loop: dict[str, Any],
    animal: Animal,
    test: Responses,
    checkpoint: Path | None,
    progress: Progress,
) -> Learnt:
    """The inverted encoder: its step is chosen on validation pictures, and runs again and again while there is time."""
    if settings.readout != "gaussian":
        raise ConfigError("model.args.readout: only an encoder with the Gaussian readout is inverted live")
    _, meis, begin, search = ENCODERS[how_guided(recipe)]
    fitted: FittedEncoder = fit_encoder(
        [animal], settings, loop=loop, checkpoint=checkpoint and checkpoint / "encoder", progress=progress
    )
    trained = Trained(material_of_one(animal), settings, meis, begin, search, progress=progress)
    chosen, _ = trained.chosen(fitted)
    chosen = chosen.but(steps=int(recipe.model.args.get(STEPS, chosen.steps)), seed=recipe.train.seed)
    step = live_step(fitted, animal.name, animal.train.out_shape, chosen).eval()
    rows = spread(len(animal.train), N_REFERENCES)
    noise = np.random.default_rng(0).standard_normal((len(rows), *animal.train.out_shape)).astype(np.float32)
    inputs = (noise, animal.train.X[rows][:, :, None])
    outputs = run_step(step, inputs)
    graph = export_graph(step, inputs, input_names=("image", "window"), output_names=("next_image", "shown"))
    runner = IterativeConfig(
        graph="step",
        state={"image": "next_image"},
        start={"image": "noise"} if chosen.start == "noise" else {},
        answer="shown",
        seed=chosen.seed,
        max_steps=chosen.steps,
        budget_ms=recipe.model.args.get(BUDGET),
    )
    sizes_of = {"n_chans": animal.train.n_neurons, "n_times": 1, "out_shape": list(animal.train.out_shape)}
    own = settings.model_dump(include={"channels", "kernel", "hidden_kernel", "layers"})
    network = Network(INVERSION, {**sizes_of, **own, "lr": chosen.lr, "sigma": chosen.sigma, "rescale": chosen.rescale})
    return Learnt(
        module=step,
        network=network,
        history=fitted.history,
        graph=graph,
        reference=(inputs, outputs),
        runner=runner,
        parity=check_export(graph, inputs, outputs[0]),
        seen=stretched(trained.inverted(fitted, chosen, test.X)),
    )


def material_of_one(animal: Animal) -> Any:
    """A material of one animal."""
    from calibration.mouse_v1.material import Material

    return Material((animal,), animal.name, simulated=False)


def scores_of(recipe: Recipe, answers: Answers, output: OutputSpec, animal: Animal, test: Responses) -> list[Score]:
    """Identification and pixels of single presentations, the report's scores of means, ridge and the mean image."""
    settings = recipe.evaluate
    draws = Draws(settings.bootstrap, settings.permutations, recipe.train.seed)
    found = score(answers, recipe.target, output, settings, recipe.train.seed)
    if len(test) and len(np.unique(test.shown)) == len(test):
        own = picture_scores(answers.values, answers.y, draws, settings.n_way)
        found += [items.score([own[name]], draws) for name in METRICS]
    train = animal.train
    rivals = {
        ", ridge decoder": baselines.ridge_images(train.X[:, :, None], train.y, test.X),
        ", mean training image": baselines.mean_image(train.y, len(test)),
    }
    for suffix, images in rivals.items():
        found += image_scores(images, test.y, answers.labels, settings, draws, suffix)
    return found
