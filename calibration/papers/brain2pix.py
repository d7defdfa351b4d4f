"""Brain2Pix, reproduced: every experiment, small on a simulated world, full on the published recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from calibration.brain2pix.experiments import EXPERIMENTS, Plan, run, told
from calibration.brain2pix.experiments.noise import Known, draw, noise
from calibration.brain2pix.material import Material
from calibration.brain2pix.recorded import material_of
from calibration.brain2pix.settings import SMALL_FIELDS, Brain2PixSettings
from calibration.brain2pix.trained import Trained
from calibration.calibrate import is_simulated
from calibration.calibrate_brain2pix import settings_of
from calibration.datasets.movie_world import MovieWorld, world_of
from calibration.datasets.world_config import WorldOptions
from calibration.papers.paper import Done, Paper, Request, Result, Scale, in_turn
from calibration.papers.source import Source
from calibration.progress import Progress
from calibration.recipe import load_recipe

NOISE = "noise"
ALEXNET, VGG19 = "alexnet", "vgg19"
RECIPES: Mapping[Scale, str] = {"small": "brain2pix-small", "full": "brain2pix"}
PLANS: Mapping[Scale, Plan] = {"small": Plan(fields=SMALL_FIELDS, permutations=200), "full": Plan(n_way=100)}
MANY = ("amount", "regions", "losses")
"""Experiments that train many networks."""


class Films(Source[Brain2PixSettings]):
    """Where a recipe's films come from."""

    @property
    def simulated(self) -> bool:
        """Whether it is a movie world."""
        return is_simulated(self.recipe.data.dataset)

    def world(self, changes: Mapping[str, object]) -> MovieWorld:
        """The recipe's world with some values changed."""
        data = self.recipe.data
        return world_of(Path(data.path), WorldOptions(**data.altered(changes)))

    def material(self, changes: Mapping[str, object] | None = None) -> Material:
        """Films as they were recorded, split as the recipe says; `changes` are values of a simulated world."""
        return material_of(*self.raw(changes or {}))

    def trained(self, changes: Mapping[str, object] | None = None) -> Trained:
        """Networks of that material, none of them trained yet."""
        return Trained(self.material(changes), **self.training)


def source_of(request: Request, progress: Progress) -> Films:
    """The recipe of a scale, its voxels scaled by the network's own fit."""
    recipe = load_recipe(RECIPES[request.scale])
    settings, loop = settings_of(recipe)
    settings = settings.but(scaling="train")
    if VGG19 in request.weights:
        settings = settings.but(features="vgg19", weights=str(request.weights[VGG19]))
    return Films(recipe, request, settings, loop, progress)


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other."""
    source = source_of(request, progress)
    return in_turn(BRAIN2PIX.experiments, names, source.trained, partial(one, source))


def one(source: Films, trained: Trained, name: str) -> Done | str:
    """Run one experiment."""
    plan, seeds = plan_of(source.request), BRAIN2PIX.seeds_of(name, source.request)
    if name != NOISE:
        return run(name, trained, source.settings, seeds, plan), EXPERIMENTS[name].draw
    if not source.simulated:
        return "recorded voxels have the noise they have"
    table = noise(partial(known_at, source, trained), source.settings, seeds, plan)
    return replace(table, rows=told(name, table.rows, trained.material)), draw


def plan_of(request: Request) -> Plan:
    """The plan of a scale, with AlexNet where its weights are."""
    plan = PLANS[request.scale]
    return plan.model_copy(update={"alexnet": str(request.weights[ALEXNET])}) if ALEXNET in request.weights else plan


def known_at(source: Films, trained: Trained, signal: float) -> Known:
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
