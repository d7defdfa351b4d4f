"""List the LSL streams in reach."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

EXAMPLE = "Example: streamkit streams --timeout 2"


@click.command("streams", epilog=EXAMPLE)
@click.argument("query", default="")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=2.0, show_default=True, help="Seconds to look for streams."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(query: str, timeout: float, as_json: bool) -> None:
    """List the LSL streams in reach, all or those that match QUERY (name=…,type=…,source_id=…, or a bare name)."""
    found = listing(query, timeout)
    if as_json:
        click.echo(json.dumps({"streams": found}))
    elif found:
        show(found)
    else:
        what = f"no stream matched {query!r}" if query else "no stream was found"
        others = " `streamkit streams` without a query lists all that are in reach." if query else ""
        click.echo(
            f"{what} within {timeout:g} s.{others} Start a source (or `streamkit replay RECORDING`); "
            "if one runs on another computer, `streamkit doctor` says what may be in the way."
        )


def listing(query: str, timeout: float) -> list[dict[str, Any]]:
    """Facts about every stream found; one that does not answer is listed with what the search told."""
    from streamkit.errors import StreamError
    from streamkit.lsl import find, spec_of
    from streamkit.lsl.wire import FORMATS

    rows = []
    for info in find(query, timeout=timeout):
        row = {"name": info.name(), "type": info.type(), "source_id": info.source_id(), "hostname": info.hostname()}
        row |= {"n_chans": info.channel_count(), "sfreq": info.nominal_srate(), "unit": "", "ch_names": []}
        row["channel_format"] = FORMATS[info.channel_format()]
        try:
            spec = spec_of(info, timeout=2.0)
            row |= {"unit": spec.unit, "ch_names": list(spec.ch_names), "description": spec.description}
        except StreamError as error:
            row["error"] = str(error)
        rows.append(row)
    return rows


def show(found: list[dict[str, Any]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in ("name", "type", "channels", "rate", "unit", "host", "source id"):
        table.add_column(heading, overflow="fold")
    for row in found:
        rate = f"{row['sfreq']:g} Hz" if row["sfreq"] else "irregular"
        channels = f"{row['n_chans']} {row['channel_format']}"
        cells = (row["name"], row["type"], channels, rate, row["unit"], row["hostname"], row["source_id"])
        table.add_row(*cells)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
