"""Measure the training loop beside a plain one."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import click

EXAMPLE = "Example: streamkit bench train --models eegnet --rounds 5 --json"
MODELS = ("brainae_classifier", "eegnet", "shallow_fbcsp")
LEAST = 1.0
"""Of the throughput of the plain loop that ours must have, in the median over rounds."""


@click.command("train", epilog=EXAMPLE)
@click.option("--models", default=",".join(MODELS), show_default=True, metavar="A,B,…", help="Which networks.")
@click.option("--rows", type=click.IntRange(2), default=512, show_default=True, help="Windows in an epoch.")
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True, help="Windows in a step.")
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Blocks of each contender.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=2.0, show_default=True, help="About, of a block."
)
@click.option("--threads", type=click.IntRange(1), help="Of torch.  [default: all cores]")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--check", is_flag=True, help="Exit status 1 when a plain loop is faster.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    models: str,
    rows: int,
    batch: int,
    rounds: int,
    seconds: float,
    threads: int | None,
    device: str,
    check: bool,
    as_json: bool,
) -> None:
    """Measure windows per second and memory of the training loop, beside a plain loop on the same network and rows."""
    from apps.bench.train.job import TrainJob
    from apps.bench.train.measure import line, measure
    from calibration.network import builder_of
    from streamkit.errors import BadInput, CheckFailed, require
    from streamkit.inference.machine import usable_cores

    require("lightning_fabric", "train", "the benchmark of training")
    if rows % batch:
        raise BadInput(
            f"--rows {rows}: expected a multiple of --batch {batch}, so that every loop takes the same steps"
        )
    names = [word.strip() for word in models.split(",") if word.strip()]
    for name in names:
        builder_of(name)
    sizes: Any = {"n_rows": rows, "batch_size": batch, "threads": threads or usable_cores(), "accelerator": device}
    jobs = [TrainJob(model=name, **sizes) for name in names]
    with contextlib.redirect_stdout(sys.stderr):
        report = measure(jobs, rounds, seconds, say=lambda text: click.echo(text, err=True))
    found = misses(report)
    report["acceptance"] = {"least_ratio": LEAST, "misses": found}
    click.echo(json.dumps(report) if as_json else "\n".join(line(row) for row in report["rows"]))
    if check and found:
        raise CheckFailed("; ".join(found))


def misses(report: dict[str, Any]) -> list[str]:
    """Networks on which a plain loop is faster, in words."""
    medians = {row["job"]["model"]: row["ratios"]["streamkit"]["plain"]["median"] for row in report["rows"]}
    return [
        f"{name}: {ratio:.3f} of the throughput of a plain loop, expected {LEAST:g} or more"
        for name, ratio in medians.items()
        if ratio < LEAST
    ]
