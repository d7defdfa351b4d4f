"""Image to ECoG, reproduced: every experiment of the paper, small on a simulated world, full on the published data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from calibration.calibrate import read_recordings
from calibration.calibrate_response import settings_of
from calibration.image2ecog.experiments import EXPERIMENTS, Plan, Table, run
from calibration.image2ecog.material import Material
from calibration.image2ecog.oracle import oracle
from calibration.image2ecog.recordings import subjects_of
from calibration.image2ecog.scores import R
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.subjects import everybody, scores_of
from calibration.image2ecog.trained import Trained
from calibration.papers.paper import Done, Paper, Request, Result, Scale, in_turn
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from calibration.tables.experiment import SIGNALS
from calibration.tables.items import Row
from calibration.tables.plots import courses

NOISE = "noise"

RECIPES: Mapping[Scale, str] = {"small": "image2ecog-small", "full": "image2ecog"}
PLANS: Mapping[Scale, Plan] = {
    "small": Plan(folds=(0, 1, 2), permutations=200),
    "full": Plan(folds=(0, 1, 2, 3, 4)),
}
BRIEF: Mapping[Scale, tuple[int, ...]] = {"small": (0,), "full": (0, 1, 2, 3, 4)}
"""Folds of the experiments that train a model for each of many variants."""
MANY = ("frequencies", NOISE)


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other."""
    recipe = load_recipe(RECIPES[request.scale])
    opened = partial(trained_on, recipe, request, progress)
    return in_turn(IMAGE2ECOG.experiments, names, opened, partial(one, recipe, request, progress))


def trained_on(recipe: Recipe, request: Request, progress: Progress) -> Trained:
    """Models of every subject, none of them trained yet."""
    settings, loop = settings_of(recipe)
    subjects = material_by_subject(recipe, settings, request, progress)
    return Trained(subjects, request.scheduler, request.workers, loop, progress, request.resume)


def one(recipe: Recipe, request: Request, progress: Progress, trained: Trained, name: str) -> Done | str:
    """Run one experiment."""
    settings, _ = settings_of(recipe)
    plan, seeds = plan_of(request.scale, name), IMAGE2ECOG.seeds_of(name, request)
    if name != NOISE:
        return run(name, trained, settings, seeds, plan), EXPERIMENTS[name].draw
    if request.scale == "full":
        return "recorded signals have the noise they have"
    table = noise_curve(recipe, settings, trained, request, seeds, plan, progress)
    return table, courses("signal", "signal", split="model")


def plan_of(scale: Scale, name: str) -> Plan:
    """Plan of one experiment."""
    return PLANS[scale].model_copy(update={"folds": BRIEF[scale]}) if name in MANY else PLANS[scale]


def material_by_subject(
    recipe: Recipe, settings: Image2EcogSettings, request: Request, progress: Progress, **changes: float
) -> dict[str, Material]:
    """Material of every subject; `changes` are values of a simulated world by key, with ``__`` for dots."""
    altered = recipe.data.altered({key.replace("__", "."): value for key, value in changes.items()})
    options = {key: value for key, value in altered.items() if key != "subject"}
    recipe = recipe.model_copy(update={"data": recipe.data.but(options=options)})
    recordings = read_recordings(recipe, request.data.get(recipe.data.dataset), progress)
    return {each.subject: each for each in subjects_of(recipe, recordings, settings.size)}


def noise_curve(
    recipe: Recipe,
    settings: Image2EcogSettings,
    trained: Trained,
    request: Request,
    seeds: Sequence[int],
    plan: Plan,
    progress: Progress,
) -> Table:
    """Correlation at several strengths of signal, beside that of the answers without noise; simulated worlds alone."""
    rows: list[Row] = []
    for signal in SIGNALS:
        noisy = material_by_subject(recipe, settings, request, progress, signal__signal=signal)
        silent = {"signal__gain_sd": 0.0, "signal__silent": True}
        clean = material_by_subject(recipe, settings, request, progress, signal__signal=signal, **silent)
        found = scores_of(trained.with_material(noisy), settings, seeds, plan)
        best = {s: oracle(noisy[s], clean[s], settings, plan.draws, plan.folds) for s in noisy}
        facts = {"experiment": NOISE, "data": recipe.name, "simulated": True, "signal": signal, "paper": {}}
        name = settings.model
        rows.append(everybody(f"{name}, signal {signal:g}", R, found, plan.draws, model=name, **facts))
        rows.append(everybody(f"oracle, signal {signal:g}", R, best, plan.draws, model="oracle", **facts))
    return Table(rows)


IMAGE2ECOG = Paper(
    name="image2ecog",
    title="Human ECoG predicted from images",
    source="ECoG from images, on the recordings of Liu et al. 2009",
    experiments={name: one.title for name, one in EXPERIMENTS.items()}
    | {NOISE: "Correlation against the strength of the signal (simulated worlds)"},
    seeds={"small": (0,), "full": (0, 1, 2, 3, 4)},
    run=reproduce,
    notes={
        "small": "Simulated: a stated forward model of electrodes in ten regions of eight people who look at drawings. "
        "Tested images show things that no model was trained on, unless a line says 'trial split'. The scores say "
        "nothing about a brain.",
        "full": "On the published recordings. Tested images show things that no model was trained on, unless a line "
        "says 'trial split', which is the paper's.",
    },
)
