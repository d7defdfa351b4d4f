"""Grip force with ECoG and subthalamic LFP in a person with Parkinson's disease (py_neuromodulation's example).

Published (github.com/neuromodulation/py_neuromodulation, ``py_neuromodulation/data``) as BIDS: BrainVision
``sub-*/ses-*/ieeg/*_ieeg.vhdr`` with 3 LFP, 6 ECoG channels and ``MOV_RIGHT``, the grip force; 1 kHz, 19 s.

What becomes a stream: ECoG and LFP as one signal ``ECoG``; the force as a second signal ``force`` with the
same stamps; no gaps, no events. The header multiplies every value by a million too much (it reads as tens of volts):
the numbers MNE takes for volts are the microvolts the channel table names, and are kept as such. Force is in the
arbitrary unit of the sensor. Contiguous blocks of the file are the Recordings (groups ``block-0`` …).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from calibration.datasets.blocks import contiguous_blocks
from calibration.datasets.dataset import Options, missing, wrong_layout
from streamkit.errors import RecordingError, require
from streamkit.recording import Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://github.com/neuromodulation/py_neuromodulation (folder py_neuromodulation/data)"
LICENCE = "MIT"
FOLDER = "the folder that holds sub-testsub/ses-EphysMedOff/ieeg/*_task-gripforce_*_ieeg.vhdr, or that file"
FORCE = "MOV_RIGHT"


class GripOptions(Options):
    """How to cut the file.

    Parameters
    ----------
    blocks
        Number of contiguous blocks, each its own group.
    """

    blocks: int = Field(default=5, ge=1)


def read(path: Path, options: GripOptions) -> Iterator[Recording]:
    """Contiguous blocks of the grip-force recording at or below `path`."""
    files = [path] if path.suffix == ".vhdr" and path.is_file() else sorted(path.rglob("*gripforce*_ieeg.vhdr"))
    if not files:
        raise missing(path, "a BrainVision header *_task-gripforce_*_ieeg.vhdr", SOURCE, FOLDER)
    for file in files:
        yield from contiguous_blocks(read_file(file), options.blocks)


def read_file(file: Path) -> Recording:
    """The whole file as one Recording of two signals."""
    mne = require("mne", "io", "reading BrainVision")
    try:
        raw = mne.io.read_raw_brainvision(file, preload=True, verbose="error")
    except Exception as error:
        raise RecordingError(
            f"{file}: MNE cannot read it as BrainVision ({error}). The .vhdr, .vmrk and .eeg files belong together; "
            f"get all three from {SOURCE}."
        ) from error
    brain = tuple(name for name in raw.ch_names if name.startswith(("ECOG", "LFP")))
    if FORCE not in raw.ch_names or not brain:
        raise wrong_layout(file, f"channels LFP_*, ECOG_* and {FORCE}", ", ".join(raw.ch_names), SOURCE)
    sfreq = float(raw.info["sfreq"])
    stamps = np.arange(raw.n_times) / sfreq
    specs = (
        StreamSpec(name="ECoG", type="ECoG", ch_names=brain, sfreq=sfreq, unit="microvolts"),
        StreamSpec(name="force", type="Force", ch_names=(FORCE,), sfreq=sfreq, unit="arbitrary"),
    )
    signals = tuple(
        Signal(spec, np.ascontiguousarray(raw.get_data(list(spec.ch_names)).T, np.float32), stamps) for spec in specs
    )
    meta = RecordingMeta(name="pynm-grip", subject="testsub", session="EphysMedOff", source=SOURCE, licence=LICENCE)
    return Recording(signals, meta=meta)
