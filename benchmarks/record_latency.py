"""What recording costs a live session: latency with and without ``--record``, in turns.

    python -m benchmarks.record_latency --runs 5 --seconds 60 > benchmarks/results/record_latency.json

64 channels at 1 kHz are replayed in a loop and decoded every 50 ms by the command a user types; every second run also
records everything. Figures are milliseconds from the newest sample's stamp to the published prediction, the median over
the runs of each kind; processor time is that of the session's process in the time it was live.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak import make_bundle, make_recording

QUANTILES = ("p50", "p95", "p99", "p999", "max")


@contextmanager
def replaying(recording: Path) -> Iterator[str]:
    """The recording, again and again, in a process of its own; gives the base of its source ids."""
    base = f"source-{uuid.uuid4().hex[:8]}"
    line = [sys.executable, "-m", "apps.cli", "replay", str(recording), "--base", base, "--loop"]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        yield base
    finally:
        process.terminate()
        process.wait()


def live(bundle: Path, base: str, seconds: float, out: Path | None) -> dict[str, Any]:
    """One session; returns what it sums up to."""
    line = [sys.executable, "-m", "apps.cli", "live", str(bundle), "--stream", f"source_id={base}/amp"]
    line += ["--backend", "onnxruntime", "--duration", str(seconds), "--timeout", "30", "--json"]
    line += [] if out is None else ["--record", str(out)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def middle(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure over several runs."""
    figures = {q: round(float(np.median([r["latency_ms"][q] for r in reports])), 3) for q in QUANTILES}
    return figures | {"predictions": sum(r["predictions"] for r in reports), "p99_of_each": [
        round(r["latency_ms"]["p99"], 3) for r in reports
    ]}  # fmt: skip


def main() -> None:
    """Run both kinds in turns and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        bundle = make_bundle(root)
        with replaying(make_recording(root)) as base:
            for run in range(chosen.runs):
                for kind, out in (("without", None), ("with", root / f"out{run}")):
                    found[kind].append(live(bundle, base, chosen.seconds, out))
    figures = {kind: middle(reports) for kind, reports in found.items()}
    job = {"n_chans": 64, "sfreq": 1000, "hop_ms": 50, "runs": chosen.runs, "seconds": chosen.seconds}
    print(json.dumps({"job": job, "record": figures}, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
