"""fMRI derivatives of BIDS: voxels of regions in order, events on the scanner's clock.

The files are read by nibabel where it is installed; everything behind it is tested with a reader of plain arrays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from calibration.datasets import DATASETS
from calibration.datasets.movie_recording import centres_in
from streamkit.errors import BadInput, ConfigError, RecordingError

SHAPE, VOLUMES, TR = (3, 4, 2), 10, 1.5
rng = np.random.default_rng(0)
BOLD = rng.standard_normal((*SHAPE, VOLUMES)).astype(np.float32)
LABELS = np.zeros(SHAPE, np.int16)
LABELS[0, :2, 0], LABELS[2, 1:, 1], LABELS[1, 3, 0] = 7, 3, 9
MAPS = {axis: rng.uniform(-5, 5, SHAPE) for axis in "xy"}


class Arrays:
    """Stands for nibabel: images are ``.npz`` files under the names of NIfTI files."""

    @staticmethod
    def load(file: str) -> SimpleNamespace:
        with np.load(file) as found:
            values, zooms = found["values"], tuple(found["zooms"].tolist())
        return SimpleNamespace(shape=values.shape, dataobj=values, header=SimpleNamespace(get_zooms=lambda: zooms))


def write_arrays(file: Path, values: np.ndarray, tr: float = 0.0) -> None:
    with file.open("wb") as stream:
        np.savez(stream, values=values, zooms=np.array([1.0, 1.0, 1.0, tr]))


def write_nifti(file: Path, values: np.ndarray, tr: float = 0.0) -> None:
    nibabel = pytest.importorskip("nibabel", reason="not run: nibabel is not installed")
    image = nibabel.Nifti1Image(values, np.eye(4))
    if tr:
        image.header.set_zooms((1.0, 1.0, 1.0, tr))
    nibabel.save(image, str(file))


@pytest.fixture(params=[write_arrays, write_nifti], ids=["arrays", "nifti"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write = request.param
    if write is write_arrays:
        monkeypatch.setitem(sys.modules, "nibabel", Arrays)
    func = tmp_path / "sub-01" / "func"
    func.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "toy", "BIDSVersion": "1.9.0"}))
    write(func / "sub-01_task-film_run-1_space-T1w_desc-preproc_bold.nii.gz", BOLD, TR)
    write(tmp_path / "areas_dseg.nii.gz", LABELS)
    (tmp_path / "areas_dseg.tsv").write_text("index\tname\n7\tV1\n3\tV2\n9\tV3\n8\tV4\n")
    for axis, values in MAPS.items():
        write(tmp_path / f"{axis}.nii.gz", values)
    (func / "sub-01_task-film_run-1_events.tsv").write_text("onset\tduration\ttrial_type\n0\t1.5\ta\n4.5\t1.5\tb\n")
    return tmp_path


def options(folder: Path, **further: object) -> dict[str, object]:
    return {"labels": str(folder / "areas_dseg.nii.gz"), "regions": "V2, V1", **further}


def test_voxels_come_in_the_order_of_the_regions_asked_for(folder: Path) -> None:
    (recording,) = DATASETS["bids_fmri"].read(folder, options(folder))
    signal = recording.signal()
    assert [name.rpartition("-")[0] for name in signal.spec.ch_names] == ["V2"] * 3 + ["V1"] * 2
    expected = np.concatenate([BOLD[2, 1:, 1], BOLD[0, :2, 0]]).T
    np.testing.assert_allclose(signal.data, expected)
    assert signal.spec.sfreq == pytest.approx(1 / TR)
    assert recording.meta.group == "sub-01_task-film_run-1"


def test_events_count_from_the_beginning_of_the_first_volume(folder: Path) -> None:
    (recording,) = DATASETS["bids_fmri"].read(folder, options(folder))
    assert recording.markers[0].labels == ("a", "b")
    np.testing.assert_allclose(recording.markers[0].stamps, [0.0, 4.5])
    np.testing.assert_allclose(recording.signal().stamps[:2], [TR, 2 * TR])


def test_maps_of_the_visual_field_become_places(folder: Path) -> None:
    maps = {"x": str(folder / "x.nii.gz"), "y": str(folder / "y.nii.gz"), "extent": 10}
    (recording,) = DATASETS["bids_fmri"].read(folder, options(folder, **maps))
    names = recording.signal().spec.ch_names
    expected = [np.concatenate([MAPS[axis][2, 1:, 1], MAPS[axis][0, :2, 0]]) / 10 for axis in "xy"]
    np.testing.assert_allclose(centres_in(recording, names), np.stack(expected, 1), atol=1e-4)
    (plain,) = DATASETS["bids_fmri"].read(folder, options(folder))
    assert centres_in(plain, names) is None
    with pytest.raises(ConfigError, match="x, y and extent belong together"):
        list(DATASETS["bids_fmri"].read(folder, options(folder, x=maps["x"])))


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"'LO' is not in .*, which has V1, V2, V3, V4"):
        list(DATASETS["bids_fmri"].read(folder, options(folder, regions="LO")))
    with pytest.raises(RecordingError, match="no voxel is labelled 'V4'"):
        list(DATASETS["bids_fmri"].read(folder, options(folder, regions="V4")))
    with pytest.raises(ConfigError, match=r"nowhere\.nii\.gz does not exist"):
        list(DATASETS["bids_fmri"].read(folder, options(folder, labels="nowhere.nii.gz")))
    with pytest.raises(RecordingError, match="looked for preprocessed runs"):
        list(DATASETS["bids_fmri"].read(folder, options(folder, task="rest")))


def test_labels_of_another_space_are_refused(folder: Path) -> None:
    own = folder / "sub-01" / "func" / "sub-01_task-film_run-1_space-T1w_desc-preproc_bold.nii.gz"
    given = options(folder, labels=str(own), names=str(folder / "areas_dseg.tsv"))
    with pytest.raises(
        RecordingError, match=r"\(3, 4, 2, 10\) voxels, the runs have \(3, 4, 2\): bring it into the space"
    ):
        list(DATASETS["bids_fmri"].read(folder, given))


def test_without_nibabel_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(BadInput, match=r"streamkit\[fmri\]"):
        list(DATASETS["bids_fmri"].read(folder, options(folder)))
