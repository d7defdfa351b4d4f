"""NWB files, one or a folder of them as the DANDI archive has them: one Recording per file.

What becomes a stream: every time series of one or two dimensions at its own stamps; spike times as counts in bins of
10 ms, stamped with the end of the bin; trials, intervals, events and presented images as markers (see
`streamkit.recording.nwb.read_nwb`). Gaps are where the stamps have them. A file is mostly one session: to split
within it, cut it into blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from calibration.datasets.blocks import contiguous_blocks
from calibration.datasets.dataset import Options, listed, missing
from streamkit.recording import Recording
from streamkit.recording.nwb import files_below, read_nwb
from streamkit.recording.nwb_units import SPIKE_BIN

SOURCE = "https://dandiarchive.org (and by many others)"
LICENCE = "as dandiset.yaml says"
FOLDER = "an .nwb file or a folder of them"


class NwbOptions(Options):
    """What of the files, and how they become groups.

    Parameters
    ----------
    streams
        Names of the signals to read; all when empty.
    start, stop
        Only this part of each file, seconds on its clock.
    spike_bin
        Width of the bins of spike counts, seconds.
    group
        What is one group: each ``file``, each ``session`` or each ``subject``.
    blocks
        Cut each file into this many contiguous blocks, each its own group.
    """

    streams: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    start: float | None = None
    stop: float | None = None
    spike_bin: float = Field(default=SPIKE_BIN, gt=0)
    group: Literal["file", "session", "subject"] = "file"
    blocks: int = Field(default=1, ge=1)


def read(path: Path, options: NwbOptions) -> Iterator[Recording]:
    """Every file at or below `path`, in order of name."""
    files = [path] if path.is_file() else files_below(path) if path.is_dir() else []
    if not files:
        raise missing(path, "NWB files (.nwb)", SOURCE, FOLDER)
    for file in files:
        recording = read_nwb(
            file,
            spike_bin=options.spike_bin,
            streams=options.streams or None,
            start=options.start,
            stop=options.stop,
        )
        recording = grouped(recording, options.group)
        yield from contiguous_blocks(recording, options.blocks) if options.blocks > 1 else (recording,)


def grouped(recording: Recording, rule: str) -> Recording:
    """The recording with its group set by the rule."""
    meta = recording.meta
    by_rule = {"session": f"{meta.subject}_{meta.session}".strip("_"), "subject": meta.subject}
    return replace(recording, meta=meta.model_copy(update={"group": by_rule.get(rule) or meta.group}))
