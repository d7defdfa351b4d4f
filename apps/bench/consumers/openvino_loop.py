"""A loop by hand: pylsl, SciPy's filter with its state carried along, a window kept by concatenation, OpenVINO."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pylsl
from scipy.signal import sosfilt

from apps.bench import engine
from apps.bench.job import Job


def main(job: Job, source: str, out: str, onnx: Path) -> None:
    """Decode `source` into `out` until ended."""
    predict = engine.load(onnx, (job.n_chans, job.n_times))
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(out, "Prediction", job.n_outputs, 0, pylsl.cf_float32, out))
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("source_id", source, 1, 60.0)[0])
    inlet.open_stream()
    sos = job.sos
    state = np.zeros((len(sos), 2, job.n_chans))
    window = np.zeros((job.n_times, job.n_chans), np.float32)
    waiting = 0
    while True:
        sample, stamp = inlet.pull_sample(timeout=1.0)
        if sample is None:
            continue
        more, stamps = inlet.pull_chunk(timeout=0.0)
        samples = np.array([sample, *more], np.float64)
        filtered, state = sosfilt(sos, samples, axis=0, zi=state)
        window = np.concatenate((window, filtered.astype(np.float32)))[-job.n_times :]
        waiting += len(samples)
        if waiting >= job.hop:
            waiting -= job.hop
            outlet.push_sample(predict(np.ascontiguousarray(window.T)), stamps[-1] if stamps else stamp)


if __name__ == "__main__":
    main(Job.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
