"""Any BIDS dataset of EEG, iEEG, MEG or EMG: one Recording per run.

What becomes a stream: the channels of a run by kind, as ``channels.tsv`` says; ``events.tsv`` as markers, with the
images of ``stim_file``; no gaps (see `streamkit.recording.bids.read_bids`). Runs of an empty room are left out unless
asked for. The group is the run, the session or the subject, as the split needs it: to test on people who were not
trained on, it has to be the subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from calibration.datasets.blocks import contiguous_blocks
from calibration.datasets.dataset import Options, listed, missing
from streamkit.errors import ConfigError
from streamkit.recording import Recording
from streamkit.recording.bids import read_bids
from streamkit.recording.bids_layout import entities, is_run, root_of, runs_below

SOURCE = "https://openneuro.org (and by many others)"
LICENCE = "as dataset_description.json says"
FOLDER = "the folder that holds dataset_description.json, a folder in it, or the data file of one run"
EMPTY_ROOM = "emptyroom"

Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


class BidsOptions(Options):
    """Which runs, and how they become groups.

    Parameters
    ----------
    subject, session, task, run
        Only these, as in file names (``1`` is also ``01``); all when empty.
    group
        What is one group: each ``run``, each ``session``, each ``subject`` or each ``task``.
    label
        Columns of ``events.tsv`` that make the labels, joined by ``/``; by default ``trial_type`` (else ``value``) and
        ``stim_file``.
    blocks
        Cut each run into this many contiguous blocks, each its own group.
    """

    subject: Names = ()
    session: Names = ()
    task: Names = ()
    run: Names = ()
    group: Literal["run", "session", "subject", "task"] = "run"
    label: Names = ()
    blocks: int = Field(default=1, ge=1)


def read(path: Path, options: BidsOptions) -> Iterator[Recording]:
    """Every run at or below `path` that the options choose, in order of name."""
    runs = [path] if is_run(path) and path.exists() else runs_below(path) if path.is_dir() else []
    if not runs or root_of(path) is None:
        raise missing(path, "a BIDS dataset with runs (sub-*/…/eeg/sub-*_task-*_eeg.vhdr and the like)", SOURCE, FOLDER)
    for run in chosen(path, runs, options):
        recording = grouped(read_bids(run, options.label or None), options.group)
        yield from contiguous_blocks(recording, options.blocks) if options.blocks > 1 else (recording,)


def chosen(path: Path, runs: list[Path], options: BidsOptions) -> list[Path]:
    """The runs that the options name.

    Raises
    ------
    ConfigError
        When no run fits; says what there is.
    """
    wanted = {"sub": options.subject, "ses": options.session, "task": options.task, "run": options.run}
    kept = runs
    for key, names in wanted.items():
        there = {entities(run.name).get(key, "") for run in kept} - {""}
        if names and not any(same(name, value) for name in names for value in there):
            raise ConfigError(
                f"{path} has no run with {key}-{', '.join(names)}; there are {', '.join(sorted(there)) or 'none'}."
            )
        kept = [run for run in kept if not names or any(same(name, entities(run.name).get(key, "")) for name in names)]
    return [run for run in kept if options.subject or entities(run.name)["sub"] != EMPTY_ROOM]


def same(name: str, value: str) -> bool:
    """Whether two labels are the same: ``1`` is ``01``, and ``sub-01`` is ``01``."""
    name = name.rpartition("-")[2]
    return name == value or (name.isdigit() and value.isdigit() and int(name) == int(value))


def grouped(recording: Recording, rule: str) -> Recording:
    """The recording with its group set by the rule."""
    keys = {"session": ("sub", "ses"), "subject": ("sub",), "task": ("task",)}.get(rule)
    if keys is None:
        return recording
    parts = recording.meta.details["entities"]
    group = "_".join(f"{key}-{parts[key]}" for key in keys if key in parts)
    return replace(recording, meta=recording.meta.model_copy(update={"group": group}))
