"""Small datasets in published layouts, written by mne-bids and pynwb themselves. All data are simulated."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mne
import mne_bids
import numpy as np
import pynwb
from PIL import Image
from pynwb.base import ImageReferences, Images
from pynwb.ecephys import LFP, ElectricalSeries
from pynwb.event import EventsTable
from pynwb.image import GrayscaleImage, ImageSeries, IndexSeries, RGBImage

SFREQ = 250.0
ONSETS = (0.5, 1.0, 1.502, 2.0)
KINDS = ("face", "house", "face", "house")
RNG = np.random.default_rng(7)
VOLTS = RNG.normal(0, 2e-5, (5, 1000))
PIXELS = {name: RNG.integers(0, 256, (6, 8), dtype=np.uint8) for name in ("a.png", "b.png", "c.png")}


def raw_eeg(kinds: tuple[str, ...] = ("eeg", "eeg", "eeg", "eog", "misc")) -> mne.io.RawArray:
    """Five channels at 250 Hz with four events; the second is bad."""
    info = mne.create_info([f"{kind.upper()}{k}" for k, kind in enumerate(kinds)], SFREQ, list(kinds))
    info["line_freq"] = 50
    info["bads"] = [info["ch_names"][1]]
    raw = mne.io.RawArray(VOLTS[: len(kinds)] * (1e-7 if "mag" in kinds else 1), info, verbose="ERROR")
    return raw.set_annotations(mne.Annotations(ONSETS, [0.2] * 4, KINDS))


def write_run(root: Path, raw: Any = None, *, datatype: str = "eeg", fmt: str = "BrainVision", **entities: str) -> Path:
    """Write one run with mne-bids; returns its data file."""
    place = mne_bids.BIDSPath(root=root, datatype=datatype, **{"subject": "01", "task": "see", **entities})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = mne_bids.write_raw_bids(
            raw or raw_eeg(), place, format=fmt, allow_preload=True, overwrite=True, verbose="ERROR"
        )
    path: Path = written.fpath
    return path


def describe(root: Path) -> None:
    """Name and licence of the dataset."""
    mne_bids.make_dataset_description(
        path=root, name="Seeing", data_license="CC0", doi="doi:10.1/x", overwrite=True, verbose="ERROR"
    )


def beside(run: Path, suffix: str) -> Path:
    """A file of the same run: ``beside(run, "events.tsv")``."""
    return run.with_name(f"{run.name.split('.')[0].rpartition('_')[0]}_{suffix}")


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Change the text of a file."""
    path.write_text(change(path.read_text(encoding="utf-8-sig")), encoding="utf-8")


def add_stimuli(root: Path, run: Path, names: tuple[str, ...] = ("a.png", "b.png", "c.png", "n/a")) -> None:
    """A column ``stim_file`` in the events of a run, and the images in ``stimuli/``."""
    lines = beside(run, "events.tsv").read_text(encoding="utf-8-sig").splitlines()
    table = [f"{line}\t{name}" for line, name in zip(lines, ("stim_file", *names), strict=True)]
    beside(run, "events.tsv").write_text("\n".join(table) + "\n")
    (root / "stimuli").mkdir(exist_ok=True)
    for name in PIXELS:
        Image.fromarray(PIXELS[name]).save(root / "stimuli" / name)


START = datetime(2026, 1, 2, tzinfo=UTC)


def new_nwb() -> pynwb.NWBFile:
    """An NWB file with a subject and four electrodes."""
    person = pynwb.file.Subject(subject_id="m1", species="Mus musculus", age="P90D")
    file = pynwb.NWBFile("simulated", "id-1", START, session_id="day-1", subject=person)
    shank = file.create_electrode_group("shank", "one", "V1", file.create_device("probe"))
    file.add_electrode_column("label", "name of the contact")
    for k in range(4):
        file.add_electrode(group=shank, location="V1", label=f"A{k}")
    return file


COUNTS = RNG.integers(-2000, 2000, (1000, 3)).astype(np.int16)
JITTERED = 5.0 + np.arange(500) / 100 + RNG.normal(0, 1e-4, 500)
IRREGULAR = 5.0 + np.cumsum(RNG.exponential(0.1, 40))
SPIKES = ((5.001, 5.0101, 5.0199, 5.29), (5.0,), ())
STACK = RNG.integers(0, 256, (3, 6, 8), dtype=np.uint8)
GREY, COLOUR = RNG.integers(0, 256, (6, 8), dtype=np.uint8), RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def voltages(file: pynwb.NWBFile, name: str = "raw", **changes: Any) -> ElectricalSeries:
    """Int16 with a conversion, an offset and a gain per channel; electrodes out of order."""
    facts: dict[str, Any] = {"rate": SFREQ, "starting_time": 5.0, "conversion": 2e-7, "offset": 1e-5}
    facts |= {"channel_conversion": [1.0, 2.0, 0.5], "data": COUNTS}
    facts |= {"electrodes": file.create_electrode_table_region([2, 0, 3], "some")}
    return ElectricalSeries(name=name, **facts | changes)


def fill(file: pynwb.NWBFile) -> None:
    """Voltages, LFP, irregular and plain series, spikes, trials and an index into pictures."""
    file.add_acquisition(voltages(file))
    lfp = voltages(file, "lfp", data=COUNTS[:500], timestamps=JITTERED, rate=None, starting_time=None)
    file.create_processing_module("ecephys", "fields").add(LFP(electrical_series=lfp))
    file.add_acquisition(pynwb.TimeSeries(name="lick", data=np.arange(40.0), unit="N", timestamps=IRREGULAR))
    wheel = np.arange(300, dtype=np.int32)
    file.add_acquisition(pynwb.TimeSeries(name="wheel", data=wheel, unit="n/a", rate=100.0, starting_time=5.0))
    for times in SPIKES:
        file.add_unit(spike_times=list(times), obs_intervals=[[5.0, 5.3]])
    file.add_trial_column("condition", "what was shown")
    file.add_trial_column("score", "a number")
    for start, condition, score in ((6.0, "go", 1.0), (5.5, "stop", np.nan), (7.0, "go", 3.0)):
        file.add_trial(start_time=start, stop_time=start + 0.25, condition=condition, score=score)
    show_pictures(file)


def show_pictures(file: pynwb.NWBFile) -> None:
    """Two pictures by name, a stack of frames by number, both presented through index series."""
    pictures = [GrayscaleImage(name="cat", data=GREY), RGBImage(name="dog", data=COLOUR)]
    order = ImageReferences(name="order_of_images", data=pictures)
    shelf = Images(name="pictures", images=pictures, order_of_images=order)
    file.add_stimulus_template(shelf)
    file.add_stimulus_template(ImageSeries(name="scenes", data=STACK, unit="n.a.", rate=1.0))
    index = {"data": np.array([1, 0, 1], np.uint32), "timestamps": [5.2, 5.7, 6.2]}
    file.add_stimulus(IndexSeries(name="shown", unit="N/A", indexed_images=shelf, **index))
    scenes = pynwb.epoch.TimeIntervals(name="scenes_presentations", description="frames of the stack")
    scenes.add_column("stimulus_name", "which stack")
    scenes.add_column("frame", "which frame")
    for k, frame in enumerate((2.0, -1.0, 0.0)):
        scenes.add_interval(start_time=8.0 + k, stop_time=8.5 + k, stimulus_name="scenes", frame=frame)
    file.add_time_intervals(scenes)


def add_licks(file: pynwb.NWBFile) -> None:
    """A table of events."""
    table = EventsTable(name="licks", description="contacts of the tongue")
    table.add_column(name="annotation", description="which spout")
    for stamp, spout in ((5.9, "left"), (5.4, "right")):
        table.add_row(timestamp=stamp, annotation=spout)
    file.add_events_table(table)


def write_nwb(path: Path, *adds: Callable[[pynwb.NWBFile], object]) -> Path:
    """Write a file with what the functions add to it; what pynwb says meanwhile is not looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = new_nwb()
        for add in adds:
            add(file)
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)
    return path
