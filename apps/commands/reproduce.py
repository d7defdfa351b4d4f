"""reproduce: run every named experiment of a paper and write its tables and figures."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from apps.out import check_out
from apps.seed import SEED
from streamkit.errors import ConfigError

if TYPE_CHECKING:
    from calibration.reproduce import Reproduction

EXAMPLE = "Example: streamkit reproduce brainae --scale small --out reproduced/brainae"


def show_list(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the papers and their experiments, and stop."""
    if wanted and not ctx.resilient_parsing:
        from calibration.papers import PAPERS

        for paper in PAPERS.values():
            click.echo(f"{paper.name}: {paper.title}")
            for name, title in paper.experiments.items():
                click.echo(f"  {name:18} {title}")
        ctx.exit()


@click.command("reproduce", epilog=EXAMPLE)
@click.argument("paper")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results.")
@click.option(
    "--scale",
    type=click.Choice(["small", "full"]),
    default="small",
    show_default=True,
    help="Small: minutes on two cores, simulated data. Full: as published, on the published data; for GPUs.",
)
@click.option("--experiment", "experiments", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option(
    "--data", multiple=True, metavar="DATASET=FOLDER", help="Where a data set lies, e.g. things_eeg2=data/things."
)
@click.option(
    "--weights",
    multiple=True,
    metavar="NAME=PATH",
    help="A pretrained network that you have, e.g. alexnet=alexnet-owt-7be5be79.pth.",
)
@click.option("--accept-licence", is_flag=True, help="You have read the licences of those networks and keep to them.")
@click.option("--seed", "seeds", type=SEED, multiple=True, help="Of the trainings; may be repeated.")
@click.option("--scheduler", metavar="ADDRESS", help="Train side by side: `local`, or a Dask scheduler (tcp://…).")
@click.option("--workers", type=click.IntRange(min=1), help="How many trainings at a time with `local`.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep trainings here, and take up from here what was stopped; what is finished is not trained again.",
)
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds results already.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=show_list, help="Show the experiments and stop."
)
def command(
    paper: str,
    out: Path,
    scale: str,
    experiments: tuple[str, ...],
    data: tuple[str, ...],
    weights: tuple[str, ...],
    accept_licence: bool,
    seeds: tuple[int, ...],
    scheduler: str | None,
    workers: int | None,
    resume: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Run every named experiment of PAPER and write its tables and figures (HTML, PNG and JSON)."""
    from calibration.papers.paper import Request
    from calibration.progress import Bar
    from calibration.reproduce import reproduce

    check_out(out, "--out")
    if (out / "index.html").exists() and not overwrite:
        raise ConfigError(f"--out {out} holds results already: choose another folder, or allow it with --overwrite")
    request = Request(
        "full" if scale == "full" else "small",
        experiments,
        folders(data),
        seeds,
        scheduler,
        workers,
        out / "cache",
        paths(weights),
        accept_licence,
        resume,
    )
    with contextlib.redirect_stdout(sys.stderr), Bar() as progress:
        done = reproduce(paper, request, out, progress)
    if not done.ran:
        raise ConfigError(nothing_ran(done))
    if as_json:
        click.echo(json.dumps(done.facts()))
    else:
        tell(done)


def folders(data: tuple[str, ...]) -> dict[str, Path]:
    """``NAME=FOLDER`` options as a mapping.

    Raises
    ------
    ConfigError
        For another form, an unknown data set, or a folder that is not there.
    """
    from calibration.datasets import DATASETS

    found = {}
    for option in data:
        name, equals, folder = option.partition("=")
        if not equals or name not in DATASETS:
            raise ConfigError(f"--data {option!r}: expected DATASET=FOLDER with one of {', '.join(DATASETS)}")
        if not Path(folder).exists():
            raise ConfigError(f"--data {option!r}: {folder} does not exist")
        found[name] = Path(folder)
    return found


def paths(weights: tuple[str, ...]) -> dict[str, Path]:
    """``NAME=PATH`` options as a mapping.

    Raises
    ------
    ConfigError
        For another form, or a path that is not there.
    """
    found = {}
    for option in weights:
        name, equals, path = option.partition("=")
        if not equals or not name or not Path(path).exists():
            raise ConfigError(f"--weights {option!r}: expected NAME=PATH with a file or folder that is there")
        found[name] = Path(path)
    return found


def nothing_ran(done: Reproduction) -> str:
    """Why none of the experiments could be run, each reason once, and how to say where data and networks are."""
    reasons = dict.fromkeys(each.why_not for each in done.results)
    first = (
        f"nothing of {done.paper.name} could be run, and nothing was written: give what is missing with "
        "--data DATASET=FOLDER or --weights NAME=PATH"
    )
    return "\n  ".join((f"{first}:", *reasons))


def tell(done: Reproduction) -> None:
    """Say what was done, for people."""
    for each in done.results:
        click.echo(f"not run: {each.title}: {each.why_not}" if each.why_not else f"{each.title}: {len(each.rows)} rows")
    click.echo(f"{done.paper.title}: {done.seconds:.0f} s, look at {done.page}")
