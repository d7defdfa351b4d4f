"""List the networks a recipe can name, and the systems of the papers that are made of them."""

from __future__ import annotations

import contextlib
import json
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from streamkit.errors import MissingPackage, require

if TYPE_CHECKING:
    from models.systems import SystemRow
    from models.table import ModelRow

EXAMPLE = "Example: streamkit models --json"
GROUP = "streamkit.models"
WHY = "the table of models"


@click.command("models", epilog=EXAMPLE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """List the networks available here: what they are, where they come from, how large, and why one is not here.

    Then the systems of the papers: networks, recipes, data sets.
    """
    with contextlib.redirect_stdout(sys.stderr):  # a library may have something to say while it is imported
        models, systems = every_model(), every_system()
    if as_json:
        click.echo(json.dumps({"models": models, "systems": systems}))
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(as_table(models))
    if systems:
        console.print()
        console.print(as_table_of_systems(systems))


def every_model() -> list[dict[str, Any]]:
    """Facts about every row of the table, and about every builder that another package registers."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    try:
        rows = _table().MODELS
    except MissingPackage as error:
        return [unavailable(point, error) for _, point in sorted(points.items())]
    known = [describe(row, points[row.builder]) for row in rows.values() if row.builder in points]
    taken = {row.builder for row in rows.values()}
    return known + [describe_unknown(point) for name, point in sorted(points.items()) if name not in taken]


def every_system() -> list[dict[str, Any]]:
    """Facts about every system of the papers; nothing where torch is not installed."""
    try:
        rows = _table().MODELS
    except MissingPackage:
        return []
    from models.systems import SYSTEMS

    return [describe_system(system, rows) for system in SYSTEMS.values()]


def describe(row: ModelRow, point: EntryPoint) -> dict[str, Any]:
    """Facts about one network of the table."""
    facts = {"name": row.name, "builder": point.value, "available": False, "why_not": "", "summary": row.summary}
    facts |= {"source": row.source, "input": row.takes}
    try:
        return facts | {"available": True} | size_of(row, point.load())
    except (MissingPackage, ImportError) as error:
        return facts | {"why_not": str(error)}


def describe_unknown(point: EntryPoint) -> dict[str, Any]:
    """Facts about a builder that the table does not know."""
    try:
        summary = (point.load().__doc__ or "").strip().partition("\n")[0]
    except (MissingPackage, ImportError) as error:
        return unavailable(point, error)
    return {"name": point.name, "builder": point.value, "available": True, "why_not": "", "summary": summary}


def unavailable(point: EntryPoint, error: Exception) -> dict[str, Any]:
    """What is to be said of a builder that cannot be loaded."""
    return {"name": point.name, "builder": point.value, "available": False, "why_not": str(error)}


def size_of(row: ModelRow, builder: Any, size: str = "") -> dict[str, Any]:
    """Arguments, shapes without the batch and parameters at one size, and on which device they were counted."""
    table = _table()
    network = row.build(builder, size)
    chosen = row.at(size)
    facts = {"args": chosen.args, "inputs": chosen.inputs, "output": chosen.output}
    counted = "meta" if table.on_meta(network) else "cpu"
    return facts | {"n_parameters": table.n_parameters(network), "counted_on": counted}


def describe_system(system: SystemRow, rows: dict[str, ModelRow]) -> dict[str, Any]:
    """Facts about one system; its parameters are those of its networks, without baselines and others' networks."""
    from models.systems import PAPERS

    parts = {name: part_of(rows[name], system.size) for name in (*system.networks, *system.baselines)}
    networks = [parts[name] for name in system.networks]
    complete = all("n_parameters" in part for part in networks)
    return {
        "name": system.name,
        "paper": system.paper,
        "paper_title": PAPERS[system.paper],
        "title": system.title,
        "networks": networks,
        "baselines": [parts[name] for name in system.baselines],
        "n_parameters": sum(part["n_parameters"] for part in networks) if complete else None,
        "published_batch": system.batch,
        "recipes": system.recipes,
        "datasets": system.datasets,
        "experiments": system.experiments,
        "not_counted": system.not_counted,
    }


def part_of(row: ModelRow, size: str) -> dict[str, Any]:
    """One network of a system at the system's size."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    try:
        return {"name": row.name} | size_of(row, points[row.builder].load(), size)
    except (MissingPackage, ImportError) as error:
        return {"name": row.name, "why_not": str(error)}


def as_table(rows: list[dict[str, Any]]) -> Table:
    """Networks as a table for people."""
    table = Table("model", "what", "source", "parameters at", "available", box=None, header_style="bold")
    for row in rows:
        size = f"{row['n_parameters']:,} at {shapes(row)}" if "n_parameters" in row else ""
        state = "yes" if row["available"] else f"no: {row['why_not']}"
        table.add_row(row["name"], row.get("summary", ""), row.get("source", ""), size, state)
    return table


def as_table_of_systems(rows: list[dict[str, Any]]) -> Table:
    """Systems as a table for people."""
    table = Table("system", "paper", "networks", "parameters", "recipes", "data", box=None, header_style="bold")
    for row in rows:
        networks = ", ".join(f"{part['name']} {shapes(part)}" for part in row["networks"] if "inputs" in part)
        total = "" if row["n_parameters"] is None else f"{row['n_parameters']:,}"
        table.add_row(row["name"], row["paper"], networks, total, ", ".join(row["recipes"]), ", ".join(row["datasets"]))
    return table


def shapes(facts: dict[str, Any]) -> str:
    """Inputs and output without the batch: ``63 x 250 -> 1024``."""
    inputs = ", ".join(" x ".join(map(str, shape)) or "1" for shape in facts["inputs"])
    return f"{inputs} -> {' x '.join(map(str, facts['output']))}"


def _table() -> Any:
    require("torch", "train", WHY)
    return require("models.table", "train", WHY)
