"""Spikes to video, reproduced: every experiment, small on a simulated world, full on the published data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from calibration.brainae.material import parts_of
from calibration.calibrate_video import settings_of
from calibration.datasets.dots_world import DotsOptions, DotsWorld, world_of
from calibration.papers.paper import Done, Paper, Request, Result, Scale, in_turn
from calibration.papers.source import Source
from calibration.progress import Progress
from calibration.recipe import load_recipe
from calibration.spikes2video.experiments import EXPERIMENTS, Plan, run, told
from calibration.spikes2video.experiments.encoding import fine_bands
from calibration.spikes2video.experiments.noise import Known, draw, noise
from calibration.spikes2video.material import Material
from calibration.spikes2video.recorded import trials_of
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained

NOISE = "noise"
FINE = 0.02
"""Seconds of a bin in which simulated spikes are counted for the paper's bands of frequency."""
RECIPES: Mapping[Scale, str] = {"small": "spikes2video-small", "full": "spikes2video"}
PLANS: Mapping[Scale, Plan] = {
    "small": Plan(
        shares=(0.1, 0.3, 1.0), together=(1, 5, 15), points=600, permutations=200, apart={"epochs": 16, "lr": 0.01}
    ),
    "full": Plan(),
}
MANY = ("sites", "rates")
"""Experiments that train networks for each of many populations."""


class Population(Source[Spikes2VideoSettings]):
    """Where a recipe's population comes from."""

    @property
    def simulated(self) -> bool:
        """Whether it is a dots world."""
        return self.recipe.data.dataset == "dots_world"

    def world(self, changes: Mapping[str, object]) -> DotsWorld:
        """The recipe's world with some values changed."""
        data = self.recipe.data
        return world_of(Path(data.path), DotsOptions(**data.altered(changes)))

    def material(self, changes: Mapping[str, object] | None = None) -> Material:
        """Trials as they were counted, split as the recipe says; `changes` are values of a simulated world."""
        if self.simulated:
            world = self.world(changes or {})
            return Material(
                **{part: world.trials(part) for part in ("train", "validation", "test")},
                name=self.recipe.name,
                simulated=True,
            )
        recipe, recordings = self.raw({})
        parts = parts_of(recipe, recordings)
        made = {name: trials_of(recipe, parts, getattr(parts, name)) for name in ("train", "validation", "test")}
        return Material(**made, name=recipe.name, simulated=False)

    def trained(self, changes: Mapping[str, object] | None = None) -> Trained:
        """Networks of that material, none of them trained yet."""
        return Trained(self.material(changes), **self.training)


def source_of(request: Request, progress: Progress) -> Population:
    """The recipe of a scale, its settings with counts scaled by the network's own fit."""
    recipe = load_recipe(RECIPES[request.scale])
    settings, loop = settings_of(recipe)
    return Population(recipe, request, settings.but(scaling="standard"), loop, progress)


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other."""
    source = source_of(request, progress)
    return in_turn(SPIKES2VIDEO.experiments, names, source.trained, partial(one, source))


def one(source: Population, trained: Trained, name: str) -> Done | str:
    """Run one experiment."""
    plan, settings, seeds = PLANS[source.request.scale], source.settings, SPIKES2VIDEO.seeds_of(name, source.request)
    if name == NOISE and not source.simulated:
        return "recorded spikes have the noise they have"
    if name == NOISE:
        table = noise(partial(known_at, source, trained), settings, seeds, plan)
        return replace(table, rows=told(name, table.rows, trained.material)), draw
    table = run(name, trained, settings, seeds, plan)
    if name == "bands":
        fine = source.material({"spikes.bin": FINE}) if source.simulated else None
        table = replace(table, rows=table.rows + told(name, fine_bands(fine, plan), trained.material))
    return table, EXPERIMENTS[name].draw


def known_at(source: Population, trained: Trained, signal: float) -> Known:
    """The simulated population at a signal, and the truth about it; at the recipe's own the networks there are."""
    changes = {"noise.signal": signal}
    world = source.world(changes)
    own = source.world({}).config.noise.signal == signal
    return Known(trained if own else source.trained(changes), world.rates, world.config.noise.gain_sd)


SPIKES2VIDEO = Paper(
    name="spikes2video",
    title="Macaque multi-unit activity to video",
    source="Zhang et al., on the recordings of Siegel, Buschman and Miller 2015",
    experiments={name: one.title for name, one in EXPERIMENTS.items()}
    | {NOISE: "Scores against the strength of the tuning (simulated worlds)"},
    seeds={"small": (0, 1, 2, 3, 4), "full": (1233, 1234, 1235, 1236, 1237)},
    run=reproduce,
    many=MANY,
    notes={
        "small": "Simulated: a stated forward model of 140 sites in six regions while cues and moving dots are "
        "watched; networks smaller than the published ones. The scores say nothing about a brain.",
        "full": "On the published recordings. The paper's scores are of condition means: the reconstructions of all "
        "trials of a condition are averaged first. Single trials stand beside them.",
    },
)
