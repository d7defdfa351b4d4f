"""Pictures from mouse V1, reproduced: every experiment, small on a simulated world, full on data of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from calibration.calibrate import read_recordings
from calibration.calibrate_v1 import settings_of
from calibration.datasets.v1_world import V1Options, V1World, world_of
from calibration.mouse_v1 import settings as sizes
from calibration.mouse_v1.experiments import EXPERIMENTS, Plan, Systems, Table, run, told
from calibration.mouse_v1.experiments.noise import Known, noise
from calibration.mouse_v1.experiments.pretrained import RESNET_WEIGHTS, SD_VAE_WEIGHTS
from calibration.mouse_v1.fid import open_fid
from calibration.mouse_v1.material import Animal, Material, Responses, material_of
from calibration.mouse_v1.trained import Search, Trained
from calibration.papers.paper import Done, Paper, Request, Result, Scale, in_turn
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from calibration.tables.plots import courses

NOISE = "noise"
INCEPTION = "inception"
RECIPES: Mapping[Scale, str] = {"small": "mouse-v1-gan-small", "full": "mouse-v1-gan"}
CNN_RECIPES: Mapping[Scale, str] = {"small": "mouse-v1-cnn-small", "full": "mouse-v1-cnn"}
PLANS: Mapping[Scale, Plan] = {
    "small": Plan(channels=(8, 24, 48), data=(0.1, 0.3, 1.0), neurons=(0.1, 0.3, 1.0), permutations=200),
    "full": Plan(),
}
MANY = ("channels", "inputs", "losses", "data", "neurons", "merged")
"""Experiments that train GANs of many variants."""
GRIDS: Mapping[Scale, Search] = {
    "small": Search(sizes.SMALL_RATES, sizes.SMALL_SIGMAS, sizes.SMALL_STEPS),
    "full": Search(sizes.RATES, sizes.SIGMAS, sizes.STEPS),
}


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other."""
    recipe = load_recipe(RECIPES[request.scale])
    opened = partial(trained_on, recipe, request, progress)
    return in_turn(MOUSE_V1.experiments, names, opened, partial(one, recipe, request))


def one(recipe: Recipe, request: Request, trained: Trained, name: str) -> Done | str:
    """Run one experiment."""
    systems, seeds, plan = systems_of(request.scale), MOUSE_V1.seeds_of(name, request), PLANS[request.scale]
    if name != NOISE:
        return run(name, trained, systems, seeds, plan), EXPERIMENTS[name].draw
    if recipe.data.dataset != "v1_world":
        return "recorded responses have the noise they have"
    table = noise(partial(known_at, recipe, trained), systems, seeds, plan)
    return Table(told(name, table.rows, trained.material)), courses("signal", "signal", split="decoder")


def systems_of(scale: Scale) -> Systems:
    """Settings of the decoders, as the recipes of a scale have them."""
    gan, cnn = (settings_of(load_recipe(recipes[scale]))[0] for recipes in (RECIPES, CNN_RECIPES))
    small = scale == "small"
    further = {"latents": sizes.SMALL_LATENTS, "features": sizes.SMALL_FEATURES} if small else {}
    return Systems(cnn=cnn, gan=gan, **further)


def trained_on(recipe: Recipe, request: Request, progress: Progress) -> Trained:
    """Everything that is trained on a recipe's data."""
    small = request.scale == "small"
    if recipe.data.dataset == "v1_world":
        material = material_in(recipe, world_in(recipe, {}))
    else:
        material = material_of(recipe, read_recordings(recipe, request.data.get(recipe.data.dataset), progress))
    _, loop = settings_of(recipe)
    return Trained(
        material,
        sizes.SMALL_ENCODER if small else sizes.ENCODER,
        sizes.SMALL_MEIS if small else sizes.MEIS,
        sizes.SMALL_INVERSION if small else sizes.INVERSION,
        GRIDS[request.scale],
        fid=open_fid(request.weights.get(INCEPTION)),
        weights=request.weights,
        accept_licence=request.accept_licence,
        scheduler=request.scheduler,
        workers=request.workers,
        loop=loop,
        progress=progress,
        resume=request.resume,
    )


def world_in(recipe: Recipe, changes: Mapping[str, object]) -> V1World:
    """The recipe's world with some values changed."""
    options = {key: value for key, value in recipe.data.altered(changes).items() if key != "animal"}
    return world_of(Path(recipe.data.path), V1Options(**options))


def material_in(recipe: Recipe, world: V1World) -> Material:
    """Presentations of every mouse of a world, without the detour of Recordings."""
    animals = tuple(
        Animal(
            name,
            **{
                part: Responses(world.counts(part, name), world.images(part), world.order[part])
                for part in ("train", "validation", "test")
            },
            coordinates=world.mice[name].coordinates,
        )
        for name in world.config.animals
    )
    return Material(animals, recipe.name, simulated=True)


def known_at(recipe: Recipe, trained: Trained, signal: float) -> Known:
    """The first simulated mouse at a signal, and the truth about it; at the recipe's own the networks there are."""
    world = world_in(recipe, {"noise.signal": signal})
    same = world_in(recipe, {}).config.noise.signal == signal
    if not same:
        whole = material_in(recipe, world)
        trained = trained.with_material(replace(whole, animals=whole.animals[:1]))
    return Known(trained, world.expected("test", world.config.animals[0]), world.config.noise.gain_sd)


MOUSE_V1 = Paper(
    name="mouse-v1",
    title="Images from mouse V1 (EPFL report)",
    source="Decoding images from mouse V1 (EPFL, 2024), on recordings like those of Cobos et al. 2022",
    experiments={name: one.title for name, one in EXPERIMENTS.items()}
    | {NOISE: "Scores against the strength of the signal (simulated worlds)"},
    seeds={"small": (0, 1, 2, 3, 4), "full": (0, 1, 2)},
    run=reproduce,
    many=MANY,
    notes={
        "small": "Simulated: a stated forward model of 2,000 retinotopic units of each of two mice that look at "
        "photographs; networks smaller than the published ones. The scores say nothing about a brain.",
        "full": "On recordings in the SENSORIUM layout; those of the report are not public. Scores are of responses "
        "averaged over repeats, FID-64 of few pictures is noisy, and without its weights the SSIM loss picks epochs.",
    },
    weights={
        INCEPTION: "of FID-64; no FID-64 without, and the SSIM loss picks epochs",
        SD_VAE_WEIGHTS: "a folder, of the SD-VAE decoder; not run without",
        RESNET_WEIGHTS: "of the ResNet50 decoder; not run without",
    },
)
