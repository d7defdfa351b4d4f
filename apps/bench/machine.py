"""What a figure was measured on: processor, governor, system, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pylsl

CPU_INFO = Path("/proc/cpuinfo")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
PACKAGES = ("numpy", "scipy", "pylsl", "openvino", "mne-lsl", "mne", "ezmsg", "ezmsg-lsl", "ezmsg-sigproc")


def machine(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Facts about this computer and the versions of `packages` (null where absent), ready for JSON."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "governor": _governor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
        "versions": {"liblsl": pylsl.library_version(), **{name: version(name) for name in packages}},
    }


def version(name: str) -> str | None:
    """Installed version of a distribution; None when it is absent."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _governor() -> str:
    try:
        return GOVERNOR.read_text().strip()
    except OSError:
        return "unknown: the system does not show it"
