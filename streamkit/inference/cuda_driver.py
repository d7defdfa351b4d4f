"""Is there an NVIDIA driver with a GPU behind it? Asked of the driver itself, before anything that crashes without."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

LIBRARY, MANAGEMENT = ("nvcuda.dll", "nvml.dll") if os.name == "nt" else ("libcuda.so.1", "libnvidia-ml.so.1")
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # of the driver's CUdevice_attribute
NAME_BYTES = 128


@dataclass(frozen=True)
class Driver:
    """What the driver says.

    Attributes
    ----------
    version
        Newest CUDA version it supports, ``"13.0"``; empty without a driver.
    gpus
        Names of the GPUs, in its order.
    why_not
        Why no GPU can be used and what to do; empty when one can.
    capabilities
        Compute capability of each GPU, ``"9.0"``.
    release
        The driver's own number, ``"580.65.06"``; empty where its management library is absent.
    """

    version: str = ""
    gpus: tuple[str, ...] = ()
    why_not: str = ""
    capabilities: tuple[str, ...] = ()
    release: str = ""


@cache
def probe() -> Driver:
    """Ask once; a process that was started without a GPU does not get one later."""
    try:
        cuda: Any = ctypes.CDLL(LIBRARY)
    except OSError:
        why_not = f"there is no NVIDIA driver ({LIBRARY} not found): install it, or use a processor backend"
        return Driver(why_not=why_not)
    status = cuda.cuInit(0)
    if status:
        return Driver(why_not=f"the NVIDIA driver finds no usable GPU (cuInit says {status}): see what nvidia-smi says")
    number, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    version = f"{number.value // 1000}.{number.value % 1000 // 10}"
    if not count.value:
        return Driver(version, why_not="the NVIDIA driver lists no GPU: see what nvidia-smi says")
    names, capabilities = zip(*(_gpu(cuda, index) for index in range(count.value)), strict=True)
    return Driver(version, names, "", capabilities, _release())


def _gpu(cuda: Any, index: int) -> tuple[str, str]:
    """Name and compute capability."""
    device, name = ctypes.c_int(), ctypes.create_string_buffer(NAME_BYTES)
    major, minor = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, NAME_BYTES, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), CAPABILITY_MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), CAPABILITY_MINOR, device)
    return name.value.decode(errors="replace"), f"{major.value}.{minor.value}"


def _release() -> str:
    try:
        management: Any = ctypes.CDLL(MANAGEMENT)
    except OSError:
        return ""
    number = ctypes.create_string_buffer(NAME_BYTES)
    if management.nvmlInit_v2():
        return ""
    status = management.nvmlSystemGetDriverVersion(number, NAME_BYTES)
    management.nvmlShutdown()
    return "" if status else number.value.decode(errors="replace")
