"""Check LSL, clock, GPU, display and packages, with the next step for each failure."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from streamkit.inference.cuda_driver import probe

EXAMPLE = "Example: streamkit doctor --json"
WORD = {True: "ok", False: "FAILED"}


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name
        What was checked.
    ok
        Whether it holds.
    found
        What was seen, in words.
    next_step
        What to do when it does not hold.
    required
        False when streamkit works without it.
    figures
        Measured numbers.
    """

    name: str
    ok: bool
    found: str
    next_step: str = ""
    required: bool = True
    figures: dict[str, Any] = field(default_factory=dict)


@click.command("doctor", epilog=EXAMPLE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Check this computer; exit status 1 when something that is required fails."""
    checks = [guarded(check) for check in CHECKS]
    passed = all(check.ok for check in checks if check.required)
    if as_json:
        click.echo(json.dumps({"ok": passed, "checks": [asdict(check) for check in checks]}))
    else:
        show(checks)
    sys.exit(0 if passed else 1)


def guarded(check: Callable[[], Check]) -> Check:
    """Run one check; a check that breaks is a check that failed."""
    try:
        return check()
    except Exception as error:
        name = check.__name__.removeprefix("check_")
        return Check(name, False, f"{type(error).__name__}: {error}", "report this with the output of --json")


def check_python() -> Check:
    """Python 3.11 or newer."""
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Check("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def check_lsl() -> Check:
    """An outlet here is found, opened and heard from here, and how long a sample takes."""
    import pylsl

    uid = f"doctor-{uuid.uuid4().hex}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("streamkit-doctor", "Test", 1, 0, "double64", uid))
    began = time.perf_counter()
    infos = pylsl.resolve_byprop("source_id", uid, 1, 5.0)
    resolved = time.perf_counter() - began
    if not infos:
        step = "allow UDP port 16571 and multicast 224.0.0.183 on this computer, or set [lab] KnownPeers in lsl_api.cfg"
        return Check("lsl", False, "a stream published here is not found from here within 5 s", step)
    hops = sorted(round_trips(outlet, pylsl.StreamInlet(infos[0])))
    if not hops:
        step = "allow TCP and UDP ports 16572-16604 on this computer"
        return Check("lsl", False, "a stream published here is found, but its samples do not arrive", step)
    figures = {
        "resolve_s": resolved,
        "hop_ms": {"p50": hops[len(hops) // 2], "max": hops[-1]},
        "liblsl": pylsl.library_version(),
    }
    found = f"found in {1e3 * resolved:.0f} ms; a sample takes {hops[len(hops) // 2]:.2f} ms (longest {hops[-1]:.2f})"
    return Check("lsl", True, found, figures=figures)


def round_trips(outlet: Any, inlet: Any, n: int = 100) -> list[float]:
    """Milliseconds from push to pull of single samples; empty when the stream cannot be opened."""
    import pylsl

    try:
        inlet.open_stream(5.0)
    except RuntimeError:
        return []
    outlet.wait_for_consumers(5.0)
    hops = []
    for _ in range(n):
        outlet.push_sample([pylsl.local_clock()])
        sample, _ = inlet.pull_sample(1.0)
        if sample is not None:
            hops.append(1e3 * (pylsl.local_clock() - sample[0]))
    return hops


def check_clock() -> Check:
    """The clock LSL stamps with never goes back and resolves microseconds."""
    import numpy as np
    import pylsl

    steps = np.diff([pylsl.local_clock() for _ in range(20000)])
    figures = {"smallest_step_us": 1e6 * float(steps[steps > 0].min()), "longest_pause_ms": 1e3 * float(steps.max())}
    ok = bool((steps >= 0).all()) and figures["smallest_step_us"] < 100
    found = f"steps of {figures['smallest_step_us']:.2f} µs, longest pause {figures['longest_pause_ms']:.2f} ms"
    return Check("clock", ok, found, "use a kernel clock source such as tsc or kvm-clock", figures=figures)


def check_network() -> Check:
    """Whether this host's name and addresses let other computers find it."""
    step = "only needed for streams between computers: allow UDP 16571 and TCP/UDP 16572-16604, same network, multicast"
    config = os.environ.get("LSLAPICFG", "")
    found = f"host {socket.gethostname()}" + (f", LSL settings from {config}" if config else "")
    return Check("network", True, found, step, required=False)


def check_real_time() -> Check:
    """Whether this user may have real-time scheduling, which `live` asks for."""
    from streamkit.priority import LEVEL, hurry, unhurry

    granted: list[bool] = []

    def ask() -> None:
        granted.append(hurry())
        unhurry()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    found = "granted" if granted[0] else "not granted: on a busy computer decoding waits its turn, some milliseconds"
    step = f"let your group have it (a line '@group - rtprio {LEVEL}' in /etc/security/limits.conf), then log in again"
    return Check("real-time", granted[0], found, step, required=False)


def check_gpu() -> Check:
    """An NVIDIA driver that answers; nothing that needs one is imported to find out."""
    driver = probe()
    if driver.why_not:
        step = "nothing to do for decoding on the processor; else install the NVIDIA driver, and ask nvidia-smi"
        return Check("gpu", False, driver.why_not.partition(":")[0], step, required=False)
    return Check("gpu", True, f"{', '.join(driver.gpus)} (CUDA {driver.version})", required=False)


def check_display() -> Check:
    """Something to open the window on."""
    shown = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    ok = bool(shown) or platform.system() != "Linux"
    step = "log in with a desktop, or set QT_QPA_PLATFORM=offscreen for screenshots"
    return Check("display", ok, f"display {shown}" if shown else "no display is set", step, required=False)


def check_packages() -> Check:
    """The packages every command needs."""
    needed = requirements()[""]
    missing = [name for name in needed if version(name) is None]
    figures = {name: version(name) for name in needed}
    found = f"missing: {', '.join(missing)}" if missing else ", ".join(f"{k} {v}" for k, v in figures.items())
    return Check("packages", not missing, found, "pip install streamkit", figures=figures)


def check_extras() -> Check:
    """Which optional parts are installed."""
    wanted = {extra: names for extra, names in requirements().items() if extra not in ("", "all", "dev")}
    figures = {extra: {name: version(name) for name in names} for extra, names in wanted.items()}
    missing = {extra: [n for n, v in found.items() if v is None] for extra, found in figures.items()}
    lacking = [f"{extra} ({', '.join(names)})" for extra, names in missing.items() if names]
    whole = [extra for extra, names in missing.items() if not names]
    found = f"installed: {', '.join(whole) or 'none'}" + (f"; missing: {'; '.join(lacking)}" if lacking else "")
    absent = ",".join(extra for extra, names in missing.items() if names)
    step = f"only if you need what they bring: pip install 'streamkit[{absent}]'"
    return Check("extras", not lacking, found, step, required=False, figures=figures)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_packages,
    check_extras,
    check_lsl,
    check_clock,
    check_network,
    check_real_time,
    check_gpu,
    check_display,
)


def requirements() -> dict[str, list[str]]:
    """Packages by the extra that brings them; the empty name for those that are always needed."""
    found: dict[str, list[str]] = {"": []}
    for line in importlib.metadata.requires("streamkit") or []:
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        match = re.match(r"[\w.-]+", line)
        if match and match[0] != "streamkit":
            found.setdefault(extra[1] if extra else "", []).append(match[0])
    return found


def version(name: str) -> str | None:
    """Return the installed version of a distribution, or None; nothing is imported."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def show(checks: list[Check]) -> None:
    """Print a line per check, and the next step below the ones that do not hold."""
    for check in checks:
        word = WORD[check.ok] if check.ok or check.required else "absent"
        click.echo(f"{word:>6}  {check.name}: {check.found}")
        if not check.ok:
            click.echo(f"        next: {check.next_step}")
