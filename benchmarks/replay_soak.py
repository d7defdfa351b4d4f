"""Soak: `streamkit replay --loop` in real time for an hour, beside a bare sleep loop.

    python benchmarks/replay_soak.py --minutes 60 > benchmarks/results/replay_soak.json

The command replays, in its own process, one minute of 64 channels x 1 kHz with a 30 Hz stream and markers again and
again. This process receives all three as plain pylsl does, and for the last sample of every chunk takes the lag: time
of arrival minus stamp. A third process meanwhile runs `time.sleep` towards every 10 ms of an absolute schedule, the
period with which replay sends chunks, with the same scheduling class, and says how late it woke. Lateness is the time
from when a push is due to just before it is made. The slope of the lag is a Theil-Sen line over blocks of 10 s, their
medians and their minima (which the load of the machine moves less), with its 95 % confidence interval. The signal is
simulated.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pylsl
import scipy.stats

from apps.bench.quantiles import quantiles
from streamkit.ledger import Ledger
from streamkit.recording import Markers, Recording, RecordingMeta, Signal, write_recording
from streamkit.types import StreamSpec

LOOP_S, BLOCK_S, PERIOD_S = 60.0, 10.0, 0.01
RATES = {"amp": 1000.0, "camera": 30.0}
SENT_TOGETHER = {"amp": 10, "camera": 1, "events": 1}


def make_recording(folder: Path) -> Path:
    """One minute: 64 channels x 1 kHz, 3 channels x 30 Hz that begin a little later, markers every 0.7 s."""
    rng = np.random.default_rng(0)

    def steady(name: str, n_chans: int, first: float) -> Signal:
        names, n_times = tuple(f"{name}{i}" for i in range(n_chans)), round(LOOP_S * RATES[name])
        spec = StreamSpec(name=name, type="EEG", ch_names=names, sfreq=RATES[name], unit="microvolts")
        data = rng.standard_normal((n_times, n_chans)).astype(np.float32)
        return Signal(spec, data, first + np.arange(n_times) / RATES[name])

    onsets = 10.5 + np.arange(0, LOOP_S - 2, 0.7)
    spec = StreamSpec(name="events", type="Markers", ch_names=("m",), sfreq=0, channel_format="string")
    markers = Markers(spec, tuple(f"m{i}" for i in range(len(onsets))), onsets)
    recording = Recording((steady("amp", 64, 10.0), steady("camera", 3, 10.0123)), (markers,))
    meta = RecordingMeta(name="replay-soak", simulated=True)
    return write_recording(Recording(recording.signals, recording.markers, meta=meta), folder / "recording")


def bare_loop() -> None:
    """Sleep towards every 10 ms until told to end; print how late each wake was."""
    stop, late = threading.Event(), Ledger()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    due = pylsl.local_clock() + PERIOD_S
    while not stop.is_set():
        time.sleep(max(due - pylsl.local_clock(), 0))
        late.add({"sample": due, "publish": pylsl.local_clock()})
        due += PERIOD_S
    print(json.dumps({"n": late.n, **late.summary()["latency_ms"]}))  # noqa: T201


class Ear(threading.Thread):
    """Receives one stream: arrival and last stamp of every chunk, and every step between stamps."""

    def __init__(self, source_id: str, together: int) -> None:
        super().__init__(daemon=True)
        self.together, self.samples = together, 0
        (info,) = pylsl.resolve_byprop("source_id", source_id, 1, 60.0)
        self.inlet = pylsl.StreamInlet(info, max_buflen=60, recover=False)
        self.rate = info.nominal_srate()
        self.arrivals: list[float] = []
        self.lasts: list[float] = []
        self.worst_step, self.went_back = 0.0, 0
        self.began = self.previous = float("nan")
        self.ending = threading.Event()

    def run(self) -> None:
        """Take chunks until told to end."""
        self.inlet.open_stream(60.0)
        while not self.ending.is_set():
            _, stamps = self.inlet.pull_chunk(0.5, max_samples=1024, min_samples=1)
            if stamps:
                self.hear(pylsl.local_clock(), np.array(stamps))

    def hear(self, now: float, stamps: np.ndarray[Any, Any]) -> None:
        """Keep what one chunk says."""
        steps = np.diff(stamps, prepend=self.previous)
        steps = steps[np.isfinite(steps)]
        self.began = self.began if self.samples else float(stamps[0])
        self.previous = float(stamps[-1])
        self.went_back += int((steps < 0).sum())
        if self.rate and len(steps):
            self.worst_step = max(self.worst_step, float(np.abs(steps - 1 / self.rate).max()))
        self.samples += len(stamps)
        if self.samples % self.together == 0:  # a chunk may come in two pulls; its last sample came with the second
            self.arrivals.append(now)
            self.lasts.append(self.previous)

    def findings(self) -> dict[str, Any]:
        """What was received, and the lag."""
        arrivals, lasts = np.array(self.arrivals), np.array(self.lasts)
        found: dict[str, Any] = {
            "samples": self.samples,
            "chunks": len(arrivals),
            "seconds_by_stamps": self.previous - self.began,
            "stamps_going_back": self.went_back,
            "lag_ms": percentiles(arrivals - lasts),
            "lag_slope_ms_per_hour": slope(arrivals, arrivals - lasts, np.median),
            "smallest_lag_slope_ms_per_hour": slope(arrivals, arrivals - lasts, np.min),
        }
        if self.rate:
            found["samples_missing"] = 1 + round((self.previous - self.began) * self.rate) - self.samples
            found["largest_step_error_us"] = 1e6 * self.worst_step
        return found


def percentiles(seconds: np.ndarray[Any, Any]) -> dict[str, float]:
    """Milliseconds."""
    ms = 1e3 * seconds
    return quantiles(ms) | {"min": float(ms.min())}


def slope(times: np.ndarray[Any, Any], lags: np.ndarray[Any, Any], summary: Callable[..., Any]) -> dict[str, float]:
    """Theil-Sen slope of a summary of the lags of every 10 s, milliseconds per hour, with its 95 % interval."""
    block = ((times - times[0]) // BLOCK_S).astype(int)
    levels = np.array([summary(lags[block == k]) for k in np.unique(block)])
    hours = np.unique(block) * BLOCK_S / 3600
    line = scipy.stats.theilslopes(1e3 * levels, hours, 0.95)
    return {"slope": float(line.slope), "low": float(line.low_slope), "high": float(line.high_slope)}


class Usage(threading.Thread):
    """Processor time of the processes, the load of the machine, and resident memory, every 10 s."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.ending = threading.Event()
        self.first, self.last = self.read(), self.read()
        self.load: list[float] = []
        self.memory: list[float] = []

    def read(self) -> dict[str, tuple[float, float, int]]:
        """Wall and processor seconds, and voluntary switches, of each process."""
        return {
            name: (time.monotonic(), sum(p.cpu_times()[:2]), p.num_ctx_switches().voluntary)
            for name, p in self.processes.items()
        }

    def run(self) -> None:
        """Read until told to end."""
        while not self.ending.wait(BLOCK_S):
            self.last = self.read()
            self.load.append(psutil.cpu_percent())
            self.memory.append(self.processes["replay"].memory_info().rss / 2**20)

    def findings(self) -> dict[str, Any]:
        """Percent of one core and wake-ups per second of each process; how busy the machine was."""
        wall, cpu, switches = (
            {name: self.last[name][k] - self.first[name][k] for name in self.processes} for k in range(3)
        )
        return {
            "cpu_percent_of_one_core": {name: 100 * cpu[name] / wall[name] for name in wall},
            "wakeups_per_second": {name: switches[name] / wall[name] for name in wall},
            "machine_busy_percent": {"median": float(np.median(self.load)), "max": max(self.load)},
            "replay_memory_mb": {"first": self.memory[0], "last": self.memory[-1], "max": max(self.memory)},
        }


def scheduling(pid: int) -> dict[str, int]:
    """Scheduling class and niceness of a process."""
    return {"policy": os.sched_getscheduler(pid), "nice": os.getpriority(os.PRIO_PROCESS, pid)}


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """End a process in good order and read its JSON."""
    process.send_signal(signal.SIGTERM)
    found: dict[str, Any] = json.loads(process.communicate(timeout=60)[0])
    return found


def run(minutes: float, folder: Path) -> dict[str, Any]:
    """Run the soak and say what was found."""
    recording, base = make_recording(folder), f"replay-{uuid.uuid4().hex[:8]}"
    command = [sys.executable, "-m", "apps.cli", "replay", str(recording), "--loop", "--base", base, "--json"]
    said = (folder / "replay.log").open("w+")
    replay = subprocess.Popen([*command, "--wait", "60"], text=True, stdout=subprocess.PIPE, stderr=said)
    ears = {name: Ear(f"{base}/{name}", together) for name, together in SENT_TOGETHER.items()}
    bare = subprocess.Popen([sys.executable, __file__, "--bare"], text=True, stdout=subprocess.PIPE)
    for ear in ears.values():
        ear.start()
    time.sleep(2.0)
    usage = Usage({"replay": replay.pid, "bare_loop": bare.pid, "receiver": os.getpid()})
    usage.start()
    classes = {"replay": scheduling(replay.pid), "bare_loop": scheduling(bare.pid)}
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until and replay.poll() is None:
        time.sleep(1.0)
    for thread in (usage, *ears.values()):
        thread.ending.set()
        thread.join()
    late, bare_late = ended(replay), ended(bare)
    heard = {name: ear.findings() for name, ear in ears.items()}
    return {
        "minutes": minutes,
        "loop_period_s": late["period_s"],
        "turns": heard["amp"]["seconds_by_stamps"] / late["period_s"],
        "streams": heard,
        "late_ms": {"replay": late["late_ms"], "bare_loop": bare_late},
        **usage.findings(),
        "scheduling": classes,
        "passed": passed(heard, late["late_ms"]["amp"], bare_late),
    }


def passed(heard: dict[str, Any], late: dict[str, float], bare: dict[str, float]) -> dict[str, bool]:
    """The conditions, one by one."""
    slopes = [stream["lag_slope_ms_per_hour"] for stream in heard.values()]
    steady = [heard[name] for name in RATES]
    return {
        "lag_slope_within_1_ms_per_hour": all(line["low"] >= -1 and line["high"] <= 1 for line in slopes),
        "steps_of_exactly_one_period": all(stream["largest_step_error_us"] < 1 for stream in steady),
        "nothing_lost": all(stream["samples_missing"] == 0 for stream in steady),
        "never_back": all(stream["stamps_going_back"] == 0 for stream in heard.values()),
        "p50_no_later_than_bare_loop": late["p50"] <= bare["p50"],
        "p99_no_later_than_bare_loop": late["p99"] <= bare["p99"],
        "p999_no_later_than_bare_loop": late["p999"] <= bare["p999"],
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare_loop()
        return
    os.environ["LSLAPICFG"] = str(Path(__file__).parents[1] / "apps" / "lsl_machine.cfg")
    head = {
        "benchmark": "replay_soak",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex[:8],
        "machine": {
            "cpus": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "os": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("streamkit", "pylsl", "numpy", "scipy")},
        },
        "method": " ".join((__doc__ or "").split()),
    }
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(head | run(options.minutes, Path(folder)), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
