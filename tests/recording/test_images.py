"""Stimulus images: reading, shapes, exactness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamkit.errors import RecordingError
from streamkit.recording.images import as_float, file_name, fits_png, load_pixels, load_stimuli, resized, save_png

BYTES = np.random.default_rng(0).integers(0, 256, (3, 6, 9), dtype=np.uint8)


def saved(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(path)
    return path


def test_pictures_come_as_channels_height_width(tmp_path: Path) -> None:
    assert np.array_equal(load_pixels(saved(tmp_path / "c.png", BYTES)), BYTES)
    assert np.array_equal(load_pixels(saved(tmp_path / "g.png", BYTES[:1])), BYTES[:1])


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "<u2"), (".tif", "<u2"), (".pgm", "<u2"), (".tif", "<i4")])
def test_sixteen_bits_of_grey_are_scaled(tmp_path: Path, suffix: str, kind: str) -> None:
    wide = np.array([[0, 257, 1000], [32_896, 64_000, 65_535]])
    path = tmp_path / f"wide{suffix}"
    Image.fromarray(wide.astype(kind)).save(path)
    eight = np.array([[0, 1, 4], [128, 249, 255]])
    assert np.array_equal(load_pixels(path), eight[None])
    assert np.array_equal(load_pixels(path, (3, 2, 3)), np.stack([eight] * 3))


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no")
    with pytest.raises(RecordingError, match=r"the stimulus .*x\.png cannot be read as an image"):
        load_pixels(tmp_path / "x.png")


def test_png_is_used_only_where_it_is_exact(tmp_path: Path) -> None:
    exact = as_float(BYTES)
    assert fits_png(exact)
    assert not fits_png(exact * np.float32(0.999))
    assert not fits_png(exact.astype(np.float64))
    assert not fits_png(exact[:2])
    save_png(tmp_path / "x.png", exact)
    assert as_float(load_pixels(tmp_path / "x.png")).tobytes() == exact.tobytes()


def test_all_stimuli_of_a_stream_get_one_shape(tmp_path: Path) -> None:
    big = np.zeros((3, 300, 600), np.uint8)
    files = {"big": saved(tmp_path / "b.png", big), "grey": saved(tmp_path / "g.png", BYTES[:1]), "unused": tmp_path}
    loaded = load_stimuli(files, {}, {"big", "grey"}, 128)
    assert {label: image.shape for label, image in loaded.items()} == {"big": (3, 64, 128), "grey": (3, 64, 128)}
    assert load_stimuli(files, {}, {"none of them"}, 128) == {}


def test_arrays_keep_their_size_and_values(tmp_path: Path) -> None:
    wide = np.random.default_rng(1).random((1, 2, 200), dtype=np.float32)
    loaded = load_stimuli({"file": saved(tmp_path / "c.png", BYTES)}, {"wide": wide}, {"wide", "file"}, 128)
    assert loaded["wide"] is wide
    assert loaded["file"].shape == (1, 2, 200)


def test_resizing_stays_within_bounds() -> None:
    small = resized(as_float(BYTES), (1, 3, 3))
    assert small.shape == (1, 3, 3)
    assert small.dtype == np.float32
    assert 0 <= small.min() <= small.max() <= 1


def test_labels_become_distinct_file_names() -> None:
    taken: set[str] = set()
    names = [file_name(label, ".png", taken) for label in ("a/b", "a b", "A_B", "...", "x" * 200)]
    assert names[:4] == ["a_b.png", "a_b-2.png", "A_B-3.png", "stimulus.png"]
    assert len(names[4]) == 84
