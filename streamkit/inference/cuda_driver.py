"""Is there an NVIDIA driver, and a GPU behind it? Asked of the driver itself, before anything that would crash without."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

LIBRARY = "libcuda.so.1"


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
    """

    version: str = ""
    gpus: tuple[str, ...] = ()
    why_not: str = ""


@cache
def probe() -> Driver:
    """Ask once; a process that was started without a GPU does not get one later."""
    try:
        cuda = ctypes.CDLL(LIBRARY)
    except OSError:
        return Driver(why_not=f"there is no NVIDIA driver ({LIBRARY} not found): install it, or use a processor backend")
    status = cuda.cuInit(0)
    if status:
        return Driver(why_not=f"the NVIDIA driver finds no usable GPU (cuInit says {status}): see what nvidia-smi says")
    number, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    version = f"{number.value // 1000}.{number.value % 1000 // 10}"
    if not count.value:
        return Driver(version, why_not="the NVIDIA driver lists no GPU: see what nvidia-smi says")
    return Driver(version, tuple(_name(cuda, index) for index in range(count.value)))


def _name(cuda: ctypes.CDLL, index: int) -> str:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(128)
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, len(name), device)
    return name.value.decode(errors="replace")
