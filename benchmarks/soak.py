"""Soak: `streamkit replay --loop` and `streamkit live` at 64 channels x 1 kHz for half an hour.

    python benchmarks/soak.py --minutes 30 > benchmarks/results/soak.json

Both run as the commands a user types, in processes of their own; a third process (this one) receives every prediction.
Nothing was lost when the predictions' last samples step by exactly one hop, their stamps by exactly one hop period, and
the session counted as many samples as its stamps span. Resident memory of both processes is read once a second
while predictions come.
The signal is simulated noise; the network is random: this measures plumbing, not decoding.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from apps.bench.quantiles import quantiles
from apps.rehearsal import Cast, Client
from calibration.export import export_graph, reference_pair
from models.linear import build
from streamkit.bundle import Contract, write_bundle
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.recording import Recording, RecordingMeta, Signal, write_recording
from streamkit.types import OutputSpec, StreamSpec

N_CHANS, SFREQ, N_TIMES, HOP = 64, 1000.0, 250, 50
LOOP_S = 60.0


def make_recording(folder: Path) -> Path:
    """One minute of simulated noise."""
    rng = np.random.default_rng(0)
    n_times = round(LOOP_S * SFREQ)
    names = tuple(f"E{i}" for i in range(N_CHANS))
    spec = StreamSpec(name="amp", type="EEG", ch_names=names, sfreq=SFREQ, unit="microvolts")
    data = (10 * rng.standard_normal((n_times, N_CHANS))).astype(np.float32)
    signal = Signal(spec, data, 10.0 + np.arange(n_times) / SFREQ)
    return write_recording(Recording((signal,), meta=RecordingMeta(name="soak", simulated=True)), folder / "recording")


def make_bundle(folder: Path) -> Path:
    """Band-pass, 250 samples every 50, a linear network of 16 outputs with random weights."""
    labels = tuple(f"y{i}" for i in range(16))
    args = {"n_chans": N_CHANS, "n_times": N_TIMES, "out_shape": [16], "sfreq": SFREQ}
    module = build(**args).eval()
    x = np.random.default_rng(1).standard_normal((2, N_CHANS, N_TIMES)).astype(np.float32)
    return write_bundle(
        folder / "bundle",
        contract=Contract(
            stream=StreamSpec(
                type="EEG", ch_names=tuple(f"E{i}" for i in range(N_CHANS)), sfreq=SFREQ, unit="microvolts"
            ),
            preprocess=PreprocessConfig.model_validate({"stages": [{"kind": "bandpass", "low": 0.5, "high": 40.0}]}),
            window=WindowConfig(mode="hop", n_times=N_TIMES, hop=HOP),
            output=OutputSpec(kind="values", labels=labels, shape=(16,)),
        ),
        graphs={"decoder": export_graph(module, x, builder="linear", builder_args=args)},
        references={"decoder": reference_pair(module, x)},
    ).path


def memory(process: psutil.Process) -> float:
    """Resident MB of a process."""
    return float(process.memory_info().rss / 2**20)


def flat(trace: list[float], settle: int = 60) -> dict[str, Any]:
    """How far resident memory strays after the first minute."""
    after = np.array(trace[settle:] or trace)
    slope = np.polyfit(np.arange(len(after)), after, 1)[0] * 3600 if len(after) > 1 else 0.0
    return {
        "at_start_mb": trace[0],
        "after_settling_mb": float(after[0]),
        "min_mb": float(after.min()),
        "max_mb": float(after.max()),
        "end_mb": float(after[-1]),
        "largest_change_mb": float(np.abs(after - after[0]).max()),
        "slope_mb_per_hour": float(slope),
        "every_minute_mb": [round(value, 1) for value in trace[::60]],
    }


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """One streamkit command in its own process."""
    return subprocess.Popen([sys.executable, "-m", "apps.cli", *arguments], text=True, **options)


def run(minutes: float, folder: Path) -> dict[str, Any]:
    """Run the soak and say what was found."""
    recording, bundle = make_recording(folder), make_bundle(folder)
    cast = Cast()
    seconds = minutes * 60
    replay = start("replay", str(recording), "--loop", "--base", cast.replay, stderr=subprocess.DEVNULL)
    live = start(
        *("live", str(bundle), "--stream", f"source_id={cast.replay}/amp", "--name", cast.session, "--uid", cast.uid),
        *("--backend", "openvino", "--duration", str(seconds), "--wait-for-clients", "--json"),
        stdout=subprocess.PIPE,
    )
    client = Client(cast)
    traces: dict[str, list[float]] = {"live": [], "replay": []}
    processes = {"live": psutil.Process(live.pid), "replay": psutil.Process(replay.pid)}
    cpu_start = {name: sum(p.cpu_times()[:2]) for name, p in processes.items()}
    began = due = time.monotonic()
    while live.poll() is None:
        decoding = client.drain(timeout=0.2) > 0
        if decoding and time.monotonic() >= due:  # what a session frees when it ends says nothing about a leak
            due += 1.0
            try:
                for name, process in processes.items():
                    traces[name].append(memory(process))
                cpu = {name: sum(p.cpu_times()[:2]) - cpu_start[name] for name, p in processes.items()}
                elapsed = time.monotonic() - began
            except psutil.NoSuchProcess:
                break
    report = json.loads(live.communicate()[0])
    while client.drain(timeout=0.5):
        pass
    replay.terminate()
    replay.wait(10)
    last = np.array([d["last"] for d in client.decisions])
    steps, periods = np.diff(last), np.diff(client.stamps)
    return {
        "minutes": minutes,
        "predictions": len(last),
        "samples_received": report["counts"]["samples"],
        "samples_between_first_and_last_prediction": int(last[-1] - last[0]),
        "samples_by_stamps": round((client.stamps[-1] - client.stamps[0]) * SFREQ),
        "hops_missed_or_doubled": int((steps != HOP).sum()),
        "largest_stamp_step_error_us": float(np.abs(periods - HOP / SFREQ).max() * 1e6),
        "memory": {name: flat(trace) for name, trace in traces.items()},
        "cpu_percent_of_one_core": {name: 100 * used / elapsed for name, used in cpu.items()},
        "latency_ms": report["latency_ms"],
        "stages_ms": report["stages_ms"],
        "received_latency_ms": percentiles(np.array(client.received) - client.stamps),
    }


def percentiles(seconds: np.ndarray[Any, Any]) -> dict[str, float]:
    """Milliseconds from the last input sample's stamp to the client's hands, first 20 dropped."""
    return quantiles(seconds[20:] * 1e3)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    os.environ["LSLAPICFG"] = str(Path(__file__).parents[1] / "apps" / "lsl_machine.cfg")
    packages = ("streamkit", "pylsl", "numpy", "scipy", "openvino")
    head = {
        "benchmark": "soak",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex[:8],
        "machine": {
            "cpus": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "os": platform.platform(),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "method": " ".join((__doc__ or "").split()),
    }
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(head | run(minutes, Path(folder)), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
