"""Measure every network in every backend on this machine."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable
from typing import Any

import click

EXAMPLE = "Example: streamkit bench inference --models eegnet,linear --batches 1 --json"


@click.command("inference", epilog=EXAMPLE)
@click.option("--models", default="", metavar="A,B,…", help="Which networks.  [default: all that are installed]")
@click.option("--backends", default="", metavar="A,B,…", help="Which backends.  [default: all]")
@click.option("--batches", default="1,8", show_default=True, metavar="N,N,…", help="Windows per call.")
@click.option("--precisions", default="float32", show_default=True, metavar="A,B,…")
@click.option(
    "--threads", default="1", show_default=True, metavar="N|auto", help="Per call; auto: 1, 2, 4 … all cores."
)
@click.option(
    "--cadence", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Seconds between live calls."
)
@click.option("--calls", type=click.IntRange(1), default=60, show_default=True, help="At cadence, of each contender.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=3.0,
    show_default=True,
    help="At most for those; a third of it for the tight loop.",
)
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True, help="Turns of each contender.")
@click.option("--check", is_flag=True, help="Exit status 1 unless the chosen backends are as fast as they must be.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    models: str,
    backends: str,
    batches: str,
    precisions: str,
    threads: str,
    cadence: float,
    calls: int,
    seconds: float,
    rounds: int,
    check: bool,
    as_json: bool,
) -> None:
    """Measure every network × backend × precision × batch, beside the same runtime called directly and eager torch.

    Each is timed in a tight loop and once every --cadence seconds, as a live session calls it.
    """
    from apps.bench.inference.acceptance import BATCH, PRECISION, median_speedup, misses
    from apps.bench.inference.measure import Plan, measure
    from apps.bench.inference.timing import Effort
    from streamkit.errors import BadInput, CheckFailed, require
    from streamkit.inference import BACKENDS
    from streamkit.inference.machine import usable_cores
    from streamkit.inference.settings import PRECISIONS
    from streamkit.inference.wish import Wish, thread_counts

    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        require(package, "bench", "the benchmark of inference")
    from models.table import MODELS

    plan = Plan(
        models=some_of("--models", models, MODELS),
        backends=some_of("--backends", backends, BACKENDS),
        precisions=some_of("--precisions", precisions, PRECISIONS),  # type: ignore[arg-type]
        batches=numbers("--batches", batches),
        threads=thread_counts(Wish()) if threads == "auto" else numbers("--threads", threads, most=1),
        cores=usable_cores(),
        effort=Effort(cadence, calls, seconds, rounds),
    )
    if check and (BATCH not in plan.batches or PRECISION not in plan.precisions):
        raise BadInput(f"--check looks at batch {BATCH} in {PRECISION}: leave them among --batches and --precisions")
    with contextlib.redirect_stdout(sys.stderr):  # a library may have something to say while it is imported
        report = measure(plan, say=lambda text: click.echo(text, err=True))
    found = misses(report["rows"], report["choices"])
    report["acceptance"] = {"misses": found, "median_speedup": median_speedup(report["rows"], report["choices"])}
    show(report, as_json)
    if check and found:
        raise CheckFailed("; ".join(found))


def show(report: dict[str, Any], as_json: bool) -> None:
    """Print the report as one JSON object, or as a table."""
    if as_json:
        click.echo(json.dumps(report))
        return
    from apps.bench.inference.show import as_text

    click.echo(as_text(report))


def some_of(option: str, words: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names from words separated by commas, each once; all of `known` when there are none.

    Raises
    ------
    ConfigError
        For a name that is not known; says which is close.
    """
    from streamkit.errors import ConfigError, did_you_mean

    wanted = tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))
    for word in wanted:
        if word not in known:
            raise ConfigError(
                f"{option}: there is no {word!r}, expected some of {', '.join(known)}.{did_you_mean(word, known)}"
            )
    return wanted or tuple(known)


def numbers(option: str, words: str, most: int = 8) -> tuple[int, ...]:
    """Whole numbers from 1 to 1024, from words separated by commas, each once; at most `most` of them."""
    from streamkit.errors import BadInput

    found = tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))
    if not 1 <= len(found) <= most or not all(word.isdecimal() and 1 <= int(word) <= 1024 for word in found):
        example = "auto or a whole number from 1 on" if most == 1 else "whole numbers from 1 on, as in 1,8"
        raise BadInput(f"{option} {words}: expected {example}")
    return tuple(map(int, found))
