"""What a window should have been answered: a class, values, an image or its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import ConfigError, require
from streamkit.inference.cache import cache_dir
from streamkit.recording import Recording, Signal
from streamkit.recording.images import as_float, load_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma of ITU-R BT.601."""


def class_of(label: str, classes: Mapping[str, str]) -> str | None:
    """Class name of a marker label: that of the first pattern (fnmatch) that fits; None when none does."""
    return next((name for pattern, name in classes.items() if fnmatchcase(label, pattern)), None)


def values_at(signal: Signal, stamps: NDArray[np.float64], picks: Sequence[int], smooth: float) -> NDArray[np.float32]:
    """Target values ``(n, len(picks))`` at `stamps`: the newest target sample not later than each.

    Parameters
    ----------
    smooth
        Seconds of causal moving average; 0 for none.
    """
    data = np.asarray(signal.data[:, list(picks)], np.float64)
    width = max(1, round(smooth * signal.spec.sfreq))
    if width > 1:
        padded = np.concatenate([np.repeat(data[:1], width - 1, axis=0), data])
        sums = np.cumsum(np.concatenate([np.zeros_like(data[:1]), padded]), axis=0)
        data = (sums[width:] - sums[:-width]) / width
    at = np.searchsorted(signal.whole().stamps - 1e-6, stamps, side="right") - 1
    return data[np.clip(at, 0, None)].astype(np.float32)


def target_picks(signal: Signal, ch_names: Sequence[str]) -> list[int]:
    """Columns of the named channels of the target signal; all when none is named."""
    absent = [name for name in ch_names if name not in signal.spec.ch_names]
    if absent:
        raise ConfigError(
            f"target.ch_names: {absent[0]!r} is not in signal {signal.spec.name!r}, "
            f"which has {', '.join(signal.spec.ch_names)}"
        )
    return [signal.spec.ch_names.index(name) for name in (ch_names or signal.spec.ch_names)]


def has_image(recording: Recording, label: str) -> bool:
    """Whether an image belongs to this marker label."""
    return label in recording.stimulus_arrays or label in recording.stimuli


def image_of(recording: Recording, label: str, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """The stimulus of a marker label as ``(channels, height, width)`` float32 in [0, 1].

    Raises
    ------
    RecordingError
        When its file cannot be read as an image.
    """
    if label in recording.stimulus_arrays:
        return fit_image(np.asarray(recording.stimulus_arrays[label], np.float32), shape)
    return fit_image(as_float(load_pixels(recording.stimuli[label])), shape)


def features_of(
    recording: Recording, labels: Sequence[str], shape: tuple[int, int, int], name: str, weights: str = ""
) -> dict[str, NDArray[np.float32]]:
    """Features ``(n_features,)`` of the stimuli of these marker labels; labels without an image are left out.

    They are kept in the cache folder.

    Parameters
    ----------
    shape
        ``(channels, height, width)`` at which the images are looked at.
    name, weights
        Of the image encoder, and its weight file; see `calibration.features.extract`.
    """
    from calibration.features.extract import extract

    known = [label for label in labels if has_image(recording, label)]
    if not known:
        return {}
    images = np.stack([image_of(recording, label, shape) for label in known])
    return dict(zip(known, extract(images, name, weights or None, cache_dir() / "features"), strict=True))


def fit_image(image: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Bring ``(C, H, W)`` to `shape`: grey by luma, or grey repeated to colours; resized with a triangle filter."""
    channels, height, width = shape
    if image.shape[0] != channels:
        grey = np.tensordot(GREY, image, 1)[None] if image.shape[0] == 3 else image[:1]
        image = np.repeat(grey, channels, axis=0)
    if image.shape[1:] == (height, width):
        return np.ascontiguousarray(image, np.float32)
    pil = require("PIL.Image", "images", "resizing images")
    planes: list[Image] = [pil.fromarray(np.ascontiguousarray(plane, np.float32)) for plane in image]
    resized = [np.asarray(plane.resize((width, height), pil.Resampling.BILINEAR)) for plane in planes]
    return np.clip(np.stack(resized), 0, 1).astype(np.float32)
