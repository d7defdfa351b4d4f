"""List the inference backends, and try them on a bundle."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from streamkit.bundle import ModelBundle, load_bundle
from streamkit.errors import BackendError
from streamkit.inference import BACKENDS
from streamkit.inference.proof import Trial, close_all, contest, race, winner

EXAMPLE = "Example: streamkit backends --bundle bundles/p300"


@click.command("backends", epilog=EXAMPLE)
@click.option("--bundle", type=click.Path(path_type=Path), help="Prove and time each backend on this bundle.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per inference.")
@click.option("--calls", type=click.IntRange(1), default=100, show_default=True, help="Timed calls per backend.")
@click.option(
    "--cadence", type=click.FloatRange(0), default=0.05, show_default=True, help="Seconds between calls of a backend."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, bundle: Path | None, threads: int, calls: int, cadence: float, as_json: bool) -> None:
    """List the backends available here, and why one is not.

    With --bundle each proves itself on the bundle's reference pair and is timed at live cadence; exit status 1 when
    none can run it.
    """
    loaded = None if bundle is None else load_bundle(bundle)
    with contextlib.redirect_stdout(sys.stderr):  # a library may have something to say while it is imported
        report: dict[str, Any] = {"backends": [describe(name) for name in BACKENDS]}
        if loaded is not None:
            report |= try_on(loaded, report["backends"], threads, calls, cadence)
    if as_json:
        click.echo(json.dumps(report))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(as_table(report))
    ctx.exit(1 if bundle is not None and report["chosen"] is None else 0)


def describe(name: str) -> dict[str, Any]:
    """What a backend is, whether it is here, and why not."""
    row = BACKENDS[name]
    available, why_not = row.available()
    return {
        "name": name,
        "summary": row.summary,
        "available": available,
        "why_not": why_not,
        "version": row.version(),
    }


def try_on(bundle: ModelBundle, rows: list[dict[str, Any]], threads: int, calls: int, cadence: float) -> dict[str, Any]:
    """Prove and time every backend on a bundle; adds what was found to `rows`."""
    graph = bundle.contract.runner.graph
    reference = bundle.references()[graph]
    trials = contest(bundle.graphs[graph], reference, BACKENDS, cadence, threads, calls=0)
    try:
        racers = [trial for trial in trials if trial.backend is not None]
        race(racers, reference[0][:1], cadence, calls, budget=float("inf"))
        chosen = winner(trials).name
    except BackendError:
        chosen = None
    finally:
        close_all(trials)
    for row, trial in zip(rows, trials, strict=True):
        row |= measured(trial)
    return {"bundle": str(bundle.path), "threads": threads, "calls": calls, "cadence_s": cadence, "chosen": chosen}


def measured(trial: Trial) -> dict[str, Any]:
    """Error and latency of one backend on a bundle, or why there are none."""
    if not trial.latencies:
        return {"passed": False, "why_not": trial.why_not}
    p50, p99 = (float(p) for p in np.percentile(np.array(trial.latencies) * 1e3, [50, 99]))
    return {"passed": True, "relative_error": trial.error, "latency_ms": {"p50": p50, "p99": p99}}


def as_table(report: dict[str, Any]) -> Table:
    """Report as a table for people."""
    table = Table("backend", "what", "version", "state", box=None, header_style="bold")
    for row in report["backends"]:
        table.add_row(row["name"], row["summary"], row["version"], state(row, report.get("chosen")))
    return table


def state(row: dict[str, Any], chosen: str | None) -> str:
    """One line on how a backend stands."""
    if row["why_not"]:
        return f"no: {row['why_not']}"
    if "latency_ms" not in row:
        return "available"
    times = f"p50 {row['latency_ms']['p50']:.2f} ms, p99 {row['latency_ms']['p99']:.2f} ms"
    mark = ", chosen by auto" if row["name"] == chosen else ""
    return f"relative error {row['relative_error']:.1e}, {times}{mark}"
