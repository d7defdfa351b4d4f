"""Reading Neurodata Without Borders files (NWB 2) through pynwb.

Rübel and others (2022), eLife 11:e78362; https://nwb-schema.readthedocs.io. Files are laid out in folders as the DANDI
archive has them: ``sub-x/sub-x_ses-y_….nwb``, with ``dandiset.yaml`` above.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamkit.errors import ConfigError, RecordingError, require
from streamkit.recording.mne_formats import one_line, plain_name
from streamkit.recording.model import Recording, RecordingMeta
from streamkit.recording.nwb_events import tables
from streamkit.recording.nwb_series import Part, check_size, found_series
from streamkit.recording.nwb_stimuli import Library, presentations
from streamkit.recording.nwb_units import SPIKE_BIN, unit_counts

DANDISET = "dandiset.yaml"
LEVELS = ("*.nwb", "*/*.nwb", "*/*/*.nwb")


def read_nwb(
    path: Path,
    *,
    spike_bin: float = SPIKE_BIN,
    streams: Collection[str] | None = None,
    start: float | None = None,
    stop: float | None = None,
) -> Recording:
    """Read an NWB file.

    Every time series of one or two dimensions becomes a signal; an ``ElectricalSeries`` in microvolts, named by its
    electrodes. Spike times of ``Units`` become counts, see `unit_counts`. Tables of trials, intervals and events become
    markers, see `tables`; presented images become markers and stimuli, see `presentations`. Stamps are seconds on the
    clock of the file. Only what is asked for is read from disk; images are read when they are looked at.

    Parameters
    ----------
    path
        The file.
    spike_bin
        Width of the bins of spike counts, seconds.
    streams
        Names of the signals to read; all when None.
    start, stop
        Read samples, spikes and markers from `start` up to, not including, `stop`; seconds on the clock of the file.

    Raises
    ------
    RecordingError
        When the file is damaged, no NWB, holds stamps that are not finite, or more than memory does.
    ConfigError
        When there is no signal of a name in `streams`, or a value cannot be.
    MissingPackage
        When pynwb is not installed.
    """
    if not spike_bin > 0:
        raise ConfigError(f"the width of spike bins is {spike_bin}, expected seconds above 0")
    part = Part(start, stop)
    with opened(path) as file, one_error(path):
        series, notes = found_series(file, part)
        series = sorted(series + unit_counts(file, spike_bin, part, notes), key=lambda one: one.rank)
        chosen = [one for one in series if streams is None or one.name in streams]
        check_names(path, streams, [one.name for one in series])
        check_size(path, chosen)
        library = Library.of(file, path)
        markers = (*presentations(file, library, part), *tables(file, library, part, notes))
        stimuli, arrays = library.named({label for stream in markers for label in stream.labels})
        signals = tuple(one.read() for one in chosen)
        meta = meta_of(file, path, notes + library.said())
    signals = tuple(signal for signal in signals if len(signal.stamps))
    if not signals and not markers:
        raise RecordingError(
            f"{path} holds nothing to replay: no time series, spikes, trials or events"
            f"{' between start and stop' if part.bounded else ''}."
        )
    return Recording(signals, markers, stimuli, arrays, meta)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as pynwb gives it; its data sets stay on disk until they are sliced."""
    pynwb = require("pynwb", "nwb", "reading NWB files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            io = pynwb.NWBHDF5IO(str(path), "r")
        except Exception as error:
            raise unreadable(path, error) from error
        with io:
            try:
                file = io.read()
            except Exception as error:
                raise unreadable(path, error) from error
            yield file


@contextmanager
def one_error(path: Path) -> Iterator[None]:
    """Turn what goes wrong while data are read into one error."""
    try:
        yield
    except (RecordingError, ConfigError):
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> RecordingError:
    """The error for a file that pynwb or HDF5 refuses."""
    why = one_line(error)
    if "truncated" in why:
        return RecordingError(f"{path} is cut short ({why}). Copy or download it again.")
    return RecordingError(
        f"{path} cannot be read as NWB ({why}): it is damaged, of another kind, or NWB 1. Check it with: "
        f"nwbinspector {path}"
    )


def check_names(path: Path, wanted: Collection[str] | None, found: Collection[str]) -> None:
    """Refuse a choice of signals that are not there."""
    absent = [name for name in wanted or () if name not in found]
    if absent:
        raise ConfigError(f"{path} has no signal {absent[0]!r}; it has {', '.join(found) or 'none'}.")


def meta_of(file: Any, path: Path, notes: list[str]) -> RecordingMeta:
    """Provenance."""
    person = file.subject
    facts = {key: getattr(person, key, None) for key in ("species", "sex", "age", "strain")} if person else {}
    details: dict[str, Any] = {"format": "nwb", "session_start": str(file.session_start_time)}
    details |= {"subject": {k: str(v) for k, v in facts.items() if v}} if any(facts.values()) else {}
    source, licence = dandiset(path)
    return RecordingMeta(
        name=plain_name(path),
        group=plain_name(path),
        subject=str((person.subject_id if person else "") or ""),
        session=str(file.session_id or file.identifier or ""),
        source=source or path.name,
        licence=licence,
        details=details | ({"notes": notes} if notes else {}),
    )


def dandiset(path: Path) -> tuple[str, str]:
    """Identifier and licence of the dandiset that a file is in; empty where it is in none."""
    for folder in list(path.absolute().parents)[:3]:
        if not (folder / DANDISET).is_file():
            continue
        yaml = require("ruamel.yaml", "nwb", f"reading {DANDISET}")
        try:
            said = yaml.YAML(typ="safe").load((folder / DANDISET).read_text(encoding="utf-8")) or {}
            licences = said.get("license") or []
            licence = ", ".join(map(str, [licences] if isinstance(licences, str) else licences))
            return str(said.get("doi") or said.get("identifier") or ""), licence.replace("spdx:", "")
        except Exception as error:
            raise RecordingError(f"{folder / DANDISET} cannot be read ({one_line(error)}).") from error
    return "", ""


def files_below(folder: Path) -> list[Path]:
    """The NWB files in a folder and up to two levels below, by name."""
    return sorted(path for level in LEVELS for path in folder.glob(level) if path.is_file())


def choose_file(folder: Path) -> Path:
    """The file of a folder that holds one.

    Raises
    ------
    RecordingError
        When there are several; names them.
    """
    files = files_below(folder)
    if len(files) == 1:
        return files[0]
    listed = ", ".join(str(file.relative_to(folder)) for file in files[:8]) + (", …" if len(files) > 8 else "")
    raise RecordingError(
        f"{folder} holds {len(files)} NWB files: {listed}. Give one, e.g. {files[0]}, or make recordings of all: "
        f"streamkit convert nwb {folder} OUT"
    )
