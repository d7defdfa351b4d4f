"""One run of the load job: source, decoder and sinks, each a process of its own, and whether anything was lost."""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench.children import Child, children
from apps.bench.load.job import LoadJob
from apps.bench.load.network import expected
from apps.bench.load.watch import Watch
from apps.bench.quantiles import QUANTILES, quantiles
from streamkit.bundle import ModelBundle
from streamkit.errors import StreamkitError
from streamkit.lsl import wire

START_S = 60.0
SETTLE_S = 1.0
SINK_S = 30.0
NAME = "bench-load"
BUDGET_MS = 8.0
"""From the sample that closes a bin to the prediction in the sink's hands."""


def run_once(job: LoadJob, bundle: ModelBundle, folder: Path) -> dict[str, Any]:
    """Do the job once in `folder`; returns figures ready for JSON.

    Raises
    ------
    StreamkitError
        When a process fails, or does not do its part in time.
    """
    unique = uuid.uuid4().hex[:8]
    sources = [f"bench-{unique}-{number}" for number in range(job.n_streams)]
    uids = [unique] if job.n_streams == 1 else [str(number) for number in range(job.n_streams)]
    name = f"{NAME}-{unique}"
    files = [folder / f"{source}.npz" for source in sources]
    with children(folder) as start:
        source = start("source", _module("load.source", job.model_dump_json(), *sources))
        decoder = start("decoder", decoder_command(job, bundle, name, uids, sources))
        outs = [wire.source_id(name, uid, wire.PREDICTION) for uid in uids]
        sinks = [start(f"sink-{k}", _module("sink", out, str(files[k]))) for k, out in enumerate(outs)]
        source.hear(START_S, (decoder,))
        for sink in sinks:
            sink.hear(START_S, (decoder, source))
        time.sleep(SETTLE_S)
        with Watch({"source": source, "decoder": decoder}) as watch:
            source.tell()
            sent = source.hear(job.seconds + SINK_S, (decoder,))
        for sink in sinks:
            sink.wait(SINK_S)
        said = _reports(decoder)
    reference = expected(job, bundle, job.n_unsettled)
    streams = [_stream(job, file, sent, report, reference) for file, report in zip(files, said, strict=True)]
    return {
        "ring_s": job.ring,
        "megabytes_per_second": job.megabytes_per_second,
        "lost": sum(stream["lost"] for stream in streams),
        "latency_ms": _worst(streams),
        "processes": watch.figures,
        "source_late_ms": 1e3 * sent["late"],
        "streams": streams,
    }


def decoder_command(job: LoadJob, bundle: ModelBundle, name: str, uids: list[str], sources: list[str]) -> list[str]:
    """``streamkit live`` for one stream, `apps.bench.load.sessions` for several."""
    if job.n_streams > 1:
        return _module("load.sessions", job.model_dump_json(), str(bundle.path), name, *sources)
    called = ["--stream", f"source_id={sources[0]}", "--name", name, "--uid", uids[0], "--backend", "openvino"]
    ring = [] if job.ring is None else ["--buffer", f"{job.ring:g}"]
    return [sys.executable, "-m", "apps.cli", "live", str(bundle.path), *called, "--timeout", "30", "--json", *ring]


def _module(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"apps.bench.{name}", *words]


def _reports(decoder: Child) -> list[dict[str, Any]]:
    said = decoder.finish()
    if said is None:
        raise decoder.failure("reported nothing")
    reports: list[dict[str, Any]] = said.get("sessions", [said])
    return reports


def _stream(
    job: LoadJob, file: Path, sent: dict[str, Any], report: dict[str, Any], reference: NDArray[np.float32]
) -> dict[str, Any]:
    with np.load(file) as arrays:
        received, stamps, values = (arrays[name] for name in ("received", "stamps", "values"))
    latency = 1e3 * (received - stamps)[job.warmup :]
    if not len(latency):
        raise StreamkitError(f"{len(stamps)} predictions came, fewer than the {job.warmup} of the warm-up; run longer")
    return {
        **losses(job, stamps - sent["first"], int(report["counts"]["samples"])),
        "latency_ms": quantiles(latency) | {"n": len(latency), "over_budget": int((latency > BUDGET_MS).sum())},
        "agreement": agreement(job, values, reference),
        "session": {
            key: report[key] for key in ("counts", "latency_ms", "stages_ms", "deadline_misses") if key in report
        },
    }


def losses(job: LoadJob, stamps: NDArray[np.float64], n_samples: int) -> dict[str, Any]:
    """What did not arrive, counted three ways.

    Parameters
    ----------
    stamps
        ``(n,)`` of the predictions, seconds after the stamp of the first sample that was sent.
    n_samples
        Samples the session counted.

    Returns
    -------
    dict
        ``lost`` samples sent and not counted by the session; ``lost_predictions``; ``displaced`` predictions whose
        stamp is not that of the raw sample that closes their bin when every sample before it has come once.
    """
    last = job.n_window - 1 + job.n_hop * np.arange(len(stamps))
    return {
        "samples_sent": job.n_samples,
        "samples_received": n_samples,
        "lost": job.n_samples - n_samples,
        "predictions": len(stamps),
        "lost_predictions": job.n_predictions - len(stamps),
        "displaced": int((np.abs(stamps * job.sfreq - last) > 0.5).sum()),
    }


def agreement(job: LoadJob, values: NDArray[np.float32], reference: NDArray[np.float32]) -> dict[str, float]:
    """Largest difference of predictions from those of one pass, and of later ones from those one signal period before.

    Both are relative to the largest output. A sample lost, repeated or wrong anywhere shows in the second.
    """
    scale = float(np.abs(reference).max()) or 1.0
    n = min(len(values), len(reference))
    period = job.n_block // job.n_hop
    repeated = np.abs(values[n + period :] - values[n:-period]) if len(values) > n + period else np.zeros(1)
    return {
        "compared": n,
        "max_relative": float(np.abs(values[:n] - reference[:n]).max()) / scale,
        "max_relative_to_period_before": float(repeated.max()) / scale,
    }


def _worst(streams: list[dict[str, Any]]) -> dict[str, float]:
    return {name: max(stream["latency_ms"][name] for stream in streams) for name in QUANTILES}
