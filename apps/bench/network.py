"""The one network of the latency job: built once with fixed weights, exported once, given to everybody as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from apps.bench.job import Job
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import nn

N_FILTERS, FILTER_LENGTH, POOL = 40, 26, 5
WHY = "making the network of the benchmark"


def build(job: Job, seed: int = 0) -> nn.Module:
    """``(batch, n_chans, n_times)`` → ``(batch, n_outputs)``: filters in time, then across channels, then a readout.

    The layers of shallow convolutional decoders (Schirrmeister et al. 2017): 40 temporal filters of 26 samples,
    averages of 5, 40 spatial filters, each with batch normalisation and ELU.
    """
    torch = require("torch", "bench", WHY)
    nn = torch.nn
    torch.manual_seed(seed)
    n_pooled = (job.n_times - FILTER_LENGTH + 1) // POOL
    return nn.Sequential(
        nn.Unflatten(1, (1, job.n_chans)),
        nn.Conv2d(1, N_FILTERS, (1, FILTER_LENGTH)),
        nn.AvgPool2d((1, POOL), (1, POOL)),
        nn.BatchNorm2d(N_FILTERS),
        nn.ELU(),
        nn.Conv2d(N_FILTERS, N_FILTERS, (job.n_chans, 1)),
        nn.BatchNorm2d(N_FILTERS),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(N_FILTERS * n_pooled, job.n_outputs),
    ).eval()


def write_bundle_of(job: Job, out: Path) -> Path:
    """Write the bundle that `streamkit live` decodes the job with; returns the ONNX file in it, for everybody else."""
    require("torch", "bench", WHY)
    from calibration.export import export_graph, run_torch
    from streamkit.bundle import Contract, Provenance, write_bundle
    from streamkit.preprocess import PreprocessConfig, WindowConfig
    from streamkit.types import OutputSpec, StreamSpec

    module = build(job)
    names = tuple(f"E{k}" for k in range(job.n_chans))
    low, high = job.band
    stage = {"kind": "bandpass", "low": low, "high": high, "order": job.order}
    contract = Contract(
        stream=StreamSpec(type="EEG", ch_names=names, sfreq=job.sfreq, unit="microvolts"),
        preprocess=PreprocessConfig.model_validate({"stages": [stage]}),
        window=WindowConfig(mode="hop", n_times=job.n_times, hop=job.hop),
        output=OutputSpec(kind="values", labels=tuple(f"y{k}" for k in range(job.n_outputs)), shape=(job.n_outputs,)),
    )
    x = np.random.default_rng(1).standard_normal((8, job.n_chans, job.n_times)).astype(np.float32)
    graph = export_graph(module, x)
    bundle = write_bundle(
        out,
        contract=contract,
        graphs={contract.runner.graph: graph},
        references={contract.runner.graph: (x, run_torch(module, x))},
        provenance=Provenance(simulated=True, seed=0, note="the fixed network of the latency benchmark, untrained"),
    )
    return Path(bundle.path) / f"{contract.runner.graph}.onnx"
