"""Where things lie in a BIDS dataset: its root, its runs, and the tables and sidecars that apply to a run.

Brain Imaging Data Structure, https://bids-specification.readthedocs.io: file names are made of entities
(``sub-01_ses-1_task-x_run-2_eeg.vhdr``), and a sidecar higher up applies to every run whose name has all its entities
(the inheritance principle).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamkit.errors import RecordingError

DESCRIPTION = "dataset_description.json"
DATATYPES = ("eeg", "ieeg", "meg", "emg")
DATA_SUFFIXES = (
    *(".vhdr", ".edf", ".bdf", ".set", ".fif", ".nwb", ".cdt", ".con", ".sqd"),
    *(".ds", ".mefd"),
)
"""The file that names a run; the last two are folders. What lies beside it (``.eeg``, ``.fdt`` …) is not listed."""

NAME = re.compile(rf"sub-[^_]+(_[a-z]+-[^_]+)*_(?P<datatype>{'|'.join(DATATYPES)})(?P<suffix>\.[A-Za-z]+)")


def root_of(path: Path) -> Path | None:
    """The nearest folder at or above `path` that says it is a BIDS dataset."""
    here = path.absolute()
    return next((folder for folder in (here, *here.parents) if (folder / DESCRIPTION).is_file()), None)


def is_run(path: Path) -> bool:
    """Whether this is the named file of a run inside a BIDS dataset."""
    return is_run_name(path.name) and root_of(path.parent) is not None


def is_run_name(name: str) -> bool:
    """Whether a file name is that of the data of a run; of data in several files, of the first."""
    found = NAME.fullmatch(name)
    if found is None or found["suffix"].lower() not in DATA_SUFFIXES:
        return False
    split = entities(name).get("split", "1")
    return not split.isdigit() or int(split) == 1


def entities(name: str) -> dict[str, str]:
    """``{"sub": "01", "task": "x", …}`` of a file name, in its order."""
    parts = (part.split("-", 1) for part in name.split(".", 1)[0].split("_") if "-" in part)
    return {key: value for key, value in parts}


def runs_below(folder: Path) -> list[Path]:
    """The data files of all runs at or below `folder`, by name; derivatives and source data only when inside them."""
    return sorted(_runs(folder), key=lambda path: path.as_posix())


def _runs(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if is_run_name(path.name):
            yield path
        elif path.is_dir() and (path.name in DATATYPES or path.name.startswith(("sub-", "ses-"))):
            yield from _runs(path)


def applicable(root: Path, run: Path, suffix: str, extension: str) -> list[Path]:
    """The files ``*_suffix.extension`` that apply to a run, from the root down to its own folder."""
    own = entities(run.name)
    folders = [folder for folder in reversed(run.absolute().parents) if folder.is_relative_to(root)]
    found = []
    for folder in folders:
        here = [path for path in folder.glob(f"*{suffix}{extension}") if applies(path, suffix, own)]
        found += sorted(here, key=lambda path: len(entities(path.name)))
    return found


def applies(path: Path, suffix: str, own: dict[str, str]) -> bool:
    """Whether all entities of a sidecar are those of the run."""
    stem = path.name.split(".", 1)[0]
    return (stem == suffix or stem.endswith(f"_{suffix}")) and entities(path.name).items() <= own.items()


def nearest(root: Path, run: Path, suffix: str, extension: str = ".tsv") -> Path | None:
    """The one table that applies to a run, or None."""
    found = applicable(root, run, suffix, extension)
    return found[-1] if found else None


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object of the dataset."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read as JSON ({error}). Repair or copy the file again.") from error
    if not isinstance(content, dict):
        raise RecordingError(f"{path}: expected a JSON object, found {type(content).__name__}.")
    return content


def read_table(path: Path) -> dict[str, list[str]]:
    """A table of tab-separated values as columns of text; missing values are ``n/a``.

    Raises
    ------
    RecordingError
        When a line has another number of fields than the first; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read as a table in UTF-8 ({error}). Copy the file again.") from error
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        return {}
    header = [name.strip() for name in rows[0][1]]
    for number, fields in rows[1:]:
        if len(fields) != len(header):
            raise RecordingError(
                f"{path}, line {number}: expected {len(header)} fields separated by tabs, as in the first line, "
                f"found {len(fields)}."
            )
    values = [[field.strip() or "n/a" for field in fields] for _, fields in rows[1:]]
    return {name: [row[k] for row in values] for k, name in enumerate(header)}


def choose_run(folder: Path) -> Path:
    """The run in a folder of a BIDS dataset that holds one.

    Raises
    ------
    RecordingError
        When there are none, or several; names them.
    """
    runs = runs_below(folder)
    if len(runs) == 1:
        return runs[0]
    kinds = ", ".join(DATATYPES)
    if not runs:
        raise RecordingError(
            f"{folder} is in a BIDS dataset, but holds no recording of {kinds} "
            f"(sub-*/[ses-*/]eeg/sub-*_task-*_eeg.vhdr and the like). Check the folder."
        )
    listed = ", ".join(str(run.relative_to(folder)) for run in runs[:8]) + (", …" if len(runs) > 8 else "")
    raise RecordingError(
        f"{folder} is a BIDS folder of {len(runs)} runs: {listed}. Give the file of one, e.g. {runs[0]}, "
        f"or make recordings of all: streamkit convert bids {folder} OUT"
    )
