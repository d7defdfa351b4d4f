"""Can a window open here? Asked before Qt is touched, because Qt ends the whole process when it cannot."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping

from streamkit.errors import BadInput, MissingPackage

SCREENLESS = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs")

DEBIAN = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libzstd.so.1": "libzstd1",
}
"""Shared libraries that the PyQt6 wheel does not bring → the Debian package that has them."""

NEEDED = ("libegl1", "libgl1", "libglib2.0-0", "libfontconfig1", "libx11-6", "libxkbcommon0", "libdbus-1-3")
"""Debian packages for drawing without a display."""

NEEDED_ON_SCREEN = (
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-randr0",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-xkb1",
    "libxkbcommon-x11-0",
)
"""Debian packages for a window on an X display, besides `NEEDED`."""


def check(
    environ: Mapping[str, str] | None = None,
    load: Callable[[str], object] = importlib.import_module,
    platform: str = sys.platform,
    probe: Callable[[], str] = lambda: open_and_close(),
) -> None:
    """Raise where a window cannot be drawn; otherwise do nothing.

    Parameters
    ----------
    environ
        Environment variables.
    load
        Imports a module by name.
    platform
        As ``sys.platform``.
    probe
        Tries the display; returns what went wrong, empty when nothing did.

    Raises
    ------
    MissingPackage
        PyQt6 is not installed.
    BadInput
        A system library is missing, or there is no display and none was asked to be done without.
    """
    environ = os.environ if environ is None else environ
    check_display(environ, platform)
    check_packages(load)
    if not screenless(environ) and platform == "linux":
        check_screen(probe)


def check_display(environ: Mapping[str, str], platform: str = sys.platform) -> None:
    """Raise BadInput where there is no display and the platform was not set to one that needs none."""
    if platform in ("win32", "darwin") or screenless(environ):
        return
    if not environ.get("DISPLAY") and not environ.get("WAYLAND_DISPLAY"):
        raise BadInput(
            "no display was found (neither DISPLAY nor WAYLAND_DISPLAY is set), so the window cannot open. "
            "Run `streamkit view` on a computer with a screen on the same network, or make pictures without one: "
            "QT_QPA_PLATFORM=offscreen streamkit view --screenshot OUT.png --after 10"
        )


def screenless(environ: Mapping[str, str]) -> bool:
    """True where Qt was told to draw without a display."""
    return environ.get("QT_QPA_PLATFORM", "").split(":")[0] in SCREENLESS


def check_screen(probe: Callable[[], str]) -> None:
    """Raise BadInput where the display, or a library that reaches it, does not work."""
    wrong = probe()
    if wrong:
        raise BadInput(
            f"the window cannot open on this display ({wrong}). Check DISPLAY or WAYLAND_DISPLAY, and on Debian or "
            f"Ubuntu run: sudo apt-get install {' '.join((*NEEDED, *NEEDED_ON_SCREEN))}; or make pictures without a "
            "display: QT_QPA_PLATFORM=offscreen streamkit view --screenshot OUT.png --after 10"
        )


def open_and_close() -> str:
    """Connect Qt to the display in a process of its own, which Qt ends when it fails; returns its last words."""
    code = "from PyQt6.QtGui import QGuiApplication; QGuiApplication([])"
    try:
        trial = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "it does not answer"
    lines = [line.removeprefix("qt.qpa.") for line in trial.stderr.splitlines() if line.strip()]
    return "" if trial.returncode == 0 else (lines[0] if lines else f"Qt ended with status {trial.returncode}")


def check_packages(load: Callable[[str], object] = importlib.import_module) -> None:
    """Raise when PyQt6, or a system library it needs, is not there."""
    try:
        for module in ("PyQt6.QtCore", "PyQt6.QtGui", "PyQt6.QtWidgets"):
            load(module)
    except ImportError as error:
        library = missing_library(str(error))
        if library is None:
            raise MissingPackage(
                f"the window needs the package 'PyQt6', which could not be imported ({error}). "
                "Install it with: pip install 'streamkit[view]'"
            ) from error
        raise BadInput(library_advice(library)) from error


def missing_library(message: str) -> str | None:
    """Name of the shared library that an ImportError complains about, if that is what it is about."""
    found = re.search(r"(lib[\w.+-]+\.so[\d.]*)", message)
    return found.group(1) if found else None


def library_advice(library: str) -> str:
    """Say which Debian packages bring what PyQt6 misses."""
    package = DEBIAN.get(library)
    first = f"{library} ({package} on Debian)" if package else library
    return (
        f"PyQt6 is installed but the system library {first} is missing. On Debian or Ubuntu, run: "
        f"sudo apt-get install {' '.join(NEEDED)} (for a window on screen also: {' '.join(NEEDED_ON_SCREEN)})"
    )
