"""Experiments on whole clips: the main figures, other networks, and how many trials are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.spikes2video.content import CUE, DIRECTION, LEVELS, Level, Scenes, items_of
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.experiments.plots import SHOWN, some_frames
from calibration.spikes2video.fit import Fitted
from calibration.spikes2video.material import Trials
from calibration.spikes2video.motion import mean_angle
from calibration.spikes2video.scores import (
    METRICS,
    Scores,
    differences,
    named,
    of_models,
    rows_of,
    score,
    score_at,
    stacked,
)
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from calibration.tables.items import Row, number, row
from calibration.tables.table import Table

Array = NDArray[np.floating]
NETWORKS = {"unet": "3D U-Net", "mlp": "MLP", "shallow": "shallow CNN"}
MEAN_CLIP = "mean clip"


def main(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Cue, colour, motion and pixels, beside the mean clip; then cue by cue and direction by direction."""
    models, test, draws = trained.of(settings, seeds), trained.material.test, plan.draws
    scored = of_models(models, test, draws)
    rows = rows_of("", scored, test, draws)
    mean = np.broadcast_to(trained.material.train.mean_clip(), (len(test), *test.out_shape))
    rows += rows_of(MEAN_CLIP, stacked([score(mean, test, draws)]), test, draws)
    for level in LEVELS:
        rows += by_cue(scored[level], test, level, draws) + by_direction(scored[level], test, level, draws)
    return Table(rows, examples({NETWORKS[settings.network]: models[0]}, test))


def by_cue(scored: Sequence[Scores], test: Trials, level: Level, draws: Draws) -> list[Row]:
    """Pixel correlation of each cue, mean over its conditions."""
    conditions, _ = zip(*test.rows_of_conditions(), strict=True)
    cue = test.conditions.cell("cue")[list(conditions)]
    return [
        row(
            named(f"cue {kind}", level),
            [items_of(CUE, each.tables[CUE], draws, cue == kind) for each in scored],
            draws,
        )
        for kind in np.unique(cue)
    ]


def by_direction(scored: Sequence[Scores], test: Trials, level: Level, draws: Draws) -> list[Row]:
    """Error of each direction, with circular mean and deviation of what was decoded."""
    conditions, _ = zip(*test.rows_of_conditions(), strict=True)
    shown = test.conditions.direction
    rows = []
    for direction in dict.fromkeys(shown[list(conditions)].tolist()):
        kept = shown[list(conditions)] == direction
        items = [items_of(DIRECTION, each.tables[DIRECTION], draws, kept) for each in scored]
        angles = np.concatenate([each.decoded[shown[each.condition] == direction] for each in scored])
        mean, spread = (number(value) for value in mean_angle(angles))
        rows.append(row(named(f"{direction:g}°", level), items, draws, decoded=mean, decoded_sd=spread))
    return rows


def examples(models: Mapping[str, Fitted], test: Trials, n: int = 3) -> dict[str, NDArray]:
    """Frames of some conditions as shown, and as each network shows one trial of them and the mean of all."""
    groups = list(test.rows_of_conditions())
    chosen = [groups[at][1] for at in np.linspace(0, len(groups) - 1, n).round().astype(int)]
    cue, stimulus = test.stages.frames("cue"), test.stages.frames("stimulus")
    at = ((cue.start + cue.stop) // 2, stimulus.start + 1, (stimulus.start + stimulus.stop) // 2, stimulus.stop - 1)
    arrays = {SHOWN: some_frames(test.clips(test.shown[[rows[0] for rows in chosen]]), at)}
    for name, fitted in models.items():
        seen = [fitted.predict(test.X[rows]) for rows in chosen]
        arrays[f"{name}, one trial"] = some_frames(np.stack([clips[0] for clips in seen]), at)
        arrays[f"{name}, mean"] = some_frames(np.stack([clips.mean(0) for clips in seen]), at)
    return arrays


def networks(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """The U-Net, the MLP and the shallow CNN, trained alike on the same trials, and the U-Net less each of them."""
    variants = {name: settings.but(network=name) for name in NETWORKS}
    models = dict(zip(variants, trained.all(list(variants.values()), seeds), strict=True))
    test, draws = trained.material.test, plan.draws
    scored = {name: of_models(each, test, draws) for name, each in models.items()}
    rows: list[Row] = []
    for name, found in scored.items():
        rows += rows_of(NETWORKS[name], found, test, draws, **costs(models[name]))
    for name in list(NETWORKS)[1:]:
        rows += differences(f"{NETWORKS['unet']} − {NETWORKS[name]}", scored[name], scored["unet"], draws)
    return Table(rows, examples({NETWORKS[name]: each[0] for name, each in models.items()}, test))


def costs(models: Sequence[Fitted]) -> dict[str, float]:
    """Parameters of a network, epochs trained, and the seconds that took, mean over seeds."""
    histories = [fitted.history for fitted in models]
    return {
        "parameters": sum(each.numel() for each in models[0].model.parameters()),
        "epochs": float(np.mean([len(history.train) for history in histories])),
        "training_s": float(np.mean([history.seconds for history in histories])),
    }


def repeats(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Scores by how many reconstructions of a condition are averaged, a single one first."""
    models, test = trained.of(settings, seeds), trained.material.test
    most = min(len(rows) for _, rows in test.rows_of_conditions())
    found: dict[int, list[Scores]] = {count: [] for count in sorted({1, 2, most // 2, most} - {0})}
    metrics = [name for name in METRICS if name != DIRECTION]
    for fitted in models:
        scenes = Scenes.of(fitted.predict(test.X), test)
        for count, each in found.items():
            each.append(score_at(scenes.averaged(count), plan.draws, metrics))
    return Table(
        [
            row(f"{count}", [one.items[name] for one in each], plan.draws, averaged=count)
            for count, each in found.items()
            for name in metrics
        ]
    )
