"""Published datasets, simulated worlds and plain files as Recordings; one row each.

A split is always between Recordings: each carries in ``meta.group`` the unit that a split may not cut.
"""

from __future__ import annotations

from calibration.datasets import (
    bids,
    cowley_v4,
    eeglab_sample,
    file,
    muse,
    nwb,
    pynm_grip,
    ssvep_gdf,
    things_eeg2,
    things_meg,
    tvsd,
    uci_pictures,
    world,
)
from calibration.datasets.dataset import Dataset


def _muse(paradigm: str, summary: str) -> Dataset:
    return Dataset(
        f"muse_{paradigm.lower()}",
        summary,
        muse.SOURCE,
        muse.LICENCE,
        muse.folder(paradigm),
        muse.MuseOptions,
        muse.reader(paradigm),
    )


_ROWS = (
    _muse("P300", "visual oddball, Muse headband, 256 Hz; markers 1 non-target, 2 target"),
    _muse("N170", "houses and faces, Muse headband, 256 Hz; markers 1 house, 2 face"),
    _muse("SSVEP", "flicker, Muse headband, 256 Hz; markers 1 = 30 Hz, 2 = 20 Hz"),
    Dataset(
        "uci_pictures",
        "first, matching and non-matching pictures, 64-channel EEG, 256 Hz, trials of 1 s",
        uci_pictures.SOURCE,
        uci_pictures.LICENCE,
        uci_pictures.FOLDER,
        uci_pictures.UciOptions,
        uci_pictures.read,
    ),
    Dataset(
        "ssvep_gdf",
        "flicker at 13, 17, 21 Hz and rest, 8-channel EEG, 256 Hz",
        ssvep_gdf.SOURCE,
        ssvep_gdf.LICENCE,
        ssvep_gdf.FOLDER,
        ssvep_gdf.SsvepOptions,
        ssvep_gdf.read,
    ),
    Dataset(
        "cowley_v4",
        "macaque V4 spike counts, one per natural image, nominally 4 Hz, with the images",
        cowley_v4.SOURCE,
        cowley_v4.LICENCE,
        cowley_v4.FOLDER,
        cowley_v4.V4Options,
        cowley_v4.read,
    ),
    Dataset(
        "eeglab_sample",
        "squares at two places, and reactions; 32-channel EEG, 128 Hz, 238 s",
        eeglab_sample.SOURCE,
        eeglab_sample.LICENCE,
        eeglab_sample.FOLDER,
        eeglab_sample.EeglabOptions,
        eeglab_sample.read,
    ),
    Dataset(
        "things_eeg2",
        "10 people, 16,740 THINGS images, 63-channel EEG: trials as preprocessed, or raw sessions at 1 kHz",
        things_eeg2.SOURCE,
        things_eeg2.LICENCE,
        things_eeg2.FOLDER,
        things_eeg2.Eeg2Options,
        things_eeg2.read,
    ),
    Dataset(
        "things_meg",
        "4 people, 22,448 THINGS images, 271-channel MEG, 200 Hz, trials of 1.4 s",
        things_meg.SOURCE,
        things_meg.LICENCE,
        things_meg.FOLDER,
        things_meg.MegOptions,
        things_meg.read,
    ),
    Dataset(
        "tvsd",
        "2 macaques, 22,348 THINGS images, multi-unit activity of 1,024 electrodes in V1, V4 and IT",
        tvsd.SOURCE,
        tvsd.LICENCE,
        tvsd.FOLDER,
        tvsd.TvsdOptions,
        tvsd.read,
    ),
    Dataset(
        "pynm_grip",
        "grip force with ECoG and subthalamic LFP, 9 channels, 1 kHz, 19 s",
        pynm_grip.SOURCE,
        pynm_grip.LICENCE,
        pynm_grip.FOLDER,
        pynm_grip.GripOptions,
        pynm_grip.read,
    ),
    Dataset(
        "bids",
        "the runs of any BIDS dataset of EEG, iEEG, MEG or EMG, with events and stimuli",
        bids.SOURCE,
        bids.LICENCE,
        bids.FOLDER,
        bids.BidsOptions,
        bids.read,
    ),
    Dataset(
        "nwb",
        "NWB files: time series, spike counts, trials, presented images",
        nwb.SOURCE,
        nwb.LICENCE,
        nwb.FOLDER,
        nwb.NwbOptions,
        nwb.read,
    ),
    Dataset(
        "world",
        "simulated visual cortex watching photographs, from a stated forward model",
        world.SOURCE,
        world.LICENCE,
        world.FOLDER,
        world.WorldOptions,
        world.read,
    ),
    Dataset(
        "file",
        "any file or folder of files that streamkit reads: native, XDF, NWB, FIF, EDF, BDF, GDF, …",
        file.SOURCE,
        "as the file says",
        file.FOLDER,
        file.FileOptions,
        file.read,
    ),
)

DATASETS: dict[str, Dataset] = {row.name: row for row in _ROWS}

__all__ = ["DATASETS", "Dataset"]
