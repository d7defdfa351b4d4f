"""The main job in one command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from apps.seed import SEED
from streamkit.errors import require

EXAMPLE = "Example: streamkit demo --headless --out demo-out --json"
NEEDED = {"torch": "train", "skimage": "images", "openvino": "openvino", "PyQt6.QtCore": "view"}


@click.command("demo", epilog=EXAMPLE)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("streamkit-demo"), show_default=True, help="Folder."
)
@click.option("--headless", is_flag=True, help="No window on screen; take screenshots offscreen.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the simulated world and the training.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, out: Path, headless: bool, seed: int, as_json: bool) -> None:
    """Simulate a visual cortex, calibrate an image decoder, replay it over LSL, decode live, watch.

    All data are simulated. Without a display the window is drawn offscreen and screenshots are saved.
    """
    for module, extra in NEEDED.items():
        require(module, extra, "the demo")
    machine_only_lsl()
    from apps.demo import no_window, run_demo
    from calibration.progress import Bar

    why = "" if headless else no_window()
    if why:
        click.echo(f"no window: {why}; taking screenshots instead", err=True)
    report = run_demo(
        out,
        headless=headless or bool(why),
        seed=seed,
        say=lambda text: click.echo(text, err=True),
        progress=Bar(),
    )
    click.echo(json.dumps(report) if as_json else summary(report))
    ctx.exit(0 if report["status"] == "ok" else 1)


def machine_only_lsl() -> None:
    """Keep the demo's streams on this machine, unless the user configured LSL."""
    folder = Path(__file__).parents[1]
    if os.environ.get("LSLAPICFG") in (None, str(folder / "lsl_quiet.cfg")):
        os.environ["LSLAPICFG"] = str(folder / "lsl_machine.cfg")


def summary(report: dict[str, object]) -> str:
    """Return the report as a few lines for a person."""
    metric, latency = report["metric"], report["latency_ms"]
    assert isinstance(metric, dict)
    assert isinstance(latency, dict)
    low, high = metric["ci95"]
    return "\n".join(
        (
            f"{report['status']}: {report['predictions']} simulated images decoded live with {report['backend']}",
            f"{metric['name']}: {metric['value']:.3f} (95 % CI {low:.3f} to {high:.3f}, chance {metric['chance']:.3f})",
            f"live against offline: largest difference {report['parity_max_abs']:.2g}, "
            f"missed {report['missed']}, duplicated {report['duplicated']}",
            f"last sample to prediction: {latency['p50']:.2f} ms p50, {latency['p99']:.2f} ms p99",
            f"look at {report['pictures']}, the window in {len(report['screenshots'])} screenshots, "  # type: ignore[arg-type]
            f"and the report in {report['bundle']}/report",
        )
    )
