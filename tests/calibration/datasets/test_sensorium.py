"""The folder layout of SENSORIUM, read from small files of the same layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.datasets import DATASETS
from streamkit.errors import RecordingError

TIERS = ["train"] * 6 + ["validation"] * 2 + ["test"] * 4 + ["final_test"] * 2
IMAGES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 9, 11, 12]
N = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "mouse-1")
    return tmp_path


def write(folder: Path, tiers: list[str] = TIERS, images: list[int] = IMAGES) -> None:
    rng = np.random.default_rng(0)
    for name in ("data/images", "data/responses", "meta/trials", "meta/neurons"):
        (folder / name).mkdir(parents=True)
    for k, number in enumerate(images):
        picture = np.random.default_rng(number).integers(0, 256, (1, 24, 40)).astype(np.float32)
        np.save(folder / f"data/images/{k}.npy", picture)
        np.save(folder / f"data/responses/{k}.npy", rng.random(N))
    np.save(folder / "meta/trials/tiers.npy", np.array(tiers))
    np.save(folder / "meta/trials/frame_image_id.npy", np.array(images))
    np.save(folder / "meta/neurons/cell_motor_coordinates.npy", rng.integers(0, 500, (N, 3)))
    np.save(folder / "meta/neurons/unit_ids.npy", np.arange(3, 3 + N))


def read(path: Path, **options: object):
    return list(DATASETS["sensorium"].read(path, {"height": 12, "width": 20, **options}))


def test_tiers_are_recordings_with_their_pictures(folder: Path) -> None:
    found = read(folder)
    assert [each.meta.group for each in found] == ["train", "validation", "test"]
    train, _, test = found
    assert train.signal().data.shape == (6, N)
    assert train.signal().spec.ch_names[0] == "unit-00003"
    assert test.markers[0].labels == ("image-000009", "image-000010", "image-000010", "image-000009")
    assert {image.shape for image in test.stimulus_arrays.values()} == {(1, 12, 20)}
    assert np.shape(train.meta.details["coordinates"]) == (N, 2)
    assert not train.meta.simulated


def test_repeats_of_the_test_are_averaged_on_request(folder: Path) -> None:
    single, averaged = read(folder)[2], read(folder, average=True)[2]
    assert averaged.markers[0].labels == ("image-000009", "image-000010")
    np.testing.assert_allclose(averaged.signal().data[0], single.signal().data[[0, 3]].mean(0), rtol=1e-6)


def test_a_picture_of_two_tiers_is_tested_and_not_trained_on(tmp_path: Path) -> None:
    write(tmp_path, images=[9, *IMAGES[1:]])
    train, _, test = read(tmp_path)
    assert not set(train.markers[0].labels) & set(test.markers[0].labels)
    assert len(train.signal().data) == 5


def test_a_folder_of_another_kind_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"meta/trials/tiers\.npy, but .* has none"):
        read(tmp_path)
    write(tmp_path / "a", tiers=["training", *TIERS[1:]])
    with pytest.raises(RecordingError, match="expected tiers train, validation, test, final_test, found training"):
        read(tmp_path)


def test_colour_and_other_scales_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    np.save(tmp_path / "data/images/0.npy", np.full((1, 24, 40), 300.0))
    with pytest.raises(RecordingError, match=r"from 0 to 255, found .* to 300"):
        read(tmp_path)
    (tmp_path / "data/responses/2.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(RecordingError, match="not a whole array of numbers"):
        read(tmp_path)
