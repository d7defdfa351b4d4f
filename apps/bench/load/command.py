"""Decode a heavy load and count what is lost."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

EXAMPLE = "Example: streamkit bench load --seconds 60 --json"
TOLERANCE = 1e-3
PACKAGES = ("streamkit", "numpy", "scipy", "numba", "pylsl", "openvino")
METHOD = (
    "Source, decoder and sink are processes of one machine, joined by LSL, every stamp on one clock. The source sends "
    "precomputed blocks, each chunk when its newest sample is due; it begins when the decoder reads it and the sink "
    "reads the decoder. latency_ms: from the stamp of a prediction's newest raw sample (the one that closes the bin) "
    "to the sink's hands, the first `warmup` predictions left out; over_budget: how many took more than 8 ms. "
    "session.latency_ms: the same to the moment of publishing, by the session's own ledger. lost: samples sent that "
    "the session did not count; displaced: predictions whose stamp is not that of the raw sample that closes their bin "
    "when every sample before it has come exactly once. agreement: against the signal decoded in one pass, then "
    "against the prediction one period of the signal earlier, relative to the largest output. processes: from the "
    "first to the last sample; resident memory early, at the end and at most."
)


@click.command("load", epilog=EXAMPLE)
@click.option("--channels", type=click.IntRange(min=1), default=1024, show_default=True, help="Of each stream.")
@click.option("--sfreq", type=click.FloatRange(min=200), default=30000.0, show_default=True, help="Hz, each stream.")
@click.option(
    "--format", "channel_format", type=click.Choice(["float32", "int16"]), default="float32", show_default=True
)
@click.option(
    "--streams", type=click.IntRange(min=1), default=1, show_default=True, help="At once, one decoding process."
)
@click.option(
    "--ring",
    "rings",
    type=click.FloatRange(min=0.1),
    multiple=True,
    help="Seconds of each raw ring; several for one run each.  [default: what a session takes]",
)
@click.option(
    "--chunk", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Milliseconds pushed together."
)
@click.option("--seconds", type=click.FloatRange(min=1), default=600.0, show_default=True, help="Length of a run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    channels: int,
    sfreq: float,
    channel_format: Any,
    streams: int,
    rings: tuple[float, ...],
    chunk: float,
    seconds: float,
    as_json: bool,
) -> None:
    """Decode a thousand channels at 30 kHz, or several streams at once, and count what is lost.

    From 6 kHz on: band-pass, threshold crossings, counts in 10 ms bins, a decoder at 100 Hz. Below: a slow band-pass
    and a decoder at 100 Hz. Exit status 1 when a sample or a prediction is lost or wrong.
    """
    from apps.bench.load.job import LoadJob, description
    from apps.bench.load.network import write_bundle_of
    from apps.bench.load.run import run_once
    from apps.bench.machine import machine
    from apps.commands.demo import machine_only_lsl
    from streamkit.errors import CheckFailed

    machine_only_lsl()
    job = LoadJob(
        n_chans=channels,
        sfreq=sfreq,
        channel_format=channel_format,
        n_streams=streams,
        chunk=chunk / 1e3,
        seconds=seconds,
    )
    jobs = [job.model_copy(update={"ring": ring}) for ring in rings or (None,)]
    for one in jobs:
        check_job(one)
    folder = Path(tempfile.mkdtemp(prefix="streamkit-bench-"))
    runs = []
    try:
        bundle = write_bundle_of(job, folder / "bundle")
        for one in jobs:
            runs.append(run_once(one, bundle, folder))
            click.echo(line(runs[-1]), err=as_json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report = {"job": description(job), "machine": machine(PACKAGES), "method": METHOD, "runs": runs}
    if as_json:
        click.echo(json.dumps(report))
    if wrong := [problem for run in runs for problem in problems(run)]:
        raise CheckFailed("; ".join(wrong))


def check_job(job: Any) -> None:
    """Raise BadInput for chunks that do not fit the signal, a run that is too short, rings beyond the memory."""
    from streamkit.errors import BadInput, require

    if job.n_block % job.n_chunk:
        raise BadInput(
            f"--chunk: {job.n_chunk} samples at a time do not fit a signal that repeats after {job.n_block}; "
            "give for example 1"
        )
    if job.n_predictions <= job.warmup:
        raise BadInput(
            f"--seconds {job.seconds:g}: gives {job.n_predictions} predictions, the first {job.warmup} of which do not "
            "count; give 2 or more"
        )
    if job.ring is None:
        return
    psutil = require("psutil", "bench", "measuring processor time and memory")
    needed, free = 2 * job.ring * job.megabytes_per_second / 1e3, psutil.virtual_memory().available / 1e9
    if needed > 0.8 * free:
        raise BadInput(
            f"--ring {job.ring:g}: rings of that length take {needed:.1f} GB (every sample is stored twice), "
            f"but {free:.1f} GB are free; give a shorter ring, fewer channels or --format int16"
        )


def problems(run: dict[str, Any]) -> list[str]:
    """What did not hold in one run, in words; empty when all did."""
    found = []
    for number, stream in enumerate(run["streams"]):
        for key in ("lost", "lost_predictions", "displaced"):
            if stream[key]:
                found.append(f"stream {number}: {key} {stream[key]}, expected 0")
        for key in ("max_relative", "max_relative_to_period_before"):
            if stream["agreement"][key] > TOLERANCE:
                found.append(f"stream {number}: predictions differ by {stream['agreement'][key]:.2g} ({key})")
    return found


def line(run: dict[str, Any]) -> str:
    """One run for people."""
    quantiles = "  ".join(f"{key} {value:.2f}" for key, value in run["latency_ms"].items())
    used = "  ".join(
        f"{name} {figures['cpu_percent_of_a_core']:.0f} % of a core, {figures['resident_mb']['max']:.0f} MB"
        for name, figures in run["processes"].items()
    )
    ring = "" if run["ring_s"] is None else f"ring {run['ring_s']:g} s  "
    sent = sum(stream["samples_sent"] for stream in run["streams"])
    return f"{ring}lost {run['lost']} of {sent} samples  bin close to prediction, ms: {quantiles}  {used}"
