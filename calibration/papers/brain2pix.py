"""Brain2Pix, reproduced: every experiment, small on a simulated world, full on the published recordings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from calibration.brain2pix.experiments import EXPERIMENTS, Plan, Table, run, told
from calibration.brain2pix.experiments.noise import Known, draw, noise
from calibration.brain2pix.material import Material
from calibration.brain2pix.recorded import material_of
from calibration.brain2pix.settings import SMALL_FIELDS, Brain2PixSettings
from calibration.brain2pix.trained import Trained
from calibration.calibrate import is_simulated, read_recordings
from calibration.calibrate_brain2pix import settings_of
from calibration.datasets.movie_world import MovieWorld, world_of
from calibration.datasets.world_config import WorldOptions
from calibration.papers.paper import Paper, Request, Result, Scale
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from streamkit.errors import StreamkitError
from streamkit.preprocess import PreprocessConfig

NOISE = "noise"
ALEXNET, VGG19 = "alexnet", "vgg19"
RECIPES: Mapping[Scale, str] = {"small": "brain2pix-small", "full": "brain2pix"}
PLANS: Mapping[Scale, Plan] = {"small": Plan(fields=SMALL_FIELDS, permutations=200), "full": Plan(n_way=100)}
MANY = ("amount", "regions", "losses")
"""Experiments that train many networks."""


@dataclass(frozen=True)
class Source:
    """Where a recipe's films come from.

    Attributes
    ----------
    loop
        Further keys of `calibration.training.settings.LoopSettings` that the recipe names.
    """

    recipe: Recipe
    request: Request
    settings: Brain2PixSettings
    loop: Mapping[str, Any]
    progress: Progress

    @property
    def simulated(self) -> bool:
        """Whether it is a movie world."""
        return is_simulated(self.recipe.data.dataset)

    def world(self, changes: Mapping[str, object]) -> MovieWorld:
        """The recipe's world with some values changed."""
        options = {**self.recipe.data.options, "set": {**self.recipe.data.options.get("set", {}), **changes}}
        return world_of(Path(self.recipe.data.path), WorldOptions(**options))

    def material(self, changes: Mapping[str, object] | None = None) -> Material:
        """Films as they were recorded, split as the recipe says; `changes` are values of a simulated world."""
        data = self.recipe.data
        if changes:
            options = {**data.options, "set": {**data.options.get("set", {}), **changes}}
            data = data.model_copy(update={"options": options})
        recipe = self.recipe.model_copy(update={"preprocess": PreprocessConfig(), "data": data})
        recordings = read_recordings(recipe, self.request.data.get(recipe.data.dataset), self.progress)
        return material_of(recipe, recordings)

    def trained(self, changes: Mapping[str, object] | None = None) -> Trained:
        """Networks of that material, none of them trained yet."""
        return Trained(
            self.material(changes),
            scheduler=self.request.scheduler,
            workers=self.request.workers,
            loop=self.loop,
            progress=self.progress,
        )


def source_of(request: Request, progress: Progress) -> Source:
    """The recipe of a scale, its voxels scaled by the network's own fit."""
    recipe = load_recipe(RECIPES[request.scale])
    settings, loop = settings_of(recipe)
    settings = settings.but(scaling="train")
    if VGG19 in request.weights:
        settings = settings.but(features="vgg19", weights=str(request.weights[VGG19]))
    return Source(recipe, request, settings, loop, progress)


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other."""
    source = source_of(request, progress)
    try:
        trained = source.trained()
    except StreamkitError as error:
        for name in names:
            yield Result(name, BRAIN2PIX.experiments[name], why_not=str(error))
        return
    for name in names:
        begin, title = time.monotonic(), BRAIN2PIX.experiments[name]
        if name == NOISE and not source.simulated:
            yield Result(name, title, why_not="recorded voxels have the noise they have")
            continue
        table = one(name, source, trained, BRAIN2PIX.seeds_of(name, request))
        drawn = (draw if name == NOISE else EXPERIMENTS[name].draw)(table)
        yield Result(name, title, table.rows, drawn, time.monotonic() - begin)


def one(name: str, source: Source, trained: Trained, seeds: Sequence[int]) -> Table:
    """Run one experiment."""
    plan = plan_of(source.request)
    if name != NOISE:
        return run(name, trained, source.settings, seeds, plan)
    table = noise(partial(known_at, source, trained), source.settings, seeds, plan)
    return replace(table, rows=told(name, table.rows, trained.material))


def plan_of(request: Request) -> Plan:
    """The plan of a scale, with AlexNet where its weights are."""
    plan = PLANS[request.scale]
    return plan.model_copy(update={"alexnet": str(request.weights[ALEXNET])}) if ALEXNET in request.weights else plan


def known_at(source: Source, trained: Trained, signal: float) -> Known:
    """The simulated films at a signal, and the truth about them; at the recipe's own the networks there are."""
    changes = {"noise.signal": signal}
    own = source.world({}).config.noise.signal == signal
    return Known(trained if own else source.trained(changes), source.world(changes).voxels.drive)


BRAIN2PIX = Paper(
    name="brain2pix",
    title="Brain2Pix: natural movies from fMRI",
    source="Le et al. 2021, on the recordings of Seeliger et al. 2019",
    experiments={name: one.title for name, one in EXPERIMENTS.items()}
    | {NOISE: "Scores against the strength of the signal (simulated worlds)"},
    seeds={"small": (0, 1, 2, 3, 4), "full": (0,)},
    run=reproduce,
    many=MANY,
    notes={
        "small": "Simulated: voxels of three areas with stated receptive fields, haemodynamics and noise, while films "
        "made of photographs are watched; no photograph is in two parts. Networks are smaller than the published ones, "
        "and the feature loss looks through oriented filters, not VGG-19. The scores say nothing about a brain.",
        "full": "On the published recordings. Epochs are picked on training runs set aside, never on test runs, which "
        "the paper watched; it does not say which epoch it took. Scores are of straight pictures unless a line says "
        "'through the fisheye', as the paper's are.",
    },
    weights={
        VGG19: "of the feature loss; oriented filters without",
        ALEXNET: "that pictures are compared through; oriented filters alone without",
    },
)
