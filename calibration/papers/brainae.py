"""BrainAE, reproduced: every experiment of the paper, small on a simulated world, full on the published data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.brainae.experiments import EXPERIMENTS, Plan, Table, run
from calibration.brainae.experiments import training as trainings
from calibration.brainae.from_recipe import settings_of
from calibration.brainae.material import fitted_to, material_of
from calibration.brainae.oracle import retrieval_ceiling
from calibration.brainae.pairs import Material
from calibration.brainae.settings import BrainAESettings
from calibration.brainae.trained import Trained
from calibration.calibrate import read_recordings
from calibration.papers.paper import Paper, Request, Result, Scale
from calibration.progress import Progress
from calibration.recipe import Recipe, load_recipe
from calibration.tables.experiment import SIGNALS
from calibration.tables.items import Row, row
from calibration.tables.plots import courses
from calibration.tables.subjects import over_subjects
from streamkit.errors import StreamkitError

NOISE = "noise"

SMALL = Plan(window=13, patch=13, taus=(0.007, 0.07, 0.7), permutations=200)
RECIPES: Mapping[Scale, Mapping[str, str]] = {
    "small": {"eeg": "brainae-eeg-small"},
    "full": {"eeg": "brainae-eeg", "meg": "brainae-meg", "mua": "brainae-mua"},
}


@dataclass(frozen=True)
class Subject:
    """One subject's material, and the settings of its modality's recipe."""

    modality: str
    name: str
    material: Material
    settings: BrainAESettings


def reproduce(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """Run the experiments called `names`, one after the other, on every modality there are data for."""
    plan = SMALL if request.scale == "small" else Plan()
    seeds = request.seeds or BRAINAE.seeds[request.scale]
    modalities = {}
    for modality, recipe in RECIPES[request.scale].items():
        try:
            modalities[modality] = subjects_of(load_recipe(recipe), modality, request, progress)
        except StreamkitError as error:
            for name in names:
                yield Result(name, f"{BRAINAE.experiments[name]}, {modality.upper()}", why_not=str(error))
    trained = {
        subject.name: trained_on(subject.material, request, progress)
        for subjects in modalities.values()
        for subject in subjects
    }
    for name in names:
        for modality, subjects in modalities.items():
            begin = time.monotonic()
            title = f"{BRAINAE.experiments[name]}, {modality.upper()}"
            if name == NOISE:
                table = noise_curve(load_recipe(RECIPES[request.scale][modality]), request, seeds, plan, progress)
            else:
                table = over_all(name, subjects, trained, seeds, plan)
            drawer = courses("signal", "signal", split="decoder") if name == NOISE else EXPERIMENTS[name].draw
            drawn = drawer(table) if table.rows else None
            yield Result(name, title, table.rows, drawn, time.monotonic() - begin)


def trained_on(material: Material, request: Request, progress: Progress) -> Trained:
    """Models of a material, none of them trained yet."""
    return Trained(material, request.scheduler, request.workers, progress=progress, resume=request.resume)


def subjects_of(recipe: Recipe, modality: str, request: Request, progress: Progress) -> list[Subject]:
    """Material of every subject of a recipe's data set."""
    recordings = read_recordings(recipe, request.data.get(recipe.data.dataset), progress)
    by_subject: dict[str, list[Any]] = {}
    for recording in recordings:
        by_subject.setdefault(recording.meta.subject or recording.meta.name.partition("-")[0], []).append(recording)
    settings, _ = settings_of(recipe)
    return [
        Subject(modality, f"{modality} {name}", material_of(recipe, each, request.cache, progress), settings)
        for name, each in by_subject.items()
    ]


def over_all(
    name: str, subjects: Sequence[Subject], trained: Mapping[str, Trained], seeds: Sequence[int], plan: Plan
) -> Table:
    """One experiment on every subject; means over subjects where there are several."""
    tables = {each.name: run(name, trained[each.name], each.settings, seeds, plan) for each in subjects}
    if len(tables) == 1:
        return next(iter(tables.values()))
    rows = over_subjects({subject: table.rows for subject, table in tables.items()}, plan.draws)
    return Table(rows, next(iter(tables.values())).arrays)


def noise_curve(recipe: Recipe, request: Request, seeds: Sequence[int], plan: Plan, progress: Progress) -> Table:
    """The main scores at several signals, beside what an oracle reaches; for simulated worlds alone."""
    rows: list[Row] = []
    for signal in SIGNALS:
        recordings = world(recipe, progress, {"noise.signal": signal})
        alike = fitted_to(recipe, recordings)
        material = material_of(alike, recordings, request.cache, progress)
        trained = trained_on(material, request, progress)
        settings, _ = settings_of(recipe)
        facts = {"experiment": NOISE, "data": material.name, "simulated": True, "signal": signal}
        for line in trainings.main(trained, settings, seeds, plan).rows:
            if line["row"] == "all":
                rows.append({**line, **facts, "decoder": "BrainAE", "row": f"BrainAE, signal {signal:g}", "paper": {}})
        clean = material_of(alike, world(recipe, progress, silence(signal)), request.cache, progress)
        ceiling = retrieval_ceiling(material.test, clean.test, material.train, clean.train)
        rows += [
            {**row(f"oracle, signal {signal:g}", [items], plan.draws), **facts, "decoder": "oracle", "paper": {}}
            for items in ceiling
        ]
    return Table(rows)


def silence(signal: float) -> dict[str, float]:
    """What makes a world of the same signal noise-free."""
    return {"noise.signal": signal, "noise.gain_sd": 0.0, "eeg.background": 0.0, "eeg.alpha": 0.0}


def world(recipe: Recipe, progress: Progress, changes: Mapping[str, float]) -> list[Any]:
    """The recipe's world with some values changed."""
    data = recipe.data.but(options=recipe.data.altered(changes))
    return read_recordings(recipe.model_copy(update={"data": data}), None, progress)


BRAINAE = Paper(
    name="brainae",
    title="BrainAE: a shared embedding of images and of the brain activity they evoke",
    source="BrainAE, with the authors' release v0.2",
    experiments={name: one.title for name, one in EXPERIMENTS.items()}
    | {NOISE: "Scores against the strength of the signal (simulated worlds)"},
    seeds={"small": (0, 1, 2, 3, 4), "full": (2023, 2024, 2025, 2026, 2027)},
    run=reproduce,
    notes={
        "small": "Simulated: a stated forward model of 63 EEG channels watching squares of photographs. Image features "
        "are a weight-free Gabor pyramid, not those of the paper. The scores say nothing about a brain.",
        "full": "On the published data, with the features that the recipe names.",
    },
)
