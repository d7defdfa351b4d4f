"""Spikes to video, reproduced: every experiment, small on a simulated world, full on the published data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from calibration.brainae.material import parts_of
from calibration.calibrate import read_recordings
from calibration.calibrate_video import settings_of
from calibration.datasets.dots_world import DotsOptions, DotsWorld, world_of
from calibration.papers.paper import Paper, Request, Result, Scale
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from calibration.spikes2video.experiments import EXPERIMENTS, Plan, Table, run, told
from calibration.spikes2video.experiments.encoding import fine_bands
from calibration.spikes2video.experiments.noise import Known, draw, noise
from calibration.spikes2video.material import Material
from calibration.spikes2video.recorded import trials_of
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from streamkit.errors import StreamkitError
from streamkit.preprocess import PreprocessConfig

NOISE = "noise"
FINE = 0.02
"""Seconds of a bin in which simulated spikes are counted for the paper's bands of frequency."""
RECIPES: Mapping[Scale, str] = {"small": "spikes2video-small", "full": "spikes2video"}
PLANS: Mapping[Scale, Plan] = {
    "small": Plan(shares=(0.1, 0.3, 1.0), together=(1, 5, 15), points=600, permutations=200),
    "full": Plan(),
}
MANY = ("sites", "rates")
"""Experiments that train networks for each of many populations."""


@dataclass(frozen=True)
class Source:
    """Where a recipe's population comes from.

    Attributes
    ----------
    loop
        Further keys of `calibration.training.settings.LoopSettings` that the recipe names.
    """

    recipe: Recipe
    request: Request
    settings: Spikes2VideoSettings
    loop: Mapping[str, Any]
    progress: Progress

    @property
    def simulated(self) -> bool:
        """Whether it is a dots world."""
        return self.recipe.data.dataset == "dots_world"

    def world(self, changes: Mapping[str, object]) -> DotsWorld:
        """The recipe's world with some values changed."""
        options = {**self.recipe.data.options, "set": {**self.recipe.data.options.get("set", {}), **changes}}
        return world_of(Path(self.recipe.data.path), DotsOptions(**options))

    def material(self, changes: Mapping[str, object] | None = None) -> Material:
        """Trials as they were counted, split as the recipe says; `changes` are values of a simulated world."""
        if self.simulated:
            world = self.world(changes or {})
            return Material(
                **{part: world.trials(part) for part in ("train", "validation", "test")},
                name=self.recipe.name,
                simulated=True,
            )
        recipe = self.recipe.model_copy(update={"preprocess": PreprocessConfig()})
        recordings = read_recordings(recipe, self.request.data.get(recipe.data.dataset), self.progress)
        parts = parts_of(recipe, recordings)
        made = {name: trials_of(recipe, parts, getattr(parts, name)) for name in ("train", "validation", "test")}
        return Material(**made, name=recipe.name, simulated=False)

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
    """The recipe of a scale, its settings with counts scaled by the network's own fit."""
    recipe = load_recipe(RECIPES[request.scale])
    settings, loop = settings_of(recipe)
    return Source(recipe, request, settings.but(scaling="standard"), loop, progress)


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other."""
    source = source_of(request, progress)
    try:
        trained = source.trained()
    except StreamkitError as error:
        for name in names:
            yield Result(name, SPIKES2VIDEO.experiments[name], why_not=str(error))
        return
    for name in names:
        begin, title = time.monotonic(), SPIKES2VIDEO.experiments[name]
        if name == NOISE and not source.simulated:
            yield Result(name, title, why_not="recorded spikes have the noise they have")
            continue
        seeds = SPIKES2VIDEO.seeds_of(name, request)
        table = one(name, source, trained, seeds)
        drawn = (draw if name == NOISE else EXPERIMENTS[name].draw)(table)
        yield Result(name, title, table.rows, drawn, time.monotonic() - begin)


def one(name: str, source: Source, trained: Trained, seeds: Sequence[int]) -> Table:
    """Run one experiment."""
    plan, settings = PLANS[source.request.scale], source.settings
    if name == NOISE:
        table = noise(partial(known_at, source, trained), settings, seeds, plan)
        return replace(table, rows=told(name, table.rows, trained.material))
    table = run(name, trained, settings, seeds, plan)
    if name != "bands":
        return table
    fine = source.material({"spikes.bin": FINE}) if source.simulated else None
    return replace(table, rows=table.rows + told(name, fine_bands(fine, plan), trained.material))


def known_at(source: Source, trained: Trained, signal: float) -> Known:
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
