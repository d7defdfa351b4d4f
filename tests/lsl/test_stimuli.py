from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamkit.errors import ConfigError, RecordingError
from streamkit.lsl.stimuli import load_stimuli


def saved(path: Path, width: int, height: int, mode: str = "RGB", colour: str = "white") -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, (width, height), colour).save(path)
    return path


def coloured(folder: Path, colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        saved(folder / name, 4, 4, colour=colour)


def test_an_image_is_found_by_path_name_and_stem(tmp_path: Path) -> None:
    saved(tmp_path / "faces" / "anna.png", 4, 6)
    images = load_stimuli(tmp_path)
    assert set(images) == {"anna", "anna.png", "faces/anna.png"}
    assert images["anna"].shape == (3, 6, 4)


def test_a_file_is_shown_for_its_own_path_before_another_of_that_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coloured(tmp_path, {"a/face.png": "green", "face.png": "red", "masks/face.png": "blue", "masks/hand.png": "blue"})
    images = load_stimuli(tmp_path)
    first = {label: tuple(image[:, 0, 0].tolist()) for label, image in images.items()}
    red, green, blue = (255, 0, 0), (0, 128, 0), (0, 0, 255)
    assert first == {
        "face": red,
        "face.png": red,
        "a/face.png": green,
        "masks/face.png": blue,
        "masks/hand.png": blue,
        "hand.png": blue,
        "hand": blue,
    }
    (said,) = caplog.messages
    assert said == (
        f"--stimuli {tmp_path}: markers that could mean two images: "
        "'face.png' and 'face': face.png is shown, not a/face.png; "
        "'face.png' and 'face': face.png is shown, not masks/face.png. Send the other file's path, or rename it."
    )


def test_of_many_files_that_share_a_name_five_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    coloured(tmp_path, {f"{number}/a.png": "red" for number in range(9)})
    load_stimuli(tmp_path)
    (said,) = caplog.messages
    assert said.count("0/a.png is shown, not") == 5
    assert "; and 3 more. Send" in said


def test_files_with_names_of_their_own_are_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    coloured(tmp_path, {"a.png": "red", "sub/b.png": "red"})
    load_stimuli(tmp_path)
    assert not caplog.messages


def test_all_images_get_the_shape_of_the_first_in_colour_and_no_larger_than_128_pixels(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", 256, 64, "L")
    saved(tmp_path / "b.png", 10, 10)
    images = load_stimuli(tmp_path)
    assert {image.shape for image in images.values()} == {(3, 32, 128)}
    assert images["a"].dtype == np.uint8
    assert images["b"].min() == 255


def test_images_take_the_shape_that_is_asked_for(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", 20, 10)
    assert load_stimuli(tmp_path, (1, 8, 8))["a"].shape == (1, 8, 8)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(RecordingError, match=r"broken\.png cannot be read as an image"):
        load_stimuli(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a folder with image files"):
        load_stimuli(tmp_path)
