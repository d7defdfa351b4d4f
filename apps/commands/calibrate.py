"""calibrate: train a decoder as a recipe says and write a bundle."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from apps.out import check_apart, check_out
from apps.seed import SEED

if TYPE_CHECKING:
    from calibration.calibrate import CalibrationResult
    from calibration.metrics import Score

RECIPES = sorted(path.stem for path in (Path(__file__).parents[2] / "calibration" / "recipes").glob("*.toml"))
EPILOG = f"""Example: streamkit calibrate p300-muse --data data/visual --out p300.bundle --held-out held-out

Shipped recipes: {", ".join(RECIPES)}."""


@click.command("calibrate", epilog=EPILOG)
@click.argument("recipe")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="The dataset's folder or file.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option(
    "--held-out",
    "held_out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the recordings that were kept from training here, for replay, verify and evaluate.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the recipe: train.epochs=3.")
@click.option("--seed", type=SEED, help="Instead of the recipe's train.seed.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write checkpoints of a training by gradient here, and take it up from them if it was stopped.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), help="Where to train: train.accelerator.")
@click.option("--devices", type=click.IntRange(min=1), help="On how many GPUs: train.devices.")
@click.option(
    "--precision", type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]), help="Of the training: train.precision."
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Fit the folds of a cross-validation side by side: `local`, or a Dask scheduler such as tcp://127.0.0.1:8786.",
)
@click.option("--overwrite", is_flag=True, help="Replace a bundle, and held-out recordings, that are there already.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    recipe: str,
    data: Path | None,
    out: Path,
    held_out: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    resume: Path | None,
    device: str | None,
    devices: int | None,
    precision: str | None,
    scheduler: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train a decoder on recordings as RECIPE says and write it as a bundle.

    RECIPE is a TOML file or the name of a shipped recipe.
    """
    from calibration import calibrate, load_recipe
    from calibration.progress import Bar, Progress

    check_out(out, "--out")
    check_out(held_out, "--held-out")
    check_apart(held_out, "--held-out")
    check_out(resume, "--resume")
    flags = {"accelerator": device, "devices": devices, "precision": precision}
    said = [f"train.{key}={value}" for key, value in flags.items() if value is not None]
    loaded = load_recipe(recipe, (*overrides, *said))
    bar = Bar() if sys.stderr.isatty() else Progress()
    with contextlib.redirect_stdout(sys.stderr), bar:
        result = calibrate(loaded, data, out, held_out, seed, overwrite, bar, resume, scheduler)
    click.echo(json.dumps(summary(result)) if as_json else text(result))


def summary(result: CalibrationResult) -> dict[str, Any]:
    """Return the result as JSON values."""
    return {
        "status": "ok",
        "bundle": str(result.bundle.path),
        "hash": result.bundle.hash,
        "metrics": [score_json(score) for score in result.scores],
        "cross_validation": [score_json(score) for score in result.cross_validation],
        "parity_max_abs": result.parity,
        "trained_on": list(result.trained_on),
        "held_out": list(result.held_out),
        "held_out_recordings": [str(path) for path in result.held_out_recordings],
        "simulated": result.bundle.provenance.simulated,
        "report": str(result.report),
        "seconds": round(result.seconds, 2),
    }


def score_json(score: Score) -> dict[str, Any]:
    """Return one score as JSON values."""
    return {
        "name": score.name,
        "value": score.value,
        "chance": score.chance,
        "ci95": list(score.ci95),
        "p": score.p,
        "n": score.n,
        "note": score.note,
    }


def score_lines(scores: tuple[Score, ...]) -> list[str]:
    """Return scores as aligned lines."""
    width = max((len(score.name) for score in scores), default=0)
    return [
        f"  {score.name:<{width}}  {score.value:6.3f}  [{score.ci95[0]:.3f}, {score.ci95[1]:.3f}]  "
        f"chance {score.chance:.3f}  p {score.p:.2g}  n {score.n}"
        for score in scores
    ]


def text(result: CalibrationResult) -> str:
    """Return the result for people."""
    simulated = " (simulated)" if result.bundle.provenance.simulated else ""
    lines = [f"bundle {result.bundle.path}{simulated}, {result.seconds:.0f} s"]
    if result.scores:
        lines += [f"held out: {', '.join(result.held_out)}", *score_lines(result.scores)]
    if result.cross_validation:
        lines += ["cross-validation of the recipe, over all groups:", *score_lines(result.cross_validation)]
    lines += [f"export differs from torch by at most {result.parity:.1e}", f"report {result.report}"]
    lines += [f"held-out recording {path}" for path in result.held_out_recordings]
    return "\n".join(lines)
