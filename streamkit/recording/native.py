"""The native folder: ``recording.xdf`` + ``stimuli/`` + ``recording.json``, exact in every bit.

``recording.xdf`` holds all streams and can be read by any XDF reader. ``recording.json`` holds what XDF cannot
carry: the order and full description of the streams, marker columns, which marker shows which stimulus, provenance.
A folder whose writer was killed has no ``recording.json`` and is read as far as it was written.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from streamkit.errors import RecordingError
from streamkit.marks import JSON, XDF, is_recording
from streamkit.recording.entries import restored, write_streams
from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal
from streamkit.recording.sidecar import Sidecar, read_sidecar, write_sidecar
from streamkit.recording.stimuli import read_stimuli, write_stimuli
from streamkit.recording.xdf_read import XdfStream, read_streams, read_xdf, recording_of
from streamkit.recording.xdf_scan import SALVAGE


def write_native(recording: Recording, path: Path, *, overwrite: bool = False) -> Path:
    """Write a recording as a native folder; it appears whole or not at all.

    Raises
    ------
    RecordingError
        When `path` exists (unless `overwrite`), or the recording holds what the folder cannot.
    """
    if path.exists() and not overwrite:
        raise RecordingError(
            f"{path} exists already. Choose another folder, or pass overwrite=True (--overwrite) to replace it."
        )
    if path.exists() and not replaceable(path):
        raise RecordingError(f"{path} is in the way and is not a recording, so it is not replaced. Choose another.")
    with new_folder(path) as folder:
        streams = write_streams(recording, folder / XDF)
        stimuli, arrays = write_stimuli(recording, folder)
        sidecar = Sidecar(meta=recording.meta, streams=tuple(streams), stimuli=stimuli, arrays=arrays)
        write_sidecar(sidecar, folder)
    return path


def replaceable(path: Path) -> bool:
    """Whether nothing but a recording, or an empty folder, would be lost by writing at `path`."""
    return path.is_dir() and (is_recording(path) or not any(path.iterdir()))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` that takes its place when all went well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    folder.mkdir()
    try:
        yield folder
        take_place(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take_place(folder: Path, path: Path) -> None:
    """Rename `folder` to `path`, moving what is there out of the way first."""
    if path.exists():
        old = folder.with_suffix(".replaced")
        path.rename(old)
        folder.rename(path)
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    else:
        folder.rename(path)


def read_native(folder: Path, *, salvage: bool = False) -> Recording:
    """Read a native folder.

    Raises
    ------
    RecordingError
        When a part of it is missing, cut short or not what recording.json says.
    """
    if not (folder / XDF).is_file():
        raise not_native(folder)
    if not (folder / JSON).is_file():
        return read_unfinished(folder)
    sidecar = read_sidecar(folder)
    streams, notes = read_streams(folder / XDF, salvage=salvage)
    if not salvage:
        check_counts(folder, streams, sidecar)
    files, arrays = read_stimuli(folder, sidecar.stimuli, sidecar.arrays)
    if sidecar.streams is None:
        plain = recording_of(folder / XDF, streams, notes)
        meta = with_notes(sidecar.meta, plain.meta.details.get("notes", []))
        return replace(plain, stimuli=files, stimulus_arrays=arrays, meta=meta)
    by_id = {stream.id: stream for stream in streams}
    parts = [restored(entry, by_id[entry.id]) for entry in sidecar.streams if entry.id in by_id]
    signals = tuple(part for part in parts if isinstance(part, Signal))
    markers = tuple(part for part in parts if isinstance(part, Markers))
    return Recording(signals, markers, files, arrays, with_notes(sidecar.meta, notes))


def not_native(folder: Path) -> RecordingError:
    """The error for a folder without streams; a folder of recordings names them."""
    inside = sorted(p.name for p in folder.iterdir())
    recordings = [name for name in inside if (folder / name / XDF).is_file()]
    if recordings:
        return RecordingError(
            f"{folder} is not a recording but holds {len(recordings)} of them: {', '.join(recordings[:8])}. "
            f"Give one, e.g. {folder / recordings[0]}."
        )
    return RecordingError(
        f"{folder} is not a recording: it has no {XDF} (found: {', '.join(inside[:8]) or 'nothing'}). "
        "Give a folder that record, simulate or convert wrote, or a single file."
    )


def check_counts(folder: Path, streams: list[XdfStream], sidecar: Sidecar) -> None:
    """Refuse a recording.xdf that does not hold what recording.json says."""
    found = {stream.id: len(stream.stamps) for stream in streams}
    expected = dict(sidecar.samples) | {entry.id: entry.n for entry in sidecar.streams or ()}
    for number, count in expected.items():
        if found.get(number) != count:
            raise RecordingError(
                f"{folder / XDF} holds {found.get(number, 'no')} samples of stream {number}, but {JSON} says {count}. "
                f"Copy the folder again, or {SALVAGE}."
            )


def read_unfinished(folder: Path) -> Recording:
    """What a killed recorder left behind."""
    recording = read_xdf(folder / XDF, salvage=True)
    note = f"the recorder did not finish: {JSON} is missing, and this is what was written until then"
    meta = with_notes(recording.meta.model_copy(update={"name": folder.name}), [note])
    return Recording(recording.signals, recording.markers, meta=meta)


def with_notes(meta: RecordingMeta, notes: list[str]) -> RecordingMeta:
    """`meta` with more notes."""
    if not notes:
        return meta
    details = {**meta.details, "notes": [*meta.details.get("notes", []), *notes]}
    return meta.model_copy(update={"details": details})
