"""Any file or folder of files that `streamkit.recording.read_recording` reads: native folders, XDF, NWB, MNE formats.

What becomes a stream: whatever the file holds, unchanged. Each file or native folder is a Recording; its group is
the one it was written with, else its file name or, by option, its folder's. A single recording can be cut into
contiguous blocks, because a split always goes between groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from calibration.datasets.blocks import contiguous_blocks
from calibration.datasets.dataset import Options, missing
from streamkit.marks import JSON
from streamkit.recording import Recording, read_recording

SOURCE = "your own recordings"
FOLDER = "a recording (native folder, .xdf, .nwb, or a format MNE reads) or a folder of them"
SUFFIXES = (".xdf", ".xdfz", ".nwb", ".fif", ".edf", ".bdf", ".gdf", ".vhdr", ".set")


class FileOptions(Options):
    """How files become groups.

    Parameters
    ----------
    pattern
        Glob below a folder.
    group
        ``file`` (its own group, else its name), ``folder`` (the name of the folder it is in), or any other text: that
        text is the group of all.
    blocks
        Cut each recording into this many contiguous blocks, each its own group.
    salvage
        Read what is whole of XDF files that are cut short or damaged.
    """

    pattern: str = "**/*"
    group: Literal["file", "folder"] | str = "file"
    blocks: int = Field(default=1, ge=1)
    salvage: bool = False


def read(path: Path, options: FileOptions) -> Iterator[Recording]:
    """Every recording at or below `path`, in order of name."""
    sources = recordings_below(path, options.pattern)
    if not sources:
        raise missing(path, f"recordings ({', '.join(SUFFIXES)} or native folders)", SOURCE, FOLDER)
    for source in sources:
        recording = with_group(read_recording(source, salvage=options.salvage), source, options.group)
        yield from contiguous_blocks(recording, options.blocks) if options.blocks > 1 else (recording,)


def recordings_below(path: Path, pattern: str) -> list[Path]:
    """The recording at `path`, or those below it."""
    if path.is_file() or is_native(path):
        return [path]
    found = sorted(path.glob(pattern)) if path.is_dir() else []
    native = [folder for folder in found if is_native(folder)]
    files = [file for file in found if file.is_file() and file.suffix.lower() in SUFFIXES]
    return native + [file for file in files if not is_native(file.parent)]


def is_native(folder: Path) -> bool:
    """Whether this is a native recording folder."""
    return (folder / JSON).is_file()


def with_group(recording: Recording, source: Path, rule: str) -> Recording:
    """The recording with its group set by the rule."""
    by_rule = {"file": recording.meta.group or source.stem, "folder": source.resolve().parent.name}
    meta = recording.meta.model_copy(update={"group": by_rule.get(rule, rule)})
    return replace(recording, meta=meta)
