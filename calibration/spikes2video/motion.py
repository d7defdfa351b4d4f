"""Which way the dots of a clip go, by dense optical flow.

Source: Farnebäck 2003, Two-frame motion estimation based on polynomial expansion; OpenCV's implementation. The paper
takes the flow between a frame and the second one after it and states no settings; those here are the ones of OpenCV's
own examples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.material import Stages
from streamkit.errors import BadInput, require

Array = NDArray[np.floating]
GAP = 2
SETTINGS = {
    "pyr_scale": 0.5,
    "levels": 3,
    "winsize": 15,
    "iterations": 3,
    "poly_n": 5,
    "poly_sigma": 1.2,
    "flags": 0,
}
STILL = 1e-6
"""A mean flow of fewer pixels has no direction."""


def mean_flow(clips: Array, stages: Stages, gap: int = GAP) -> Array:
    """Mean flow over pixels and pairs of frames of the stimulus.

    Parameters
    ----------
    clips
        ``(n, 3, n_frames, height, width)`` in [0, 1].
    gap
        Frames from one of a pair to the other.

    Returns
    -------
    ndarray
        ``(n, 2)`` pixels per `gap` frames, rightwards and upwards.

    Raises
    ------
    BadInput
        When the stimulus has no pair of frames.
    """
    at = stages.frames("stimulus")
    if stages.stimulus <= gap:
        raise BadInput(f"a stimulus of {stages.stimulus} frames has none {gap} after another: motion cannot be told")
    return np.array([_flow(_grey(clip[:, at]), gap) for clip in clips]).reshape(len(clips), 2)


def _grey(clip: Array) -> NDArray[np.uint8]:
    """``(3, n_frames, height, width)`` to grey uint8 frames, as television weighs colours."""
    cv2 = _opencv()
    frames = np.round(np.clip(clip, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 3, 0)
    return np.stack([cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames])


def _flow(frames: NDArray[np.uint8], gap: int) -> Array:
    cv2 = _opencv()
    found = [
        cv2.calcOpticalFlowFarneback(first, second, None, **SETTINGS).mean((0, 1))
        for first, second in zip(frames[:-gap], frames[gap:], strict=True)
    ]
    u, v = np.mean(found, axis=0, dtype=np.float64)
    return np.array([u, -v])


def _opencv() -> object:
    return require("cv2", "video", "optical flow")


def angle(flow: Array) -> Array:
    """``(n, 2)`` flow to degrees anticlockwise from rightwards, in (-180, 180]; NaN where nothing moves."""
    degrees = np.degrees(np.arctan2(flow[:, 1], flow[:, 0]))
    return np.where(np.hypot(flow[:, 0], flow[:, 1]) > STILL, degrees, np.nan)


def turn(first: Array, second: Array) -> Array:
    """Smallest turn between directions, 0 to 180 degrees."""
    return np.abs((np.asarray(first) - np.asarray(second) + 180) % 360 - 180)


def mean_angle(degrees: Array) -> tuple[float, float]:
    """Circular mean and circular deviation of what is defined, degrees; NaN when nothing is.

    The deviation is ``sqrt(-2 ln R)``, R the length of the mean of unit vectors.
    """
    known = np.radians(degrees[np.isfinite(degrees)])
    if not len(known):
        return float("nan"), float("nan")
    mean = np.exp(1j * known).mean()
    length = min(float(np.abs(mean)), 1.0)
    spread = np.sqrt(-2 * np.log(length)) if length > 0 else np.inf
    return float(np.degrees(np.angle(mean))), float(np.degrees(spread))
