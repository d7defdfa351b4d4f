"""The machine, as far as it decides which backend is the fastest."""

from __future__ import annotations

import os
import platform
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from streamkit.inference import cuda_driver

CPU_INFO = Path("/proc/cpuinfo")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@cache
def processor() -> str:
    """Name of the processor as the system gives it."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def usable_cores() -> int:
    """Processor cores that this process may use: by its affinity, and by the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota()))


def _quota() -> int:
    try:
        limit, period = CPU_QUOTA.read_text().split()
        return ceil(int(limit) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max": no quota
        return 1 << 16


def facts() -> dict[str, Any]:
    """All of it, as JSON values."""
    driver = cuda_driver.probe()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": usable_cores(),
        "gpus": list(driver.gpus),
        "driver": f"{driver.version} {driver.release}".strip(),
    }
