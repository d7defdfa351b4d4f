"""The figures of a report, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import Answers
from calibration.metrics import Score, correlations, pearson
from calibration.train import History
from calibration.windows import Examples
from streamkit.encoding import Correlation
from streamkit.errors import require
from streamkit.types import OutputSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEEN, SHOWN, CHANCE = "#0072b2", "#555555", "#d55e00"
N_IMAGES = 12
Array = NDArray[np.floating]


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    return require("matplotlib.figure", "train", "the report").Figure(figsize=(width, height), layout="constrained")


def save(drawn: Figure, path: Path) -> Path:
    """Write a PNG."""
    drawn.savefig(path, dpi=110)
    return path


def scores_figure(scores: Sequence[Score]) -> Figure:
    """Every score with its interval, and what a guess would get."""
    drawn = figure(7.2, 0.7 + 0.42 * len(scores))
    axes = drawn.subplots()
    for row, one in enumerate(reversed(scores)):
        axes.plot(one.ci95, (row, row), color=SEEN, lw=3, alpha=0.45)
        axes.plot(one.value, row, "o", color=SEEN)
        axes.plot(one.chance, row, "|", color=CHANCE, ms=16, mew=2)
    axes.set_yticks(range(len(scores)), [one.name for one in reversed(scores)])
    edges = [edge for one in scores for edge in one.ci95 if np.isfinite(edge)]
    axes.set_xlim(min(0, *edges, 0) - 0.02, max(1, *edges, 1) + 0.02)
    axes.set_ylim(-0.6, len(scores) - 0.4)
    axes.set_xlabel("score; bar: 95 % interval; orange line: chance")
    _bare(axes)
    return drawn


def classes_figure(answers: Answers, output: OutputSpec) -> Figure:
    """ROC curve (two classes) and confusion table."""
    two = len(output.labels) == 2
    drawn = figure(8.4 if two else 4.6, 3.8)
    panels = np.atleast_1d(drawn.subplots(1, 2 if two else 1))
    if two:
        order = np.argsort(-(answers.values[:, 1] - answers.values[:, 0]), kind="stable")
        positive = answers.y[order] == 1
        hits = np.concatenate([[0], np.cumsum(positive) / max(1, positive.sum())])
        false = np.concatenate([[0], np.cumsum(~positive) / max(1, (~positive).sum())])
        panels[0].plot(false, hits, color=SEEN)
        panels[0].plot((0, 1), (0, 1), color=CHANCE, ls="--", lw=1)
        panels[0].set(xlabel=f"{output.labels[0]} taken for {output.labels[1]}", ylabel=f"{output.labels[1]} found")
        panels[0].set_title("ROC curve")
        _bare(panels[0])
    _confusion(panels[-1], answers, output)
    return drawn


def retrieval_figure(answers: Answers) -> Figure:
    """How often the right picture is among the k likeliest, and how often it is for a guess."""
    right = answers.values[np.arange(len(answers)), answers.y.astype(int)]
    rank = (answers.values > right[:, None]).sum(1)
    n = answers.values.shape[1]
    k = np.arange(1, n + 1)
    drawn = figure(6.4, 3.8)
    axes = drawn.subplots()
    axes.plot(k, [np.mean(rank < each) for each in k], color=SEEN, label="decoder")
    axes.plot(k, k / n, color=CHANCE, ls="--", lw=1, label="chance")
    axes.set(xlabel=f"k of {n} pictures", ylabel="right one among the k likeliest", xscale="log", ylim=(0, 1.02))
    axes.legend(frameon=False)
    _bare(axes)
    return drawn


def channels_figure(ch_names: Sequence[str], found: Correlation) -> Figure:
    """Correlation of predicted and recorded epochs, channel by channel, with its 95 % interval; chance is 0."""
    at = np.arange(len(ch_names))
    drawn = figure(max(4.6, 1.6 + 0.13 * len(ch_names)), 3.4)
    axes = drawn.subplots()
    axes.bar(at, found.r, color=SEEN, alpha=0.6)
    axes.vlines(at, found.low, found.high, color=SHOWN, lw=1)
    axes.axhline(0, color=CHANCE, ls="--", lw=1)
    axes.set_xticks(at, ch_names, rotation=90, fontsize=6 if len(ch_names) > 24 else 8)
    axes.set(ylabel=f"r over {found.n} single epochs", xlim=(-1, len(ch_names)))
    _bare(axes)
    return drawn


def _confusion(axes: Axes, answers: Answers, output: OutputSpec) -> None:
    n = len(output.labels)
    table = np.zeros((n, n))
    np.add.at(table, (answers.y.astype(int), answers.values.argmax(1)), 1)
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, col), count in np.ndenumerate(table):
        colour = "white" if share[row, col] > 0.6 else "black"
        axes.text(col, row, f"{share[row, col]:.0%}\n{count:.0f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(n), output.labels)
    axes.set_yticks(range(n), output.labels)
    axes.set(xlabel="decoded", ylabel="true", title="confusion")


def signals_figure(answers: Answers, output: OutputSpec) -> Figure:
    """Recorded and predicted values over windows, and one against the other."""
    n = len(output.labels)
    drawn = figure(9, 2.8 * n)
    for k, row in enumerate(drawn.subplots(n, 2, squeeze=False, width_ratios=(3, 1))):
        truth, said = answers.y[:, k], answers.values[:, k]
        row[0].plot(truth, color=SHOWN, label="recorded")
        row[0].plot(said, color=SEEN, label="predicted")
        row[0].set(xlabel="window", ylabel=f"{output.labels[k]} ({output.unit or 'unit not given'})")
        row[0].legend(frameon=False)
        row[1].scatter(truth, said, s=5, color=SEEN, alpha=0.5)
        row[1].set(xlabel="recorded", ylabel="predicted", title=f"r = {pearson(truth, said):.2f}")
        _bare(row[0])
        _bare(row[1])
    return drawn


def images_figure(answers: Answers, seed: int = 0) -> Figure:
    """Reconstructions below the images shown: a random draw, then the best."""
    own = np.diag(correlations(answers.values, answers.y))
    n = min(N_IMAGES, len(answers))
    drawn_at_random = np.sort(np.random.default_rng(seed).choice(len(answers), n, replace=False))
    blocks = (("drawn at random", drawn_at_random), ("the best", np.argsort(-own)[:n]))
    drawn = figure(0.85 * n + 0.8, 4.4)
    panels = drawn.subplots(4, n, squeeze=False)
    for block, (title, chosen) in enumerate(blocks):
        for col, item in enumerate(chosen):
            for row, image in enumerate((answers.y[item], answers.values[item])):
                axes = panels[2 * block + row, col]
                pixels = np.clip(image, 0, 1).transpose(1, 2, 0)
                axes.imshow(pixels[..., 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=1)
                axes.set_xticks([], [])
                axes.set_yticks([], [])
                if row:
                    axes.set_xlabel(f"{own[item]:.2f}", fontsize=8)
        panels[2 * block, 0].set_ylabel(f"{title}\nshown", fontsize=8)
        panels[2 * block + 1, 0].set_ylabel("seen", fontsize=8)
    return drawn


def training_figure(history: History) -> Figure:
    """Loss per epoch."""
    drawn = figure(5.2, 3.2)
    axes = drawn.subplots()
    epochs = np.arange(1, len(history.train) + 1)
    axes.plot(epochs, history.train, color=SHOWN, label="training")
    if history.validation:
        axes.plot(epochs, history.validation, color=SEEN, label="validation")
        axes.axvline(history.best + 1, color=CHANCE, ls="--", lw=1, label="kept")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(frameon=False)
    _bare(axes)
    return drawn


def class_means_figure(
    training: Examples, output: OutputSpec, ch_names: Sequence[str], sfreq: float, tmin: float
) -> Figure:
    """Mean processed window of each class, with its standard error, for up to six channels that differ most."""
    y = training.y.astype(int)
    means = np.stack([training.X[y == k].mean(0) for k in range(len(output.labels))])
    chosen = np.sort(np.argsort(-np.ptp(means, axis=0).max(1))[:6])
    drawn = figure(9, 2.2 * -(-len(chosen) // 3))
    panels = drawn.subplots(-(-len(chosen) // 3), min(3, len(chosen)), squeeze=False, sharex=True).ravel()
    times = tmin + np.arange(training.X.shape[2]) / sfreq
    for axes, channel in zip(panels, chosen, strict=False):
        for k, label in enumerate(output.labels):
            error = training.X[y == k, channel].std(0) / np.sqrt(max(1, np.sum(y == k)))
            line = axes.plot(times, means[k, channel], label=label)[0]
            low, high = means[k, channel] - error, means[k, channel] + error
            axes.fill_between(times, low, high, color=line.get_color(), alpha=0.2, lw=0)
        axes.set_title(ch_names[channel], fontsize=9)
        _bare(axes)
    for spare in panels[len(chosen) :]:
        spare.set_axis_off()
    panels[0].legend(frameon=False, fontsize=8)
    drawn.supxlabel("time after the event (s)", fontsize=9)
    return drawn


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
