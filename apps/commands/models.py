"""List the networks a recipe can name."""

from __future__ import annotations

import contextlib
import json
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from streamkit.errors import MissingPackage, require

EXAMPLE = "Example: streamkit models --json"
GROUP = "streamkit.models"


@click.command("models", epilog=EXAMPLE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """List the networks available here: what they are, where they come from, how large, and why one is not here."""
    with contextlib.redirect_stdout(sys.stderr):  # a library may have something to say while it is imported
        rows = [describe(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]
    if as_json:
        click.echo(json.dumps({"models": rows}))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(as_table(rows))


def describe(point: EntryPoint) -> dict[str, Any]:
    """Facts about one registered builder; the parameters are counted on a network built at the stated size."""
    facts: dict[str, Any] = {"name": point.name, "builder": point.value, "available": False, "why_not": ""}
    try:
        require("torch", "train", f"the model {point.name}")
        table = require("models.table", "train", "the table of models")
        builder = point.load()
    except (MissingPackage, ImportError) as error:
        return facts | {"why_not": str(error)}
    row = table.MODELS.get(point.name)
    if row is None:
        return facts | {"available": True, "summary": (builder.__doc__ or "").strip().partition("\n")[0]}
    facts |= {"summary": row.summary, "source": row.source, "input": row.takes}
    facts |= dict(zip(("n_chans", "n_times", "out_shape", "sfreq"), row.size, strict=True))
    try:
        return facts | {"available": True, "n_parameters": table.n_parameters(row.build(builder))}
    except ImportError as error:
        return facts | {"why_not": str(error)}


def as_table(rows: list[dict[str, Any]]) -> Table:
    """Rows as a table for people."""
    table = Table("model", "what", "source", "parameters at", "available", box=None, header_style="bold")
    for row in rows:
        size = ""
        if "n_parameters" in row:
            size = f"{row['n_parameters']:,} at {row['n_chans']} x {row['n_times']}"
        state = "yes" if row["available"] else f"no: {row['why_not']}"
        table.add_row(row["name"], row.get("summary", ""), row.get("source", ""), size, state)
    return table
