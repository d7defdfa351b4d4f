"""The compiled filter beside SciPy's, and whole chains: microseconds per chunk, in a loop and after a rest.

python benchmarks/filters.py > benchmarks/results/filters.json
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.signal import butter

from apps.bench.machine import machine
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.preprocess.recursive import Cascade, best_kernel
from streamkit.types import Chunk, StreamSpec

N_WARM, N_COLD = 1000, 60
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
JOBS = {
    "64 channels x 10 samples, 0.5-40 Hz at 1 kHz": (64, 10, 1000.0, 0.5, 40.0),
    "1024 channels x 30 samples, 300-3000 Hz at 30 kHz": (1024, 30, 30000.0, 300.0, 3000.0),
}
METHOD = (
    "Butterworth band-pass of order 4 (4 sections) in float64, one call per chunk, everything that happens in the call "
    "included. warm: calls one after the other. cold: before each call 32 MB of other memory are written and 20 ms are "
    "slept. same_bits: whether both filters gave the same bits over all warm calls."
)


def timed(call: Callable[[], Any], n: int, before: Callable[[], Any] | None = None) -> dict[str, float]:
    """Quantiles in microseconds."""
    seconds = []
    for _ in range(n):
        if before is not None:
            before()
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {name: round(1e6 * float(np.quantile(seconds, q)), 1) for name, q in QUANTILES.items()}


def rest() -> None:
    np.full(1 << 22, 1.0)
    time.sleep(0.02)


def filters(n_chans: int, n_times: int, sfreq: float, low: float, high: float) -> dict[str, Any]:
    sos = butter(4, (low, high), "bandpass", fs=sfreq, output="sos")
    data = np.random.default_rng(0).normal(0, 20, (n_times, n_chans))
    state = np.zeros((len(sos), 2, n_chans))
    compiled, scipys = Cascade(sos, state, best_kernel()), Cascade(sos, state, None)
    same = all(np.array_equal(compiled(data), scipys(data)) for _ in range(N_WARM))
    figures = {
        name: {"warm_us": timed(lambda f=f: f(data), N_WARM), "cold_us": timed(lambda f=f: f(data), N_COLD, rest)}
        for name, f in {"numba": compiled, "scipy": scipys}.items()
    }
    return figures | {"same_bits": same}


def chain(n_chans: int = 1024, dtype: str = "float32") -> dict[str, float]:
    """Microseconds that `Preprocessor.process` takes for a millisecond of spikes."""
    spec = StreamSpec(ch_names=tuple(f"E{k}" for k in range(n_chans)), sfreq=30000.0)
    stages = [
        {"kind": "bandpass", "low": 300, "high": 3000},
        {"kind": "threshold", "rms": [10.0]},
        {"kind": "bin", "width": 0.01},
    ]
    preprocessor = Preprocessor(spec, PreprocessConfig.model_validate({"stages": stages}))
    data = np.random.default_rng(0).normal(0, 20, (30, n_chans)).astype(dtype)
    first = iter(range(0, 10**9, 30))

    def one() -> None:
        at = next(first)
        preprocessor.process(Chunk(data, (at + np.arange(30)) / spec.sfreq, at))

    return timed(one, N_WARM)


def main() -> None:
    if best_kernel() is None:
        sys.exit("Numba is not installed, so there is nothing to compare: pip install 'streamkit[fast]'")
    report = {
        "machine": machine(("numpy", "scipy", "numba")),
        "method": METHOD,
        "filters": {name: filters(*job) for name, job in JOBS.items()},
        "preprocessor_us_per_ms_of_1024_channels": {form: chain(dtype=form) for form in ("float32", "int16")},
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
