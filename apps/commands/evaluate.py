"""evaluate: score a bundle on a recording."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from apps.backend_options import backend_options, told
from apps.commands.calibrate import score_json, score_lines
from apps.out import check_apart, check_empty, check_out

if TYPE_CHECKING:
    from streamkit.inference import Wish


@click.command("evaluate", epilog="Example: streamkit evaluate p300.bundle held-out/run-5 --report report")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORDING...")
@click.option("--report", type=click.Path(path_type=Path, file_okay=False), help="Write an HTML page with plots here.")
@click.option("--overwrite", is_flag=True, help="Write the report into a folder that is not empty.")
@backend_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    bundle: Path,
    recordings: tuple[Path, ...],
    report: Path | None,
    overwrite: bool,
    wish: Wish,
    strict: bool,
    as_json: bool,
) -> None:
    """Score BUNDLE on one or more recordings, with chance level and confidence interval.

    The bundle's own preprocessing, windows and graph run over each recording, as they would live.
    """
    from calibration import evaluate
    from calibration.report import write_evaluation
    from streamkit.bundle import load_bundle
    from streamkit.recording import read_recording

    check_out(report, "--report")
    check_apart(report, "--report")
    check_empty(report, "--report", overwrite)
    loaded = load_bundle(bundle)
    read = [read_recording(path) for path in recordings]
    with contextlib.redirect_stdout(sys.stderr):
        found = evaluate(loaded, read, backend=wish, strict=strict)
    seen = sorted({recording.meta.group for recording in read} & set(loaded.provenance.trained_on))
    page = write_evaluation(report, found, loaded, [r.meta.name for r in read]) if report else None
    if as_json:
        document = {
            "status": "ok",
            "bundle": str(bundle),
            "recordings": [str(path) for path in recordings],
            "metrics": [score_json(score) for score in found.scores],
            "counts": found.counts,
            "backend": found.backend,
            **told(found.choices),
            "trained_on_groups": seen,
            "simulated": any(recording.meta.simulated for recording in read),
            "report": str(page) if page else None,
        }
        click.echo(json.dumps(document))
        return
    counts = ", ".join(f"{n} {what}" for what, n in found.counts.items())
    lines = [
        f"{bundle} on {', '.join(r.meta.name for r in read)} ({found.backend})",
        *score_lines(found.scores),
        counts,
    ]
    if seen:
        lines.append(f"warning: the bundle was trained on group {', '.join(seen)}; these scores are not held out")
    click.echo("\n".join(lines + ([f"report {page}"] if page else [])))
