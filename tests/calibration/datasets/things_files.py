"""Tiny files in the layouts in which the THINGS data sets are published, field by field.

THINGS-EEG2: github.com/gifale95/eeg_encoding, ``source_to_raw.py`` and ``preprocessing_utils.py`` (what is saved), and
the keys of ``image_metadata.npy`` on osf.io/3jk45. THINGS-MEG: github.com/ViCCo-Group/THINGS-data,
``MEG/step1_preprocessing.py`` (epochs and their metadata, ``sample_attributes_P<N>.csv``). TVSD: README and
``_code/norm_MUA.m`` of gin.g-node.org/paolo_papale/TVSD.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calibration.datasets.things_meg import CH_NAMES as MEG_NAMES

CONCEPTS = ("aardvark", "bat1", "coat_rack", "dog")
"""Concepts of training; two images of each."""
TESTED = ("acorn", "zebra")
EEG_NAMES = ["Fp1", "Cz", "P7", "Oz"]


def image_names(concepts: tuple[str, ...], letters: str) -> list[str]:
    """Two images of each concept, one with `letters` of length one."""
    return [f"{concept}_{k + 1:02d}{letter}.jpg" for concept in concepts for k, letter in enumerate(letters)]


def save_image(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6, 3), len(file.name), np.uint8)).save(file, "JPEG")


def eeg2_images(root: Path, *, drop: str = "") -> Path:
    """``image_set``: the metadata, and the images of all but one training concept."""
    folder = root / "image_set"
    folder.mkdir(parents=True)
    metadata: dict[str, list[str]] = {}
    for split, concepts, letters in (("train", CONCEPTS, "bs"), ("test", TESTED, "n")):
        files = image_names(concepts, letters)
        numbered = [f"{concepts.index(file.rpartition('_')[0]) + 1:05d}_{file.rpartition('_')[0]}" for file in files]
        metadata |= {
            f"{split}_img_files": files,
            f"{split}_img_concepts": numbered,
            f"{split}_img_concepts_THINGS": numbered,
        }
        for file, concept in zip(files, numbered, strict=True):
            if not file.startswith("dog"):
                save_image(folder / f"{'training' if split == 'train' else 'test'}_images" / concept / file)
    metadata.pop(drop, None)
    np.save(folder / "image_metadata.npy", metadata, allow_pickle=True)
    return folder / "image_metadata.npy"


def eeg2_array(n_images: int, n_repeats: int, n_times: int = 20, n_chans: int = 4) -> np.ndarray:
    """Responses whose every value says where it comes from: image.repeat, channel and time behind the point."""
    image, repeat, channel, time = np.ogrid[:n_images, :n_repeats, :n_chans, :n_times]
    return 100 * image + 10.0 * repeat + channel + time / 100


def eeg2_preprocessed(root: Path, subject: str = "01", *, bare: bool = False, **changed: Any) -> None:
    """``preprocessed_data/sub-<NN>``: 4 repeats of training images, 3 of test images; `bare`: a plain pickle."""
    folder = root / "preprocessed_data" / f"sub-{subject}"
    folder.mkdir(parents=True)
    for part, n_images, n_repeats in (("training", 8, 4), ("test", 2, 3)):
        fields: dict[str, Any] = {
            "preprocessed_eeg_data": eeg2_array(n_images, n_repeats),
            "ch_names": EEG_NAMES,
            "times": np.arange(20) / 20 - 0.2,
        }
        fields |= changed
        fields = {key: value for key, value in fields.items() if value is not None}
        file = folder / f"preprocessed_eeg_{part}.npy"
        if bare:
            file.write_bytes(pickle.dumps(fields, protocol=4))
        else:
            np.save(file, fields, allow_pickle=True)


def eeg2_raw(root: Path, subject: str = "01", session: str = "01", **changed: Any) -> dict[str, np.ndarray]:
    """``raw_data/sub-<NN>/ses-<NN>``: one second at 1 kHz, volts; returns the data by part."""
    folder = root / "raw_data" / f"sub-{subject}" / f"ses-{session}"
    folder.mkdir(parents=True)
    written = {}
    for part, codes in (("training", (8, 99999, 1, 1)), ("test", (2, 1, 2, 99999))):
        stim = np.zeros(1000)
        stim[[100, 300, 500, 700]] = codes
        volts = np.random.default_rng(int(session)).normal(0, 1e-5, (4, 1000))
        fields: dict[str, Any] = {
            "raw_eeg_data": np.concatenate([volts, stim[None]]),
            "ch_names": [*EEG_NAMES, "stim"],
            "ch_types": ["eeg"] * 4 + ["stim"],
            "sfreq": 1000,
            "highpass": 0.01,
            "lowpass": 100,
        }
        fields = {key: value for key, value in (fields | changed).items() if value is not None}
        np.save(folder / f"raw_eeg_{part}.npy", fields, allow_pickle=True)
        written[part] = volts
    return written


MEG_COLUMNS = (
    *("trial_type", "image_nr", "category_nr", "exemplar_nr", "test_image_nr"),
    *("things_category_nr", "things_image_nr", "things_exemplar_nr", "image_path"),
    *("image_on", "image_off", "onset", "responded", "RT", "session_nr", "run_nr"),
)


def meg_epochs(root: Path, subject: str = "1", *, rename: dict[str, str] | None = None) -> np.ndarray:
    """``preprocessed_P<N>-epo.fif``: 9 training, 4 test and 2 catch trials; returns the data, trials first."""
    import mne
    import pandas as pd

    paths = [f"images_meg/{name.rpartition('_')[0]}/{name}" for name in image_names(CONCEPTS, "bs")]
    paths.append("images_meg/acorn/acorn_05s.jpg")
    paths += [f"images_test_meg/{concept}_01n.jpg" for concept in TESTED * 2]
    paths += ["images_catch_meg/catch047.jpg", "images_catch_meg/catch048.jpg"]
    kinds = ["exp"] * 9 + ["test"] * 4 + ["catch"] * 2
    table = pd.DataFrame({name: np.nan for name in MEG_COLUMNS}, index=range(15))
    table["trial_type"], table["image_path"] = kinds, paths
    table["session_nr"] = np.arange(15) // 5 + 1
    order = np.random.default_rng(1).permutation(15)
    table = table.iloc[order].reset_index(drop=True).rename(columns=rename or {})
    names = [f"{name}-1609" for name in MEG_NAMES]
    data = np.random.default_rng(2).normal(0, 1, (15, 271, 29)).astype(np.float32).astype(np.float64)[order]
    events = np.column_stack([1000 * np.arange(1, 16), np.zeros(15, int), np.ones(15, int)])
    epochs = mne.EpochsArray(
        data, mne.create_info(names, 200.0, "mag"), events, tmin=-0.1, metadata=table, verbose="ERROR"
    )
    folder = root / "derivatives" / "preprocessed"
    folder.mkdir(parents=True, exist_ok=True)
    epochs.save(folder / f"preprocessed_P{subject}-epo.fif", verbose="ERROR")
    return data[np.argsort(order)]


def matlab_cells(file: Any, group: Any, name: str, texts: list[str]) -> None:
    """A cell array of texts as MATLAB 7.3 keeps it: references to arrays of UTF-16 units."""
    import h5py

    cells = group.create_dataset(name, (len(texts), 1), dtype=h5py.ref_dtype)
    for k, text in enumerate(texts):
        held = file.require_group("#refs#").create_dataset(
            f"{group.name[1:]}-{name}-{k}", data=np.array([[ord(letter)] for letter in text], np.uint16)
        )
        cells[k, 0] = held.ref


def tvsd_monkey(root: Path, monkey: str = "F", **renamed: str) -> dict[str, np.ndarray]:
    """``monkey<X>/``: 9 training images, one of a tested concept, 2 test images with 3 repeats; returns the fields."""
    import h5py
    from scipy.io import savemat

    folder = root / f"monkey{monkey}"
    (folder / "_logs").mkdir(parents=True)
    train = [(name.rpartition("_")[0], name) for name in [*image_names(CONCEPTS, "bs"), "acorn_05s.jpg"]]
    test = [(concept, f"{concept}_01n.jpg") for concept in TESTED]
    with h5py.File(folder / "_logs" / "things_imgs.mat", "w") as file:
        for split, shown in (("train", train), ("test", test)):
            group = file.create_group(renamed.get(f"{split}_imgs", f"{split}_imgs"))
            matlab_cells(file, group, "class", [concept for concept, _ in shown])
            matlab_cells(file, group, "things_path", [f"{concept}\\{name}" for concept, name in shown])
            matlab_cells(file, group, "local_path", [name for _, name in shown])
    rng = np.random.default_rng(4)
    mapping = rng.permutation(1024)
    savemat(folder / "_logs" / "1024chns_mapping_20220105.mat", {"mapping": mapping[None] + 1.0})
    reps = rng.normal(size=(3, 2, 1024))
    reps[2, 1] = np.nan
    fields = {
        "train_MUA": rng.normal(size=(9, 1024)),
        "test_MUA": np.nanmean(reps, axis=0),
        "test_MUA_reps": reps,
        "SNR": rng.normal(size=(2, 1024)),
        "SNR_max": np.linspace(1, 9, 1024)[:, None],
        "lats": rng.normal(size=(2, 1024)),
        "oracle": np.where(np.arange(1024) == 5, np.nan, 0.5)[:, None],
        "reliab": rng.normal(size=(3, 1024)),
        "tb": np.arange(-100, 200.0)[:, None],
    }
    trials = rng.permutation([*range(1, 10), *(-k for k in (1, 2, 1, 2))])
    allmat = np.zeros((6, 13))
    allmat[0] = np.arange(1, 14)
    allmat[1], allmat[2] = np.maximum(trials, 0), np.maximum(-trials, 0)
    allmat[5] = np.arange(13) // 7 + 1
    physical = rng.normal(size=(12, 13, 1024)).astype(np.float32)
    amplifier = np.empty_like(physical)
    amplifier[:, :, mapping] = physical
    course = {"ALLMUA": amplifier, "ALLMAT": allmat, "tb": np.arange(-4, 8.0)[:, None]}
    for name, content in (("THINGS_normMUA.mat", fields), ("THINGS_MUA_trials.mat", course)):
        with h5py.File(folder / name, "w") as file:
            for key, value in content.items():
                file[renamed.get(key, key)] = value
    return {**fields, "physical": physical, "trials": trials}
