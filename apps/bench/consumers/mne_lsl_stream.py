"""MNE-LSL: a `StreamLSL` that filters in the background, asked for its newest window when enough has come."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from apps.bench import engine
from apps.bench.job import Job
from streamkit.errors import require

POLL_S = 0.0005
"""MNE-LSL has no call that waits for samples, so a program looks again and again."""

BEST_POLL_S = 0.0001


def main(job: Job, source: str, out: str, onnx: Path, acquire: str = "background") -> None:
    """Decode `source` into `out` until ended.

    Parameters
    ----------
    acquire
        ``"background"``: MNE-LSL's default, a thread that takes what has come every millisecond; ``"manual"``: this
        loop takes it, five times as often.
    """
    mne_lsl = require("mne_lsl", "bench", "the mne_lsl consumer")
    mne_lsl.set_log_level("ERROR")
    require("mne", "bench", "the mne_lsl consumer").set_log_level("ERROR")
    from mne_lsl.lsl import StreamInfo, StreamOutlet
    from mne_lsl.stream import StreamLSL

    predict = engine.load(onnx, (job.n_chans, job.n_times))
    stream = StreamLSL(bufsize=2.0, source_id=source)
    manual = acquire == "manual"
    stream.connect(**({"acquisition_delay": None} if manual else {}), timeout=30.0)
    stream.filter(*job.band, iir_params={"order": job.order, "ftype": "butter", "output": "sos"})
    outlet = StreamOutlet(StreamInfo(out, "Prediction", job.n_outputs, 0, "float32", out))
    while True:
        if manual:
            stream.acquire()
        if stream.n_new_samples < job.hop:
            time.sleep(BEST_POLL_S if manual else POLL_S)
            continue
        data, stamps = stream.get_data(winsize=job.n_times / job.sfreq)
        if data.shape[1] == job.n_times and stamps[0] > 0:
            outlet.push_sample(predict(np.ascontiguousarray(data, np.float32)), stamps[-1])


if __name__ == "__main__":
    main(Job.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), *sys.argv[5:])
