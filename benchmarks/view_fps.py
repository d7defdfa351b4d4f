"""Frames per second of the window, drawn offscreen on one core: prints one JSON object.

QT_QPA_PLATFORM=offscreen python benchmarks/view_fps.py
"""

from __future__ import annotations

import json
import os
import platform
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from apps.view.measure import measure_fps

CASES = {
    "64ch_10s_1kHz": {"n_chans": 64},
    "256ch_10s_1kHz": {"n_chans": 256},
    "64ch_10s_1kHz_1920x1080": {"n_chans": 64, "size": (1920, 1080)},
    "256ch_30s_1kHz_1920x1080": {"n_chans": 256, "seconds": 30.0, "size": (1920, 1080)},
}


def main() -> None:
    from PyQt6.QtCore import QT_VERSION_STR

    results = {name: measure_fps(**case) for name, case in CASES.items()}
    report = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "qt": QT_VERSION_STR}
    sys.stdout.write(json.dumps(report | {"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
