"""List the inference backends, and try them on a bundle."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from apps.backend_options import wish_options
from streamkit.bundle import ModelBundle, load_bundle
from streamkit.errors import StreamkitError
from streamkit.inference import BACKENDS, Choice, Graph, Reference, Wish, open_chosen
from streamkit.inference.choice import contest_cadence
from streamkit.inference.contest import Contender, Trial, close_all, enter, passed, race
from streamkit.inference.machine import usable_cores
from streamkit.inference.memory import forget
from streamkit.inference.proof import example
from streamkit.inference.settings import Settings
from streamkit.inference.wish import thread_counts

EXAMPLE = "Example: streamkit backends --bundle bundles/p300"


@click.command("backends", epilog=EXAMPLE)
@click.option("--bundle", type=click.Path(path_type=Path), help="Prove and time everything on this bundle.")
@wish_options
@click.option("--calls", type=click.IntRange(1), default=50, show_default=True, help="Timed calls of each.")
@click.option(
    "--cadence",
    type=click.FloatRange(0),
    metavar="S",
    help="Seconds between calls.  [default: as live, but not more than 0.05]",
)
@click.option("--forget", "forgets", is_flag=True, help="Forget what was chosen for the bundle, and choose again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    bundle: Path | None,
    wish: Wish,
    calls: int,
    cadence: float | None,
    forgets: bool,
    as_json: bool,
) -> None:
    """List the backends available here, and why one is not.

    With --bundle, every backend, device, precision and number of threads proves itself on the bundle's reference pair
    and is timed, one graph after the other. What live would choose, given the same options, is marked. Exit status 1
    when nothing can run a graph.
    """
    if bundle is None and forgets:
        raise click.UsageError("--forget needs --bundle: what was chosen is remembered per bundle")
    loaded = None if bundle is None else load_bundle(bundle)
    with contextlib.redirect_stdout(sys.stderr):  # a library may have something to say while it is imported
        report: dict[str, Any] = {"backends": [describe(name) for name in BACKENDS]}
        if loaded is not None:
            report |= try_on(loaded, wish, calls, cadence, forgets)
    if as_json:
        click.echo(json.dumps(report))
    else:
        console = Console(width=None if sys.stdout.isatty() else 160)
        for table in tables(report):
            console.print(table)
    ctx.exit(1 if None in report.get("chosen", {}).values() else 0)


def describe(name: str) -> dict[str, Any]:
    """What a backend is, on which devices it is here, and why not.

    Nothing is imported but what needs a GPU, and that only where there is one.
    """
    row = BACKENDS[name]
    answers = {device: row.present(device) if device == "cpu" else row.available(device) for device in row.precisions}
    available = any(here for here, _ in answers.values())
    return {
        "name": name,
        "summary": row.summary,
        "version": row.version(),
        "available": available,
        "why_not": "" if available else next(why_not for _, why_not in answers.values()),
        "devices": {device: {"available": here, "why_not": why_not} for device, (here, why_not) in answers.items()},
    }


def try_on(bundle: ModelBundle, wish: Wish, calls: int, cadence: float | None, forgets: bool) -> dict[str, Any]:
    """Choose for every graph of a bundle as live would, then prove and time all there is."""
    pace = contest_cadence(bundle.cadence) if cadence is None else cadence
    graphs: dict[str, Any] = {}
    for name, reference in bundle.references().items():
        graph = bundle.graphs[name]
        if forgets:
            forget(graph)
        choice, why_not = choose(graph, reference, wish, bundle.cadence)
        rows = list(survey(graph, reference, wish, calls, pace))
        for row in rows:
            row["chosen"] = choice is not None and is_choice(row, choice)
        graphs[name] = {"chosen": choice.facts() if choice else None, "why_not": why_not, "table": rows}
    return {
        "bundle": str(bundle.path),
        "hash": bundle.hash,
        "cores": usable_cores(),
        "calls": calls,
        "cadence_s": pace,
        "graphs": graphs,
        "chosen": {name: found["chosen"] and found["chosen"]["backend"] for name, found in graphs.items()},
    }


def choose(graph: Graph, reference: Reference, wish: Wish, cadence: float | None) -> tuple[Choice | None, str]:
    """What live would choose; or None, and why."""
    try:
        opened, choice = open_chosen(graph, reference, wish, cadence)
    except StreamkitError as error:
        return None, str(error)
    opened.close()
    return choice, ""


def survey(graph: Graph, reference: Reference, wish: Wish, calls: int, cadence: float) -> Iterator[dict[str, Any]]:
    """Prove and time everything, one number of threads after the other, so that few are open at once."""
    for threads in thread_counts(wish):
        trials: list[Trial] = []
        try:
            for contender in contenders(threads, with_gpu=threads == thread_counts(wish)[0]):
                trials.append(enter(contender, graph, reference))
            if racers := passed(trials):
                race(racers, example(reference), cadence, calls, budget=float("inf"))
        finally:
            close_all(trials)
        yield from (trial.facts() for trial in trials)


def contenders(threads: int, with_gpu: bool) -> Iterator[Contender]:
    """Every backend, device and precision of the table."""
    for row in BACKENDS.values():
        for device, precisions in row.precisions.items():
            settings = Settings(threads=threads if device == "cpu" else 1, device=device)
            if device == "cpu" or with_gpu:
                yield from ((row.name, replace(settings, precision=precision)) for precision in precisions)


def is_choice(row: dict[str, Any], choice: Choice) -> bool:
    """Whether a row of the table is what was chosen."""
    facts = choice.facts()
    return all(row[key] == facts[key] for key in ("backend", "device", "precision", "threads"))


def tables(report: dict[str, Any]) -> Iterator[Table]:
    """Report as tables for people."""
    table = Table("backend", "what", "version", "state", box=None, header_style="bold")
    for row in report["backends"]:
        table.add_row(row["name"], row["summary"], row["version"], state(row))
    yield table
    for name, found in report.get("graphs", {}).items():
        columns = ("backend", "device", "precision", "threads", "error", "p50 ms", "p99 ms", "")
        table = Table(*columns, title=title(name, found), title_justify="left", box=None, header_style="bold")
        for row in together(found["table"]):
            table.add_row(*cells(row))
        yield table


def state(row: dict[str, Any]) -> str:
    """One line on where a backend can run, or why it cannot."""
    if not row["available"]:
        return f"no: {row['why_not']}"
    return f"available on {', '.join(device for device, at in row['devices'].items() if at['available'])}"


def title(name: str, found: dict[str, Any]) -> str:
    """What is chosen for a graph, and whether that was found now."""
    chosen = found["chosen"]
    if chosen is None:
        return f"graph {name}: {found['why_not']}"
    settings = Settings(threads=chosen["threads"], precision=chosen["precision"], device=chosen["device"])
    when = ", remembered from an earlier start" if chosen["remembered"] else ""
    instead = f", for {chosen['fell_back_from']} failed" if chosen["fell_back_from"] else ""
    return f"graph {name}: live would choose {chosen['backend']} ({settings}){when}{instead}"


def together(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What ran, then what could not, where one reason is given once for all precisions and numbers of threads."""
    yield from (row for row in rows if row["passed"] or row["failed"])
    out: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if not row["passed"] and not row["failed"]:
            out.setdefault((row["backend"], row["device"], row["why_not"]), []).append(row)
    for same in out.values():
        precisions = ", ".join(dict.fromkeys(row["precision"] for row in same))
        threads = ", ".join(dict.fromkeys(str(row["threads"]) for row in same))
        yield same[0] | {"precision": precisions, "threads": threads}


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One row of the table of a graph."""
    what = (row["backend"], row["device"], row["precision"], str(row["threads"]))
    if not row["passed"]:
        return (*what, "", "", "", f"{'FAILED' if row['failed'] else 'no'}: {row['why_not']}")
    times = row["latency_ms"] or {}
    p50, p99 = (f"{times[key]:.3f}" if key in times else "" for key in ("p50", "p99"))
    return (*what, f"{row['relative_error']:.1e}", p50, p99, "chosen" if row["chosen"] else "")
