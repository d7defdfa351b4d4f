"""The streaming form: a frame for every bin, trained on windows that end anywhere in a trial.

The published network sees trials that begin at its first bin. While a trial runs its windows begin in the trial before,
or in the dark between: a network trained on whole trials has never seen one. So this one is trained on the stream as it
comes, each window with the frame that was on the screen during its newest bin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.network import Network
from calibration.progress import Progress
from calibration.spikes2video.fit import (
    Counts,
    as_built,
    fast,
    in_batches,
    loop_settings,
    scale_of,
    unscaled,
)
from calibration.spikes2video.material import Rows, Trials
from calibration.spikes2video.objective import video_losses
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.training.batches import tensor_of
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from streamkit.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn

OF_THE_NETWORK = ("hidden", "base", "kernels", "pools")
AT_ONCE = 256
"""Windows that are cut out of a stream together."""


@dataclass(frozen=True)
class Stream:
    """Counts as they come, and the frames that were on the screen.

    Attributes
    ----------
    counts
        ``(n_samples, n_sites)`` float32.
    last
        ``(n,)`` place in `counts` of the newest bin of each window.
    frame
        ``(n,)`` row of `frames` that was on the screen during that bin.
    frames
        uint8 ``(n_frames, 3, height, width)``.
    weight
        ``(n,)`` what each window counts for.
    n_bins
        Of a window; every window lies in `counts` whole.
    """

    counts: Counts
    last: Rows
    frame: Rows
    frames: NDArray[np.uint8]
    weight: NDArray[np.float32]
    n_bins: int

    def __post_init__(self) -> None:
        if len(self.last) and (self.last.min() < self.n_bins - 1 or self.last.max() >= len(self.counts)):
            raise BadInput(
                f"windows of {self.n_bins} bins must lie in the stream of {len(self.counts)} whole; given ends from "
                f"{self.last.min()} to {self.last.max()}"
            )

    def __len__(self) -> int:
        return len(self.last)

    def windows(self, rows: Rows | slice = slice(None)) -> Counts:
        """Windows by row: ``(n, n_sites, n_bins)``."""
        at = self.last[rows][:, None] + np.arange(1 - self.n_bins, 1)
        return np.ascontiguousarray(self.counts[at].transpose(0, 2, 1))

    def only(self, rows: Rows) -> Stream:
        """The same stream with some of its windows."""
        return replace(self, last=self.last[rows], frame=self.frame[rows], weight=self.weight[rows])

    def mean_frame(self) -> NDArray[np.float32]:
        """``(3, height, width)`` the mean of what all windows saw."""
        share = np.bincount(self.frame, minlength=len(self.frames)) / len(self)
        return np.tensordot(share, self.frames, 1).astype(np.float32) / np.float32(255)

    def shown(self, rows: Rows | slice = slice(None)) -> NDArray[np.float32]:
        """The frame of each window: ``(n, 3, height, width)`` in [0, 1]."""
        return self.frames[self.frame[rows]].astype(np.float32) / np.float32(255)


def stream_of(trials: Trials, eta: Sequence[float], seed: int = 0) -> Stream:
    """Trials one after the other in random order, each window with the trial before it in sight.

    The windows of the first trial would reach back before the stream, so it is only looked back at.
    """
    order = np.random.default_rng(seed).permutation(len(trials))
    n_bins, n_frames = trials.size[0], trials.stages.n_frames
    if n_bins != n_frames or len(trials) < 2:
        raise BadInput(
            f"{len(trials)} trials of {n_bins} bins and {n_frames} frames were given, expected two trials or more with "
            "a frame for every bin"
        )
    counts = trials.X[order].reshape(-1, trials.size[1])
    last = np.arange(n_bins, len(counts))
    frames = trials.videos.transpose(0, 2, 1, 3, 4).reshape(-1, *trials.videos.shape[1:2], *trials.videos.shape[3:])
    frame = (trials.shown[order[1:], None] * n_frames + np.arange(n_frames)).ravel()
    weight = np.tile(np.repeat(np.asarray(eta, np.float32), trials.stages), len(trials) - 1)
    return Stream(counts, last, frame, np.ascontiguousarray(frames), weight, n_bins)


def some(stream: Stream, per_trial: int, seed: int) -> Rows:
    """Rows of windows to train on: so many for every trial's length, drawn by lot; all of them for 0."""
    if not per_trial:
        return np.arange(len(stream))
    count = min(len(stream), max(1, round(per_trial * len(stream) / stream.n_bins)))
    return np.sort(np.random.default_rng(seed).choice(len(stream), count, replace=False))


@dataclass(frozen=True)
class FittedStream:
    """A trained streaming network, in evaluation mode, with the scale of its sites ``(n_sites,)``."""

    model: nn.Module
    network: Network
    history: History
    settings: Spikes2VideoSettings
    mean: Counts
    std: Counts

    def predict(self, stream: Stream) -> NDArray[np.float32]:
        """A frame for every window: ``(n, 3, height, width)`` in [0, 1]."""
        scaled = scaled_stream(stream, self.mean, self.std)
        parts = [
            in_batches(self.model, scaled.windows(slice(at, at + AT_ONCE))) for at in range(0, len(stream), AT_ONCE)
        ]
        return np.concatenate(parts)


def fit_streaming(
    train: Stream,
    validation: Stream | None,
    settings: Spikes2VideoSettings,
    *,
    sfreq: float = 10.0,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FittedStream:
    """Train on windows of a stream; the epoch with the lowest loss on `validation` is kept, without one the last.

    Parameters
    ----------
    settings
        ``windows`` of them are taken for every trial's length, in `train` and in `validation`.
    sfreq
        Bins per second.
    loop, checkpoint
        As for `calibration.spikes2video.fit.fit_spikes2video`.
    """
    about = {"settings": settings, "train": train, "validation": validation}
    mean, std = scale_of(train.counts[None]) if settings.scaling == "standard" else unscaled(train.counts.shape[1])
    train = scaled_stream(train, mean, std)
    network = network_of(settings, train, sfreq)
    model = network.build(settings.seed)
    fast(model.network)  # type: ignore[arg-type]
    watched = None if validation is None else scaled_stream(validation, mean, std)
    # One set of columns for both: a window of either is a place in the counts of both, one after the other.
    both = [train] if watched is None else [train, watched]
    counts, frames = (
        tensor_of(np.concatenate([getattr(each, name) for each in both])) for name in ("counts", "frames")
    )
    history = train_in_place(
        model,
        partial(frame_loss, counts=counts, frames=frames, n_bins=train.n_bins, settings=settings),
        columns(train, settings, (0, 0)),
        loop_settings(settings, watched is not None, loop or {}),
        validation=None if watched is None else columns(watched, settings, (len(train.counts), len(train.frames))),
        about=about,
        checkpoint=checkpoint,
        progress=progress,
    )
    return FittedStream(as_built(model), network, history, settings, mean, std)


def network_of(settings: Spikes2VideoSettings, stream: Stream, sfreq: float) -> Network:
    """Name and arguments of the streaming network that these settings ask for."""
    sizes = {"n_chans": stream.counts.shape[1], "n_times": stream.n_bins, "out_shape": list(stream.frames.shape[1:])}
    own = settings.model_dump(include=set(OF_THE_NETWORK), mode="json")
    return Network("spikes2video_streaming", {**sizes, "sfreq": sfreq, **own})


def columns(stream: Stream, settings: Spikes2VideoSettings, first: tuple[int, int]) -> dict[str, NDArray[np.generic]]:
    """Rows as the loop takes them; `first` is where the stream's counts and frames begin among those of all."""
    rows = some(stream, settings.windows, settings.seed)
    return {
        "last": stream.last[rows].astype(np.int64) + first[0],
        "frame": stream.frame[rows].astype(np.int64) + first[1],
        "weight": stream.weight[rows],
    }


def frame_loss(
    module: nn.Module,
    batch: dict[str, Tensor],
    counts: Tensor,
    frames: Tensor,
    n_bins: int,
    settings: Spikes2VideoSettings,
) -> dict[str, Tensor]:
    """Losses of a batch of windows, of which only places and frames travel."""
    device, last = batch["weight"].device, batch["last"].to(counts.device)
    places = last[:, None] + tensor_of(np.arange(1 - n_bins, 1))
    windows = counts[places].transpose(1, 2).contiguous().to(device)
    shown = frames[batch["frame"].to(frames.device)].to(device).float() / 255
    return video_losses(module(windows)[:, :, None], shown[:, :, None], batch["weight"][:, None], settings)


def scaled_stream(stream: Stream, mean: Counts, std: Counts) -> Stream:
    """The same with every site at mean 0 and variance 1, as fitted."""
    counts = ((stream.counts - mean) / std).astype(np.float32)
    return replace(stream, counts=counts)
