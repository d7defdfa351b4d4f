"""The streaming form beside the whole clip: what it costs to know only the bins so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.progress import Progress
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.fidelity import similarity_of_frames
from calibration.spikes2video.material import Material, Rows, Trials
from calibration.spikes2video.scores import differences, rows_of, score, stacked
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.streaming import FittedStream, fit_streaming, stream_of
from calibration.spikes2video.trained import Trained
from calibration.tables.items import Items, Row, row
from calibration.tables.table import Table

Array = NDArray[np.floating]
STREAMING, WHOLE = "streaming", "whole clip"
FRAME = "SSIM of the frame"
OTHERS = "chance: clips of other conditions"


def train_stream(
    material: Material,
    settings: Spikes2VideoSettings,
    loop: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> FittedStream:
    """Train the streaming form on the trials of a population, one after the other."""
    train, validation = (stream_of(part, settings.eta) for part in (material.train, material.validation))
    return fit_streaming(
        train, validation, settings, sfreq=material.train.sfreq, loop=loop, checkpoint=checkpoint, progress=progress
    )


def streaming(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """A frame for every bin from the bins so far, beside the same frames of the clip made when the trial is over.

    Trials are scored whole; a line for each time in the trial shows how similarity grows as bins come in.
    """
    test, draws = trained.material.test, plan.draws
    kept = test[order_of(test)[1:]]
    online = replace(trained, train_one=train_stream, kept={}).of(settings, seeds)
    clips = {
        STREAMING: [clips_of(fitted, test, settings) for fitted in online],
        WHOLE: [fitted.predict(kept.X) for fitted in trained.of(settings, seeds)],
    }
    scored = {name: stacked([score(seen, kept, draws) for seen in each]) for name, each in clips.items()}
    rows: list[Row] = []
    for name, found in scored.items():
        rows += rows_of(name, found, kept, draws)
    rows += differences(f"{STREAMING} − {WHOLE}", scored[WHOLE], scored[STREAMING], draws)
    for name, each in clips.items():
        rows += _by_frame(name, each, kept, draws)
    return Table(rows)


def clips_of(fitted: FittedStream, trials: Trials, settings: Spikes2VideoSettings) -> NDArray[np.float32]:
    """Frames of the stream of all trials, put together: clips of all but the first of `order_of`."""
    stream = stream_of(trials, settings.eta)
    frames = fitted.predict(stream)
    return frames.reshape(-1, trials.size[0], *frames.shape[1:]).transpose(0, 2, 1, 3, 4)


def order_of(trials: Trials, seed: int = 0) -> Rows:
    """The order in which `stream_of` puts trials; the first of them is only looked back at."""
    return np.random.default_rng(seed).permutation(len(trials))


def _by_frame(name: str, clips: Sequence[Array], trials: Trials, draws: Draws) -> list[Row]:
    """Similarity of every frame of single trials, condition by condition."""
    each = np.stack([_conditions(similarity_of_frames(seen, trials.video), trials) for seen in clips])
    wrong = np.stack([_conditions(similarity_of_frames(seen, _others(trials)), trials) for seen in clips])
    return [
        row(
            f"{name}, {k / trials.sfreq:.1f} s",
            [
                Items(FRAME, one[:, k], float(other[:, k].mean()), np.empty(0), note=OTHERS, unit="conditions")
                for one, other in zip(each, wrong, strict=True)
            ],
            draws,
            form=name,
            at=k / trials.sfreq,
        )
        for k in range(trials.stages.n_frames)
    ]  # fmt: skip


def _conditions(values: Array, trials: Trials) -> Array:
    """``(n_conditions, …)`` mean over the trials of each."""
    return trials.mean_of_conditions(values)[1]


def _others(trials: Trials) -> NDArray[np.float32]:
    """For every trial the clip of a trial of another condition."""
    return trials.clips(trials.shown[_elsewhere(trials.condition)])


def _elsewhere(condition: Rows) -> Rows:
    """A row of another condition for each, none used twice."""
    order = np.argsort(condition, kind="stable")
    shift = np.bincount(condition).max()
    found = np.empty(len(condition), np.intp)
    found[order] = np.roll(order, -int(shift))
    return found
