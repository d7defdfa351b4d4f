"""Prove that the live answer of a bundle equals its offline answer, on this machine."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from apps.backend_options import backend_options, told
from apps.rehearsal import rehearse
from streamkit.bundle import ModelBundle, load_bundle
from streamkit.inference import Choice, Wish, Wishes
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
@backend_options
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="Replay speed over LSL.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    bundle: Path,
    recording: Path,
    over: str,
    wish: Wish,
    strict: bool,
    speed: float,
    as_json: bool,
) -> None:
    """Replay RECORDING through a live session of BUNDLE and compare with the answer from the file alone.

    Both are computed by the same backend with the same settings, chosen beforehand as live would choose. Where live
    takes as many steps as there is time for, the file's answer takes as many.
    Exit status 0 when every event or hop was decoded exactly once and live equals offline within 1e-5; 1 when not.
    Over memory, it runs twice with other chunks, and both times every bit must be the same.
    """
    loaded = load_bundle(bundle)
    choices = choose(loaded, wish, strict)
    same = {name: choice.wish for name, choice in choices.items()}
    live, extra = answer_over(over, bundle, recording, same, speed, ctx.obj or {})
    offline = offline_in_its_own_process(bundle, recording, same, live.taken)
    runs = " and ".join(dict.fromkeys(map(str, choices.values())))
    click.echo(f"offline: {len(offline.events)} predictions with {runs}", err=True)
    verdict = compare(offline, live, loaded.contract.processed.sfreq)
    repeats = extra.get("bit_equal_on_repeat", True)
    if as_json:
        click.echo(json.dumps({"over": over, **verdict.model_dump(mode="json"), **told(choices), **extra}))
    else:
        click.echo(sentence(verdict))
        if verdict.epochs is not None:
            click.echo(sentence(verdict.epochs, "epochs, predicted and recorded"))
        late = extra.get("counts", {}).get("side_late", 0)
        if late and not verdict.passed:
            click.echo(late_sides(late))
        if "hash" in extra:
            click.echo(f"predictions {extra['hash']}, {'the same' if repeats else 'NOT the same'} with other chunks")
    ctx.exit(0 if verdict.passed and repeats else 1)


def choose(bundle: ModelBundle, wish: Wish, strict: bool) -> dict[str, Choice]:
    """Choose once, for both answers."""
    with contextlib.redirect_stdout(sys.stderr):  # a library may have something to say while it is imported
        runner, predictor = bundle.open_runner(wish, strict=strict), bundle.open_predictor(wish, strict=strict)
    runner.close()
    if predictor is None:
        return dict(runner.choices)
    predictor.close()
    return {**runner.choices, predictor.spec.graph: predictor.choice}


def answer_over(
    over: str, bundle: Path, recording: Path, backend: Wishes, speed: float, seams: dict[str, Any]
) -> tuple[Answer, dict[str, Any]]:
    """Return the live answer and what else was measured; `seams` lets a test tamper with what arrives."""
    if over == "memory":
        tamper = seams.get("tamper", lambda items: items)
        first, second = (over_memory(bundle, recording, backend, seed=seed, tamper=tamper) for seed in (0, 1))
        return first, {"hash": first.hash, "bit_equal_on_repeat": first.hash == second.hash}
    result = rehearse(bundle, recording, backend=backend, speed=speed, played=seams.get("played"))
    return result.answer, {"latency_ms": result.latency["latency_ms"], "counts": result.counts}


def late_sides(n: int) -> str:
    """Say why windows may differ where samples of side streams came after their time, and what to do."""
    return (
        f"{n} {'sample' if n == 1 else 'samples'} of side streams came after their time, so windows were not what the "
        "file holds: raise 'delay' of the recipe's [[also]] and calibrate again, or replay where less else runs"
    )


def sentence(verdict: Verdict, what: str = "predictions") -> str:
    """Return the verdict in words."""
    lead = "live equals offline" if verdict.passed else "live does NOT equal offline"
    return (
        f"{lead}: {verdict.live} live {what} for {verdict.expected} expected with {verdict.backend}; "
        f"missed {verdict.missed}, duplicated {verdict.duplicated}, unexpected {verdict.unexpected}; "
        f"largest difference {verdict.max_abs:.2g} (allowed {verdict.tolerance:g}), "
        f"largest stamp error {verdict.max_stamp_error * 1e3:.3g} ms"
    )
