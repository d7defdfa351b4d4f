"""Measured figures as JSON."""

from __future__ import annotations

import contextlib
import importlib
import json
import signal
from collections.abc import Iterator
from typing import Any

import click

from apps.commands.demo import machine_only_lsl
from streamkit.errors import BadInput, MissingPackage

EXAMPLE = "Example: streamkit bench latency --seconds 15 --runs 2 --json"
MIN_RING_S, MAX_RING_S = 0.1, 3600.0
OTHERS = {"inference": "apps.bench.inference", "load": "apps.bench.load", "train": "apps.bench.train"}
"""Benchmarks with a command of their own, imported when called."""


class Benchmarks(click.Group):
    """`latency`, and what `OTHERS` lists where it is there."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all benchmarks."""
        return sorted((*super().list_commands(ctx), *OTHERS))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return one benchmark, or None for an unknown one."""
        if name not in OTHERS:
            return super().get_command(ctx, name)
        found: click.Command = importlib.import_module(OTHERS[name]).command
        return found


@click.group("bench", cls=Benchmarks, epilog=EXAMPLE)
def command() -> None:
    """Measure this machine: latency against other toolkits, inference in every backend, training, and load."""


@command.command("latency", epilog=EXAMPLE)
@click.option("--seconds", type=click.FloatRange(min=3), default=60.0, show_default=True, help="Length of a run.")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved rounds.")
@click.option(
    "--consumers",
    default="",
    metavar="A,B,…",
    help="Who runs, or `all`.  [default: streamkit,openvino_loop,mne_lsl,ezmsg where installed]",
)
@click.option("--rings", metavar="S,S,…", help="Also streamkit with raw rings of so many seconds, as in 1,10,100.")
@click.option("--loaded", is_flag=True, help="Run each also beside a process that keeps one core busy.")
@click.option(
    "--warmup", type=click.IntRange(min=0), default=20, show_default=True, help="Predictions of a run not counted."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def latency(
    seconds: float, runs: int, consumers: str, rings: str | None, loaded: bool, warmup: int, as_json: bool
) -> None:
    """Sample to prediction over LSL, by streamkit and by the same job in other toolkits."""
    from apps.bench.consumers.table import find, with_ring
    from apps.bench.job import Job
    from apps.bench.latency import line, measure

    machine_only_lsl()
    chosen = find(consumers)
    chosen += [with_ring(length) for length in ring_lengths(rings)]
    absent = {consumer.name: why for consumer in chosen if (why := consumer.why_not())}
    if absent and (consumers or len(absent) == len(chosen)):
        raise MissingPackage("\n".join(absent.values()))
    present = [consumer for consumer in chosen if consumer.name not in absent]
    for why in absent.values():
        click.echo(f"left out: {why}", err=True)
    job = Job(seconds=seconds, warmup=warmup)
    with interruptible():
        report = measure(job, present, runs, loaded=loaded, say=lambda text: click.echo(text, err=True))
    report["not_installed"] = absent
    click.echo(json.dumps(report) if as_json else summary(report, line))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C, or a request to terminate, end the body with all its processes."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ring_lengths(rings: str | None) -> list[float]:
    """Seconds, from words separated by commas."""
    try:
        lengths = [float(word) for word in (rings or "").split(",") if word.strip()]
    except ValueError:
        raise BadInput(f"--rings {rings}: expected seconds separated by commas, as in 1,10,100") from None
    if any(not MIN_RING_S <= length <= MAX_RING_S for length in lengths):
        raise BadInput(f"--rings {rings}: a ring holds between {MIN_RING_S:g} and {MAX_RING_S:g} s")
    return lengths


def summary(report: dict[str, Any], line: Any) -> str:
    """Return the report as a few lines for people."""
    lines = [line(name, figures) for name, figures in report["consumers"].items()]
    for name, ratio in report["ratios"].items():
        lines.append(f"streamkit / {name}: p50 {ratio['p50']:.2f}, p99 {ratio['p99']:.2f}")
    for name, added in (report["growth"] or {}).items():
        lines.append(f"{name} beside a busy core: p50 {added['p50']['times']:.2f} x, p99 {added['p99']['times']:.2f} x")
    if report["ledger"]:
        error, hop = report["ledger"]["largest_error_us"], report["ledger"]["lsl_hop_ms"]["p50"]
        lines.append(f"stages add up to the total within {error:.1f} us; one LSL hop {hop:.2f} ms")
    if report["rings"]:
        lines.append(f"longest / shortest ring: p50 {report['rings']['p50']:.2f}, p99 {report['rings']['p99']:.2f}")
    return "\n".join(lines)
