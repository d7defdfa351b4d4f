"""From recordings, and the recipe that says how they are read, to what the experiments need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.pairs import Material, Pairs
from calibration.brainae.stimuli import Stimuli, labels_of, stimuli_of
from calibration.datasets.things import concept_of
from calibration.progress import Progress
from calibration.recipe import Recipe
from calibration.split import hold_out
from calibration.streams import contract_stream, training_signals
from calibration.windows import Cutting
from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, fit_preprocess
from streamkit.recording import Recording
from streamkit.types import StreamSpec

Array = NDArray[np.float32]
REGIONS = {"frontal": ("Fp", "AF", "F"), "central": ("FC", "C", "T", "FT"), "parietal": ("CP", "TP", "P")}
REGIONS |= {"occipital": ("PO", "O")}
"""Rows of the 10-10 system by the letters that their names begin with."""


@dataclass(frozen=True)
class Trials:
    """Single trials of some recordings.

    Attributes
    ----------
    X
        ``(n, n_chans, n_times)`` float32, processed.
    labels
        ``(n,)`` the image shown in each.
    """

    X: Array
    labels: NDArray[np.str_]


@dataclass(frozen=True)
class Parts:
    """The recordings of a recipe by their part in it, the preprocessing fitted to those trained on, what cuts them."""

    train: tuple[Recording, ...]
    validation: tuple[Recording, ...]
    test: tuple[Recording, ...]
    spec: StreamSpec
    preprocess: PreprocessConfig
    cutting: Cutting

    @property
    def all(self) -> tuple[Recording, ...]:
        """Every recording."""
        return (*self.train, *self.validation, *self.test)

    @property
    def groups(self) -> tuple[list[str], list[str]]:
        """Names of the groups that a training may see, and of those held out, each once."""
        seen, held = (
            list(dict.fromkeys(each.meta.group for each in part))
            for part in ((*self.train, *self.validation), self.test)
        )
        return seen, held


def parts_of(recipe: Recipe, recordings: Sequence[Recording]) -> Parts:
    """Split recordings as the recipe says, and fit its preprocessing to those that are trained on.

    Raises
    ------
    ConfigError
        When nothing is left to train on, or nothing is held out.
    """
    groups = [recording.meta.group for recording in recordings]
    kept, held = hold_out(groups, recipe.split.held_out)
    aside: list[str] = []
    if isinstance(recipe.split.validation, tuple) and recipe.split.validation:
        kept, aside = hold_out(kept, recipe.split.validation)
    if not held:
        raise ConfigError("split.held_out names nothing, and nothing is left to test on: name a group")
    train, validation, test = (
        tuple(each for each in recordings if each.meta.group in names) for names in (kept, aside, held)
    )
    spec = contract_stream(recordings, recipe)
    preprocess = fit_preprocess(spec, recipe.preprocess, training_signals(train, recipe))
    return Parts(train, validation, test, spec, preprocess, Cutting(recipe, spec, preprocess))


def fitted_to(recipe: Recipe, recordings: Sequence[Recording]) -> Recipe:
    """The recipe with its preprocessing fitted, so that other recordings are processed just as these are."""
    return recipe.model_copy(update={"preprocess": parts_of(recipe, recordings).preprocess})


def trials_of(parts: Parts, recordings: Sequence[Recording]) -> Trials:
    """All valid windows after events that show a known image.

    Raises
    ------
    RecordingError
        When there is none.
    """
    found = [shown for recording in recordings for shown in parts.cutting(recording).shown()]
    if not found:
        raise parts.cutting.nothing("no window after an event with an image", recordings)
    windows, labels = zip(*found, strict=True)
    return Trials(np.stack([np.asarray(window.data, np.float32).T for window in windows]), np.array(labels, np.str_))


def material_of(
    recipe: Recipe,
    recordings: Sequence[Recording],
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Material:
    """Responses and features of a recipe whose target is the embedding of what was shown.

    The trials of an image are averaged for training and validation, and left single for the test.

    Parameters
    ----------
    cache
        Folder for the features of images.

    Raises
    ------
    ConfigError, RecordingError
        When the recipe and the recordings do not go together.
    """
    parts = parts_of(recipe, recordings)
    stimuli = stimuli_of(recipe, parts.all, cache, progress)

    def pairs(part: Sequence[Recording]) -> Pairs:
        trials = trials_of(parts, part)
        return stimuli.pairs(trials.X, trials.labels)

    processed = parts.cutting.out
    simulated = any(recording.meta.simulated for recording in recordings)
    return Material(
        train=pairs(parts.train).by_image(),
        validation=pairs(parts.validation).by_image() if parts.validation else None,
        test=pairs(parts.test),
        gallery=stimuli.gallery(labels_of(parts.test)),
        sfreq=processed.sfreq,
        ch_names=processed.ch_names,
        regions=regions_of(processed.ch_names),
        categories=photographs_of(stimuli) if simulated else {},
        name=recipe.name,
        simulated=simulated,
    )


def photographs_of(stimuli: Stimuli) -> dict[int, str]:
    """The photograph that each concept of a simulated world was cut from: its super-category."""
    named = zip(stimuli.concept.tolist(), stimuli.labels, strict=True)
    return {concept: concept_of(concept_of(label)) for concept, label in named}


def regions_of(ch_names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Channels of each region by their 10-10 names; regions without a channel are left out.

    ``visual`` is as published: every name with a T, P or O in it.
    """
    letters = ["".join(c for c in name if c.isalpha()).rstrip("z") for name in ch_names]
    found = {region: tuple(k for k, each in enumerate(letters) if each in names) for region, names in REGIONS.items()}
    found["visual"] = tuple(k for k, name in enumerate(ch_names) if set("TPO") & set(name))
    return {region: channels for region, channels in found.items() if channels}
