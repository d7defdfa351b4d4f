"""One way in and one way out: `read_recording` and `write_recording`."""

from __future__ import annotations

from pathlib import Path

from streamkit.errors import RecordingError
from streamkit.marks import XDF
from streamkit.recording.bids import read_bids
from streamkit.recording.bids_layout import DESCRIPTION, choose_run, is_run, root_of, runs_below
from streamkit.recording.mne_formats import READERS, read_mne
from streamkit.recording.model import Recording
from streamkit.recording.native import read_native, write_native
from streamkit.recording.nwb import choose_file, files_below, read_nwb
from streamkit.recording.xdf_read import read_xdf

XDF_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz")
COMPANIONS = {".eeg": ".vhdr", ".vmrk": ".vhdr", ".fdt": ".set"}


def read_recording(path: Path | str, *, salvage: bool = False) -> Recording:
    """Read a recording of any known kind.

    Parameters
    ----------
    path
        A native folder, an XDF file (``.xdf``, ``.xdfz``, ``.xdf.gz``), an NWB file (``.nwb``), or a file that MNE
        reads: FIF, EDF, BDF, GDF, BrainVision (``.vhdr``), EEGLAB (``.set``). The data file of a run in a BIDS dataset
        is read with the tables of the dataset. A folder of a BIDS dataset, or of NWB files, will do when it holds one
        recording; the error for several names them.
    salvage
        Read what is whole of an XDF file that is cut short or damaged; ``meta.details["notes"]`` says what was not.

    Raises
    ------
    RecordingError
        When there is nothing at `path`, its kind is unknown, it is cut short or a part of it is missing.
    MissingPackage
        When a package that reads this kind is not installed.
    """
    path = Path(path)
    if is_run(path) and path.exists():
        return read_bids(path)
    if path.is_dir():
        return read_folder(path, salvage)
    if not path.exists():
        raise absent(path)
    name = path.name.lower()
    if name.endswith(".nwb"):
        return read_nwb(path)
    if name.endswith(XDF_SUFFIXES):
        return read_xdf(path, salvage=salvage)
    for suffix, reader in READERS.items():
        if name.endswith(suffix):
            return read_mne(path, reader)
    raise unknown(path)


def read_folder(path: Path, salvage: bool) -> Recording:
    """Read a native folder, or the one recording of a BIDS or NWB folder."""
    if not (path / XDF).is_file():
        runs = runs_below(path)
        if runs and root_of(path) is None:
            raise RecordingError(
                f"{path} is laid out like a BIDS dataset, but neither it nor a folder above has {DESCRIPTION}. Add "
                f"that file, or give the file of one run to read it without its tables, e.g. {runs[0]}."
            )
        if runs or ((path / DESCRIPTION).is_file() and not any(path.glob(f"*/{XDF}"))):
            return read_bids(choose_run(path))
        if files_below(path):
            return read_nwb(choose_file(path))
    return read_native(path, salvage=salvage)


def absent(path: Path) -> RecordingError:
    """The error for a path where nothing is, or where a DataLad dataset has only the name of a file."""
    if path.is_symlink():
        return RecordingError(
            f"{path} is a link to a file that is not here. If the dataset came with DataLad or git-annex, fetch it: "
            f"datalad get {path}"
        )
    return RecordingError(f"there is no recording at {path}. Check the path.")


def unknown(path: Path) -> RecordingError:
    """The error for a file whose kind is not known."""
    companion = COMPANIONS.get(path.suffix.lower())
    if companion is not None:
        return RecordingError(f"{path} is one part of a recording. Give the {companion} file beside it.")
    if path.suffix in (".tsv", ".json") and root_of(path.parent) is not None:
        return RecordingError(f"{path} is a table of a BIDS dataset. Give the data file of a run, or its folder.")
    known = ", ".join([*XDF_SUFFIXES, ".nwb", *READERS])
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
