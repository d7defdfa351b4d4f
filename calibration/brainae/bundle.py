"""What a bundle of BrainAE holds: both graphs, templates, features and pictures of its stimuli, and the contract."""

from __future__ import annotations

import glob
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.fit import Fitted
from calibration.brainae.material import Parts, Trials
from calibration.brainae.pairs import Pairs
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.stimuli import Stimuli
from calibration.export import check_export, export_graph, run_torch
from calibration.network import Network
from calibration.recipe import Recipe
from calibration.windows import window_config
from streamkit.bundle import Contract, EncodingSpec, GraphFiles
from streamkit.inference.runners import RetrievalConfig
from streamkit.recording.images import as_pixels, resized
from streamkit.types import OutputSpec

Array = NDArray[np.floating]
Reference = tuple[Array, Array]
N_REFERENCES = 8
THUMBNAIL = 64
"""Side in pixels, at most, of the pictures that go into a bundle."""


def what_it_knows(
    recipe: Recipe, parts: Parts, system: Fitted, stimuli: Stimuli, trials: dict[str, Trials]
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
    system: Fitted, encoder: Network, train: Pairs
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
