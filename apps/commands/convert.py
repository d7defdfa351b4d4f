"""Turn a published dataset, or any file streamkit reads, into native recordings."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Container, Iterator
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import click

from apps.out import check_out
from calibration.datasets import DATASETS, Dataset
from streamkit.errors import BadInput, ConfigError, did_you_mean
from streamkit.recording import Recording, write_recording

EXAMPLE = "Example: streamkit convert muse_p300 data/ntx_muse recordings/p300 --option subject=1"


def show_list(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the table of datasets and stop."""
    if wanted and not ctx.resilient_parsing:
        for row in DATASETS.values():
            click.echo(f"{row.name:13} {row.summary}")
            click.echo(f"{'':13} options: {', '.join(row.options.model_fields) or 'none'}; {row.source}")
        ctx.exit()


@click.command("convert", epilog=EXAMPLE)
@click.argument("dataset")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Option of the dataset; see --list.")
@click.option("--group", "groups", multiple=True, help="Convert only this group (a run, a subject, a block …).")
@click.option("--overwrite", is_flag=True, help="Replace recordings that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=show_list, help="Show the datasets and stop."
)
def command(
    dataset: str,
    path: Path,
    out: Path,
    options: tuple[str, ...],
    groups: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Read DATASET at PATH and write one native folder per recording into OUT (OUT itself when there is only one)."""
    check_out(out)
    row = DATASETS.get(dataset)
    if row is None:
        hint = did_you_mean(dataset, DATASETS)
        raise ConfigError(f"no dataset {dataset!r}.{hint} There are {', '.join(DATASETS)} (streamkit convert --list)")
    written = write_all(chosen(row, path, parse_options(options), groups), out, overwrite)
    if as_json:
        click.echo(json.dumps({"dataset": row.name, "out": str(out), "recordings": written}))


def parse_options(pairs: tuple[str, ...], option: str = "--option", example: str = "subject=1") -> dict[str, Any]:
    """``KEY=VALUE`` pairs of an option as a dictionary; a value that reads as JSON is taken as such."""
    parsed: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{option} {pair!r}: expected KEY=VALUE, e.g. {example}")
        try:
            parsed[key.strip()] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key.strip()] = value
    return parsed


def chosen(row: Dataset, path: Path, options: dict[str, Any], groups: tuple[str, ...]) -> Iterator[Recording]:
    """The recordings of the groups asked for, one by one; all when none was named."""
    found = []
    for recording in row.read(path, options):
        found.append(recording.meta.group)
        if not groups or recording.meta.group in groups:
            yield recording
    absent = [group for group in groups if group not in found]
    if absent:
        raise ConfigError(f"{path} has no group {absent[0]!r}; its groups are {', '.join(dict.fromkeys(found))}")


def write_all(recordings: Iterator[Recording], out: Path, overwrite: bool) -> list[dict[str, Any]]:
    """Write recordings as they are read, so that few are in memory, saying so on stderr; returns what was written."""
    waiting = deque(islice(recordings, 2))
    several = len(waiting) > 1
    written: dict[Path, dict[str, Any]] = {}
    while waiting:
        recording = waiting.popleft()
        folder = out / folder_name(recording, out, written) if several else out
        if folder.exists() and not overwrite:
            raise BadInput(f"{folder} exists already. Choose another OUT, or replace what is there with --overwrite.")
        click.echo(f"[{len(written) + 1}] {recording.meta.name} -> {folder}", err=True)
        for note in recording.meta.details.get("notes", []):
            click.echo(f"  note: {note}", err=True)
        write_recording(recording, folder, overwrite)
        written[folder] = facts(recording, folder)
        waiting.extend(islice(recordings, 1))
    return list(written.values())


def folder_name(recording: Recording, out: Path, taken: Container[Path]) -> str:
    """Name of the folder of one recording among several: its group, else its name, else a number as well."""
    group, title = recording.meta.group, recording.meta.name
    within = bool(group) and title.startswith(f"{group}_")
    names = chain([group] if group and not within else [], [title], (f"{title}-{k}" for k in count(2)))
    return next(name for name in map(plain, names) if out / name not in taken)


def plain(name: str) -> str:
    """`name` as any file system takes it."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)


def facts(recording: Recording, folder: Path) -> dict[str, Any]:
    """What a report says about one recording."""
    return {
        "path": str(folder),
        "group": recording.meta.group,
        "simulated": recording.meta.simulated,
        "events": len(recording.events()),
        "stimuli": len(recording.stimuli) + len(recording.stimulus_arrays),
        "signals": [
            {
                "name": signal.spec.name,
                "n_chans": signal.spec.n_chans,
                "sfreq": signal.spec.sfreq,
                "unit": signal.spec.unit,
                "n_times": len(signal.stamps),
            }
            for signal in recording.signals
        ],
    }
