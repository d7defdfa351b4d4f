"""How fast the window draws: frames per second of the whole window, fed as a live stream would feed it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PyQt6.QtCore import QEvent
from PyQt6.QtWidgets import QApplication

from apps.view.app import application
from apps.view.state.latency import STAGES
from apps.view.state.view import ViewState
from apps.view.window import Window
from streamkit.types import StreamSpec

LIVE_FPS = 50.0
PREDICT_EVERY = 12
"""Frames between two reconstructed images."""


def measure_fps(
    n_chans: int = 64,
    sfreq: float = 1000.0,
    seconds: float = 10.0,
    size: tuple[int, int] = (1280, 800),
    frames: int = 200,
    page_size: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Draw `frames` frames as fast as possible, each with 20 ms of new samples on all channels.

    An image is reconstructed four times a second and the numbers are drawn five times a second, by the clock of the
    samples, so a mean frame costs what it costs live.

    Parameters
    ----------
    n_chans, sfreq, seconds
        The stream, and the time base of the sweep; it is full before the clock starts.
    size
        Of the window, in pixels.
    page_size
        Channels on screen; all by default.

    Returns
    -------
    dict
        ``painted`` (paint events of the signal panel in `frames` frames: all must have led to one), ``fps`` (mean),
        ``frame_ms`` (p50, p99), ``full_repaint_ms`` (all columns, as after a change of scale), and what was measured.
    """
    app, sent = application(), 0
    state = ViewState()
    state.signals.seconds = seconds
    state.signals.page_size = page_size or n_chans
    names = tuple(f"ch{k + 1}" for k in range(n_chans))
    state.signals.configure(StreamSpec(name="bench", ch_names=names, sfreq=sfreq, unit="microvolts"))
    state.output = "image"
    window = Window(state, wall=lambda: 1000.0 + sent / sfreq)
    window.resize(*size)
    window.show()
    rng = np.random.default_rng(seed)
    step = max(1, round(sfreq / LIVE_FPS))
    noise = rng.normal(0, 20, (4096 + step, n_chans)).astype(np.float32)

    def send(n_times: int) -> None:
        nonlocal sent
        at = sent % 4096
        stamps = 1000.0 + (sent + np.arange(n_times)) / sfreq
        state.signals.push(noise[at : at + n_times], stamps, window.wall())
        sent += n_times
        if sent % (PREDICT_EVERY * step) < step:
            image = rng.random((1, 28, 28), np.float32)
            state.images.add_shown(float(stamps[-1]), image, window.wall())
            state.images.add_seen(float(stamps[-1]), image, window.wall())
            state.latency.push(rng.random((1, len(STAGES))), window.wall())

    def draw() -> None:
        window.tick()
        app.processEvents()
        # Qt would put off the painting to its next refresh; this has it done now.
        QApplication.sendEvent(window, QEvent(QEvent.Type.UpdateRequest))

    while sent < seconds * sfreq * 1.1:
        send(step)
    window.tick()
    app.processEvents()
    took, painted = [], window.signals.paints
    for _ in range(frames):
        began = time.perf_counter()
        send(step)
        draw()
        took.append(time.perf_counter() - began)
    painted = window.signals.paints - painted
    full = []
    for _ in range(5):
        state.signals.version += 1
        began = time.perf_counter()
        draw()
        full.append(time.perf_counter() - began)
    window.close()
    window.deleteLater()
    app.processEvents()
    return {
        "n_chans": n_chans,
        "sfreq": sfreq,
        "seconds": seconds,
        "size": list(size),
        "channels_on_screen": state.signals.channels.stop - state.signals.channels.start,
        "frames": frames,
        "painted": painted,
        "fps": round(1 / float(np.mean(took)), 1),
        "frame_ms": {"p50": _ms(took, 50), "p99": _ms(took, 99)},
        "full_repaint_ms": _ms(full, 50),
    }


def _ms(took: list[float], percent: float) -> float:
    return round(1000 * float(np.percentile(took, percent)), 2)
