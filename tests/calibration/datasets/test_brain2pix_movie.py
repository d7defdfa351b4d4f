"""The layout of Brain2Pix's recordings, in files of a few voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from calibration.brain2pix.recorded import material_of
from calibration.datasets import DATASETS
from calibration.datasets.movie_recording import centres_in
from calibration.recipe import load_recipe
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import PreprocessConfig

N, VOLUMES, FRAMES = 24, 20, 14
HALVES = {"V1d": [0, 1, 2], "V1v": [5, 6], "V2d": [8, 9], "V2v": [11], "V3d": [13], "V3v": [20, 21]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    masks, tables = {}, {"col": {}, "row": {}}
    for name, voxels in HALVES.items():
        mask = np.zeros((1, N))
        mask[0, voxels] = 1
        masks[name] = mask
        for axis in tables:
            tables[axis][name] = rng.uniform(-0.45, 0.45, (1, len(voxels)))
    tables["col"]["V2v"][0, 0] = np.nan
    savemat(tmp_path / "roimask.mat", masks)
    for axis, table in tables.items():
        savemat(tmp_path / f"{axis}_centers_112px.mat", table)
    for split, folder, pattern, runs in (
        ("train", "training_npy", "train_video_run{:03d}.npy", 3),
        ("test", "testing_npy", "test_video_run{:d}.npy", 1),
    ):
        (tmp_path / f"{split}_brain_signals").mkdir()
        (tmp_path / folder).mkdir()
        for run in range(1, runs + 1):
            signals = rng.standard_normal((VOLUMES, N)) + 100 * run
            np.save(tmp_path / f"{split}_brain_signals" / f"{split}_brain_signals_run{run}.npy", signals)
            np.save(tmp_path / folder / pattern.format(run), rng.integers(0, 256, (FRAMES, 96, 96, 3), np.uint8))
    return tmp_path


def test_every_run_is_a_recording_with_its_voxels_in_order_of_region(folder: Path) -> None:
    recordings = list(DATASETS["brain2pix"].read(folder))
    assert [each.meta.group for each in recordings] == ["train-001", "train-002", "train-003", "test-1"]
    signal = recordings[1].signal()
    names = [name.rpartition("-")[0] for name in signal.spec.ch_names]
    assert names == ["V1"] * 5 + ["V2"] * 3 + ["V3"] * 3
    published = np.load(folder / "train_brain_signals" / "train_brain_signals_run2.npy")
    order = [voxel for voxels in HALVES.values() for voxel in voxels]
    np.testing.assert_allclose(signal.data, published[:, order], rtol=1e-6)
    assert signal.spec.sfreq == pytest.approx(1 / 0.7)


def test_columns_are_x_rows_are_y_and_what_is_not_known_stays_unknown(folder: Path) -> None:
    recording = next(iter(DATASETS["brain2pix"].read(folder)))
    from scipy.io import loadmat

    col, row = (loadmat(folder / f"{axis}_centers_112px.mat") for axis in ("col", "row"))
    centres = centres_in(recording, recording.signal().spec.ch_names)
    np.testing.assert_allclose(centres[:3, 0], col["V1d"][0], atol=1e-5)
    np.testing.assert_allclose(centres[:3, 1], row["V1d"][0], atol=1e-5)
    assert np.isnan(centres[7, 0])


def test_the_published_recipe_reads_volumes_four_to_eight_after_each_frame(folder: Path) -> None:
    recipe = load_recipe("brain2pix", ["split.validation=['train-003']"]).model_copy(
        update={"preprocess": PreprocessConfig()}
    )
    material = material_of(recipe, list(DATASETS["brain2pix"].read(folder)))
    assert not material.simulated
    assert material.train.regions == ("V1", "V2", "V3")
    published = np.load(folder / "test_brain_signals" / "test_brain_signals_run1.npy")
    film = np.load(folder / "testing_npy" / "test_video_run1.npy")
    # of frames 1 to 13 those are whole whose volume t + 8 is among the 20 recorded
    assert len(material.test) == 11
    order = [voxel for voxels in HALVES.values() for voxel in voxels]
    for row, frame in enumerate(range(1, 12)):
        np.testing.assert_array_equal(material.test.frames[row], film[frame].transpose(2, 0, 1))
        window = material.test.windows(np.array([row]))[0]
        np.testing.assert_allclose(window, published[frame + 4 : frame + 9, order].T, rtol=1e-5)


def test_runs_and_regions_are_chosen_by_option(folder: Path) -> None:
    (one,) = DATASETS["brain2pix"].read(folder, {"splits": "train", "runs": "2", "regions": "V3"})
    assert one.meta.group == "train-002"
    assert one.signal().spec.ch_names == ("V3-000", "V3-001", "V3-002")
    with pytest.raises(ConfigError, match="'valid' was given, expected train, test or both"):
        list(DATASETS["brain2pix"].read(folder, {"splits": "valid"}))


def test_another_layout_is_told_apart_in_words(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"looked for roimask\.mat"):
        list(DATASETS["brain2pix"].read(tmp_path / "nowhere"))
    with pytest.raises(RecordingError, match="expected the variable V4d, found V1d"):
        list(DATASETS["brain2pix"].read(folder, {"regions": "V4"}))
    np.save(folder / "train_brain_signals" / "train_brain_signals_run1.npy", np.zeros((5, 3)))
    with pytest.raises(RecordingError, match=r"expected \(n_volumes, more than 21 voxels\), found \(5, 3\)"):
        list(DATASETS["brain2pix"].read(folder))
    (folder / "roimask.mat").write_bytes(b"no matlab")
    with pytest.raises(RecordingError, match="not a MATLAB file"):
        list(DATASETS["brain2pix"].read(folder))


def test_a_video_of_another_kind_is_refused(folder: Path) -> None:
    np.save(folder / "training_npy" / "train_video_run001.npy", np.zeros((4, 96, 96), np.float32))
    with pytest.raises(RecordingError, match=r"of uint8, found float32"):
        list(DATASETS["brain2pix"].read(folder))


def test_a_pickle_is_not_run(folder: Path) -> None:
    np.save(folder / "train_brain_signals" / "train_brain_signals_run1.npy", np.array([{"a": 1}], object))
    with pytest.raises(RecordingError, match="not a plain array"):
        list(DATASETS["brain2pix"].read(folder))
