"""Prove that the live answer of a bundle equals its offline answer, on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from apps.rehearsal import rehearse
from streamkit.bundle import load_bundle
from streamkit.inference.table import check_name
from streamkit.verify import Answer, Verdict, compare, offline_in_its_own_process, over_memory

EXAMPLE = "Example: streamkit verify bundles/p300 recordings/p300-held-out --json"


@click.command("verify", epilog=EXAMPLE)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--over",
    type=click.Choice(["lsl", "memory"]),
    default="lsl",
    show_default=True,
    help="The way of the live answer.",
)
@click.option("--backend", default="auto", show_default=True, help="Backend of both answers.")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="Replay speed over LSL.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, bundle: Path, recording: Path, over: str, backend: str, speed: float, as_json: bool
) -> None:
    """Replay RECORDING through a live session of BUNDLE and compare with the answer from the file alone.

    Exit status 0 when every event or hop was decoded exactly once and live equals offline within 1e-5; 1 when not.
    Over memory, it runs twice with other chunks, and both times every bit must be the same.
    """
    check_name(backend)
    offline = offline_in_its_own_process(bundle, recording, backend)
    click.echo(f"offline: {len(offline.events)} predictions with {offline.backend}", err=True)
    live, extra = answer_over(over, bundle, recording, offline.backend, speed, ctx.obj or {})
    contract = load_bundle(bundle).contract
    verdict = compare(offline, live, contract.processed.sfreq)
    repeats = extra.get("bit_equal_on_repeat", True)
    if as_json:
        click.echo(json.dumps({"over": over, **verdict.model_dump(mode="json"), **extra}))
    else:
        click.echo(sentence(verdict))
        if "hash" in extra:
            click.echo(f"predictions {extra['hash']}, {'the same' if repeats else 'NOT the same'} with other chunks")
    ctx.exit(0 if verdict.passed and repeats else 1)


def answer_over(
    over: str, bundle: Path, recording: Path, backend: str, speed: float, seams: dict[str, Any]
) -> tuple[Answer, dict[str, Any]]:
    """Return the live answer and what else was measured; `seams` lets a test tamper with what arrives."""
    if over == "memory":
        tamper = seams.get("tamper", lambda items: items)
        first, second = (over_memory(bundle, recording, backend, seed=seed, tamper=tamper) for seed in (0, 1))
        return first, {"hash": first.hash, "bit_equal_on_repeat": first.hash == second.hash}
    result = rehearse(bundle, recording, backend=backend, speed=speed, played=seams.get("played"))
    return result.answer, {"latency_ms": result.latency["latency_ms"], "counts": result.counts}


def sentence(verdict: Verdict) -> str:
    """Return the verdict in words."""
    lead = "live equals offline" if verdict.passed else "live does NOT equal offline"
    return (
        f"{lead}: {verdict.live} live predictions for {verdict.expected} expected with {verdict.backend}; "
        f"missed {verdict.missed}, duplicated {verdict.duplicated}, unexpected {verdict.unexpected}; "
        f"largest difference {verdict.max_abs:.2g} (allowed {verdict.tolerance:g}), "
        f"largest stamp error {verdict.max_stamp_error * 1e3:.3g} ms"
    )
