"""EEGLAB's tutorial recording: squares at one of two places, and reactions (Makeig et al. 1999, J. Neurosci. 19:2665).

Published (github.com/sccn/eeglab, ``sample_data``) as ``eeglab_data.set`` and ``eeglab_data.fdt``: one person, 32
channels, 128 Hz, 238 s, average reference; a table ``event`` with ``type`` (``square``, ``rt``), ``position`` (1 or 2
of five squares in a row, for a ``square``) and ``latency`` (sample, from 1).

What becomes a stream: the channels as published, ``EOG1`` and ``EOG2`` among them, in microvolts. Events are labelled
``square/1``, ``square/2`` and ``rt``. The publisher joined epochs of three seconds; the joints are not marked, so there
are no gaps. The recording is cut into contiguous blocks, groups ``block-0`` ….
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from calibration.datasets.blocks import contiguous_blocks
from calibration.datasets.dataset import Options, missing, wrong_layout
from streamkit.errors import RecordingError
from streamkit.recording import Markers, Recording, RecordingMeta, read_recording
from streamkit.types import StreamSpec

SOURCE = "https://github.com/sccn/eeglab (folder sample_data)"
LICENCE = "BSD-2-Clause"
FOLDER = "the folder that holds eeglab_data.set and eeglab_data.fdt"
FILE = "eeglab_data.set"
FIELDS = ("type", "position", "latency")


class EeglabOptions(Options):
    """How the recording is cut.

    Parameters
    ----------
    blocks
        Number of contiguous blocks, each its own group.
    """

    blocks: int = Field(default=5, ge=1)


def read(path: Path, options: EeglabOptions) -> Iterator[Recording]:
    """Blocks of the recording."""
    files = [path] if path.is_file() else sorted(path.rglob(FILE))
    if not files:
        raise missing(path, FILE, SOURCE, FOLDER)
    events = events_of(files[0])
    recording = read_recording(files[0])
    meta = RecordingMeta(name="eeglab-sample", source=SOURCE, licence=LICENCE)
    markers = markers_of(events, recording.signal().spec.sfreq)
    yield from contiguous_blocks(replace(recording, markers=(markers,), meta=meta), options.blocks)


def events_of(file: Path) -> list[tuple[float, str, int]]:
    """Sample, type and position (0 where it has none) of every event, in order of time."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content: dict[str, Any] = loadmat(file, squeeze_me=True, struct_as_record=False)
    except (MatReadError, ValueError, NotImplementedError, TypeError, OSError) as error:
        raise RecordingError(f"{file}: not a whole MATLAB file ({error}). Get it from {SOURCE}.") from error
    table = np.atleast_1d(getattr(content.get("EEG"), "event", content.get("event", [])))
    found = tuple(getattr(table[0], "_fieldnames", ())) if len(table) else ()
    if not set(FIELDS) <= set(found):
        raise wrong_layout(file, f"events with {', '.join(FIELDS)}", ", ".join(found) or "none", SOURCE)
    places = [int(event.position) if np.size(event.position) else 0 for event in table]
    return sorted((float(e.latency), str(e.type), place) for e, place in zip(table, places, strict=True))


def markers_of(events: list[tuple[float, str, int]], sfreq: float) -> Markers:
    """The events as markers, labelled ``type/position`` where there is a position."""
    spec = StreamSpec(name="events", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    labels = tuple(f"{kind}/{place}" if place else kind for _, kind, place in events)
    stamps = np.array([(latency - 1) / sfreq for latency, _, _ in events])
    return Markers(spec, labels, stamps, {"position": [place for _, _, place in events]})
