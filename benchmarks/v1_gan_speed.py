"""How fast the GAN decoder of mouse V1 is on this computer: pictures per second, by its width, beside real time.

python -m benchmarks.v1_gan_speed                      # 8,587 neurons, 36 x 64 pixels, widths from all to a sixteenth
python -m benchmarks.v1_gan_speed --threads 2 --seconds 5

The generator as it is exported, in ONNX Runtime, one response vector at a time, weights at random. The width scales the
maps of read-in and core together; the published form has 480. A mouse sees a picture for half a second, so real time is
two pictures per second; ten are the aim. Writes one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import torch

from apps.bench.inference.networks import settle
from apps.bench.machine import machine
from calibration.export import export_graph
from models.table import n_parameters
from models.v1_gan import CHANNELS, READIN, v1_gan
from streamkit.errors import require

NEURONS, IMAGE = 8587, (1, 36, 64)
WIDTHS = (1.0, 0.5, 0.25, 0.125, 0.0625)
REAL_TIME, AIM = 2.0, 10.0
"""Pictures per second."""


def network(width: float, neurons: int = NEURONS, image: tuple[int, int, int] = IMAGE) -> torch.nn.Module:
    """The generator with all of its maps scaled."""
    torch.manual_seed(0)
    channels = [max(1, round(width * each)) for each in CHANNELS]
    return v1_gan(neurons, 1, image, 1.0, readin=max(1, round(width * READIN)), channels=channels)


def measure(
    width: float, seconds: float, threads: int, neurons: int = NEURONS, image: tuple[int, int, int] = IMAGE
) -> dict:
    """Pictures per second of one width."""
    runtime = require("onnxruntime", "train", "measuring")
    module = network(width, neurons, image)
    x = np.random.default_rng(0).random((2, neurons, 1), np.float32)
    settle(module, x)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(export_graph(module, x).onnx, options, providers=["CPUExecutionProvider"])
    times: list[float] = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        session.run(None, {"input": x[:1]})
        times.append(time.perf_counter() - start)
    median = float(np.median(times))
    return {
        "width": width,
        "maps": max(1, round(width * READIN)),
        "parameters": n_parameters(module),
        "runs": len(times),
        "median_ms": round(1e3 * median, 2),
        "pictures_per_second": round(1 / median, 2),
        "real_time_factor": round(1 / median / REAL_TIME, 2),
    }


def report(rows: list[dict]) -> dict:
    """The widths, and the widest that reaches the aim."""
    fast = [row for row in rows if row["pictures_per_second"] >= AIM]
    return {"rows": rows, "widest_at_10_per_second": max((row["width"] for row in fast), default=None)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each width, at least one run (5)")
    given = parser.parse_args()
    rows = [measure(width, given.seconds, given.threads) for width in WIDTHS]
    json.dump({"machine": machine(), "threads": given.threads, **report(rows)}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
