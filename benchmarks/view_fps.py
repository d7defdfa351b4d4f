"""Frames per second of the window, drawn offscreen on one core: prints one JSON object.

    QT_QPA_PLATFORM=offscreen python benchmarks/view_fps.py

Beside it, in the same run, the same signals through pyqtgraph (where it is installed) as it is usually advised: one
curve for all channels, the newest ten seconds decimated to the least and the largest value of every pixel column, drawn
anew for every frame. The window draws everything else too; the curve is alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np

from apps.view.measure import measure_fps

CASES = {
    "64ch_10s_1kHz": {"n_chans": 64},
    "256ch_10s_1kHz": {"n_chans": 256},
    "64ch_10s_1kHz_1920x1080": {"n_chans": 64, "size": (1920, 1080)},
    "256ch_30s_1kHz_1920x1080": {"n_chans": 256, "seconds": 30.0, "size": (1920, 1080)},
}


def pyqtgraph_fps(n_chans: int, frames: int = 60, n_times: int = 10_000, n_columns: int = 800) -> float:
    """Frames per second of one min-max decimated curve, 1280x800."""
    import pyqtgraph as pg

    app = pg.mkQApp()
    widget = pg.PlotWidget()
    widget.resize(1280, 800)
    widget.show()
    curve = widget.plot(connect="finite", antialias=False)
    data = np.random.default_rng(0).standard_normal((n_times, n_chans)).astype(np.float32) / 8
    offsets = np.arange(n_chans, dtype=np.float32)
    part = n_times // n_columns * n_columns
    x = np.tile(np.append(np.repeat(np.arange(n_columns), 2), n_columns), n_chans).astype(np.float32)
    began = time.perf_counter()
    for frame in range(frames):
        rolled = np.roll(data, -20 * frame, axis=0)[-part:].reshape(n_columns, -1, n_chans)
        y = np.stack([rolled.min(1), rolled.max(1)], 1).reshape(-1, n_chans) + offsets
        curve.setData(x, np.concatenate([y.T, np.full((n_chans, 1), np.nan, np.float32)], axis=1).ravel())
        widget.grab()
        app.processEvents()
    return frames / (time.perf_counter() - began)


def main() -> None:
    from PyQt6.QtCore import QT_VERSION_STR

    results = {name: measure_fps(**case) for name, case in CASES.items()}
    if importlib.util.find_spec("pyqtgraph"):
        results |= {f"pyqtgraph_{n}ch_10s_1kHz": {"fps": round(pyqtgraph_fps(n), 1)} for n in (64, 256)}
    report = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "qt": QT_VERSION_STR}
    sys.stdout.write(json.dumps(report | {"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
