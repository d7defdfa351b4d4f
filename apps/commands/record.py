"""Record LSL streams to a native recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from apps.commands.replay import until_stopped
from apps.out import check_out

EXAMPLE = "Example: streamkit record recordings/today --stream type=EEG --stream name=markers --duration 60"


@click.command("record", epilog=EXAMPLE)
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--stream", "queries", multiple=True, metavar="QUERY",
    help="Record what matches: name=…,type=…,source_id=…, or a bare name; may be repeated.  [default: all]",
)  # fmt: skip
@click.option(
    "--duration", type=click.FloatRange(min=0, min_open=True), help="Seconds to record.  [default: until Ctrl-C]"
)
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Seconds to look for streams."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(out: Path, queries: tuple[str, ...], duration: float | None, timeout: float, as_json: bool) -> None:
    """Record LSL streams to the new folder OUT; it is readable even when the recorder is killed. Ctrl-C stops."""
    from streamkit.record import Recorder

    check_out(out)
    recorder = Recorder(out, queries, timeout=timeout, on_change=lambda line: click.echo(f"warning: {line}", err=True))
    with recorder, until_stopped():
        for source in recorder.sources:
            click.echo(f"recording {described(source.spec)}", err=True)
        recorder.run(duration)
    report = {"recording": str(out), "streams": [entry(recorder, source) for source in recorder.sources]}
    click.echo(json.dumps(report) if as_json else sentence(report))


def described(spec: Any) -> str:
    """One stream in a line."""
    return f"name={spec.name}  type={spec.type}  source_id={spec.source_id}  {spec.n_chans} ch, {spec.sfreq:g} Hz"


def entry(recorder: Any, source: Any) -> dict[str, Any]:
    """What was recorded of one stream."""
    spec = source.spec
    facts = {"name": spec.name, "type": spec.type, "source_id": spec.source_id, "n_chans": spec.n_chans}
    return facts | {"sfreq": spec.sfreq, "samples": recorder.count(source), "lost": source.lost}


def sentence(report: dict[str, Any]) -> str:
    """The report in words."""
    parts = [f"{stream['samples']} of {stream['name']}" for stream in report["streams"]]
    return f"recorded {', '.join(parts)} samples to {report['recording']}"
