"""Make recordings from a forward model with known ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import click

from apps.commands.convert import facts, parse_options
from apps.out import check_out
from apps.seed import SEED
from calibration.datasets.oracle import identification_ceiling
from calibration.datasets.world import World, simulate, write_world
from calibration.datasets.world_config import load_world, shipped_worlds

EXAMPLE = "Example: streamkit simulate demo recordings/demo --set noise.signal=0.5"


def show_list(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the worlds that come with streamkit and stop."""
    if wanted and not ctx.resilient_parsing:
        for name in shipped_worlds():
            click.echo(f"{name:8} {load_world(name).description}")
        ctx.exit()


@click.command("simulate", epilog=EXAMPLE)
@click.argument("world")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", type=SEED, help="Seed instead of the world's own.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value, e.g. noise.signal=0.")
@click.option("--overwrite", is_flag=True, help="Replace a world that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=show_list, help="Show the worlds and stop."
)
def command(world: str, out: Path, seed: int | None, changes: tuple[str, ...], overwrite: bool, as_json: bool) -> None:
    """Simulate WORLD (a TOML file, or the name of a shipped world) into OUT.

    Writes one native folder per group of the world, and the truth behind them: truth.json and truth.safetensors.
    """
    check_out(out)

    def progress(step: str) -> None:
        click.echo(step, err=True)

    made = simulate(load_world(world, parse_options(changes, "--set", "noise.signal=0")), seed, progress)
    folders = write_world(made, out, overwrite, progress)
    if as_json:
        recordings = [facts(r, folder) for r, folder in zip(made.recordings.values(), folders, strict=True)]
        report = {"world": made.config.name, "seed": made.config.seed, "out": str(out), "recordings": recordings}
        click.echo(json.dumps({**report, "oracle": ceilings(made)}))


def ceilings(world: World) -> dict[str, float]:
    """Share of presentations an oracle identifies among up to 20 stimuli, by group; empty without spikes."""
    if "spikes" not in world.config.streams:
        return {}
    sizes = {group: len(recording.events()) for group, recording in world.recordings.items()}
    return {group: identification_ceiling(world, min(20, n), group) for group, n in sizes.items() if n > 1}
