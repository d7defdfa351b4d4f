"""One way in and one way out: `read_recording` and `write_recording`."""

from __future__ import annotations

from pathlib import Path

from streamkit.errors import RecordingError
from streamkit.recording.mne_formats import READERS, read_mne
from streamkit.recording.model import Recording
from streamkit.recording.native import read_native, write_native
from streamkit.recording.xdf_read import read_xdf

XDF_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz")
COMPANIONS = {".eeg": ".vhdr", ".vmrk": ".vhdr", ".fdt": ".set"}


def read_recording(path: Path | str, *, salvage: bool = False) -> Recording:
    """Read a recording of any known kind.

    Parameters
    ----------
    path
        A native folder, an XDF file (``.xdf``, ``.xdfz``, ``.xdf.gz``), or a file that MNE reads: FIF, EDF, BDF,
        GDF, BrainVision (``.vhdr``), EEGLAB (``.set``).
    salvage
        Read what is whole of an XDF file that is cut short or damaged; ``meta.details["notes"]`` says what was not.

    Raises
    ------
    RecordingError
        When there is nothing at `path`, its kind is unknown, it is cut short or a part of it is missing.
    MissingPackage
        When MNE is needed and not installed.
    """
    path = Path(path)
    if path.is_dir():
        return read_native(path, salvage=salvage)
    if not path.exists():
        raise RecordingError(f"there is no recording at {path}. Check the path.")
    name = path.name.lower()
    if name.endswith(XDF_SUFFIXES):
        return read_xdf(path, salvage=salvage)
    for suffix, reader in READERS.items():
        if name.endswith(suffix):
            return read_mne(path, reader)
    raise unknown(path)


def unknown(path: Path) -> RecordingError:
    """The error for a file whose kind is not known."""
    companion = COMPANIONS.get(path.suffix.lower())
    if companion is not None:
        return RecordingError(f"{path} is one part of a recording. Give the {companion} file beside it.")
    known = ", ".join([*XDF_SUFFIXES, *READERS])
    return RecordingError(
        f"{path}: the type {path.suffix or 'without a suffix'} is unknown. Known are folders written by streamkit, "
        f"and {known}; convert anything else to one of these."
    )


def write_recording(recording: Recording, path: Path | str, overwrite: bool = False) -> Path:
    """Write a recording as a native folder that `read_recording` gives back exactly.

    Samples and stamps come back bit for bit, with labels, columns and stimuli. The folder appears whole or not at all.

    Parameters
    ----------
    recording
        What to write.
    path
        The folder to make; its parents are made as needed.
    overwrite
        Replace what is there.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    RecordingError
        When `path` exists (unless `overwrite`), a stimulus file is missing, or a stream cannot be written.
    """
    return write_native(recording, Path(path), overwrite=overwrite)
