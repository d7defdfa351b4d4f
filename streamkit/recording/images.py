"""Stimulus images as arrays ``(channels, height, width)``, and image files of the native folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import MissingPackage, RecordingError, require

Image = NDArray[np.float32]
Pixels = NDArray[np.uint8]
LONGEST_SIDE = 128
"""Image files are published no larger than this many pixels a side."""


def load_pixels(path: Path, shape: tuple[int, int, int] | None = None) -> Pixels:
    """Read an image file as ``(channels, height, width)`` bytes.

    Parameters
    ----------
    path
        Any file Pillow reads.
    shape
        What to make of it: 1 channel is grey, 3 are red, green, blue; resized as needed. As the file is when None.

    Raises
    ------
    RecordingError
        When the file is missing or not an image.
    """
    pil = require("PIL.Image", "images", "reading stimulus images")
    try:
        with pil.open(path) as opened:
            image = eight_bits(opened)
            grey = image.mode in ("1", "L", "LA") if shape is None else shape[0] == 1
            flat = image.convert("L" if grey else "RGB")
    except (OSError, SyntaxError) as error:
        raise RecordingError(f"the stimulus {path} cannot be read as an image ({error})") from error
    if shape is not None and flat.size != (shape[2], shape[1]):
        flat = flat.resize((shape[2], shape[1]), pil.Resampling.BICUBIC)
    pixels = np.asarray(flat, dtype=np.uint8)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def eight_bits(image: Any) -> Any:
    """A Pillow image with 8 bits a channel: 16 bits of grey are scaled, which Pillow's own conversion would clip."""
    if not image.mode.startswith("I"):
        return image
    scaled = np.rint(np.asarray(image, np.float64) / 257).clip(0, 255)
    return require("PIL.Image", "images", "reading stimulus images").fromarray(scaled.astype(np.uint8))


def as_float(pixels: Pixels) -> Image:
    """Bytes 0…255 as float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


def as_pixels(image: Image) -> Pixels:
    """float32 in [0, 1] as the nearest bytes."""
    return np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)


def fits_png(image: Image) -> bool:
    """Whether 8 bits a channel hold `image` exactly, and Pillow is there to write them."""
    if image.dtype != np.float32 or image.ndim != 3 or image.shape[0] not in (1, 3) or image.size == 0:
        return False
    try:
        require("PIL.Image", "images", "writing stimulus images")
    except MissingPackage:
        return False
    return image.tobytes() == as_float(as_pixels(image)).tobytes()


def save_png(path: Path, image: Image) -> None:
    """Write an image as PNG, 8 bits a channel."""
    pil = require("PIL.Image", "images", "writing stimulus images")
    pixels = as_pixels(image)
    pil.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(path)


def resized(image: Image, shape: tuple[int, int, int]) -> Image:
    """`image` at `shape`; unchanged where it has it."""
    if image.shape == shape:
        return image
    pil = require("PIL.Image", "images", "resizing stimulus images")
    grey = image.mean(axis=0, keepdims=True) if shape[0] == 1 else np.broadcast_to(image, (3, *image.shape[1:]))
    planes = [
        np.asarray(pil.fromarray(np.ascontiguousarray(p)).resize((shape[2], shape[1]), pil.Resampling.BICUBIC))
        for p in grey
    ]
    return np.asarray(np.clip(np.stack(planes), 0, 1), dtype=np.float32)


def common_shape(shapes: Sequence[tuple[int, ...]], longest: int) -> tuple[int, int, int]:
    """The shape that one stream gives all images: the first one's, grey if all are, no side above `longest`."""
    channels = 1 if all(shape[0] == 1 for shape in shapes) else 3
    _, height, width = shapes[0]
    scale = min(1.0, longest / max(height, width))
    return channels, max(1, round(height * scale)), max(1, round(width * scale))


def file_name(label: str, suffix: str, taken: set[str]) -> str:
    """A file name for `label` that any file system takes and that is not in `taken`; adds it there."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", label)[:80].strip("._") or "stimulus"
    name, number = f"{stem}{suffix}", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name.lower())
    return name


def load_stimuli(
    files: Mapping[str, Path], arrays: Mapping[str, Image], labels: set[str], longest: int
) -> dict[str, Image | Pixels]:
    """All stimuli that `labels` name, at one common shape; bytes for files, float32 for arrays.

    Parameters
    ----------
    files, arrays
        Marker label → image.
    labels
        The marker labels that occur.
    longest
        No image file is taken larger than this many pixels a side; arrays keep their size.
    """
    held = {label: image for label, image in arrays.items() if label in labels}
    wanted = {label: path for label, path in files.items() if label in labels and label not in held}
    paths = list(dict.fromkeys(wanted.values()))
    shapes = [image.shape for image in held.values()] or [load_pixels(path).shape for path in paths[:1]]
    if not shapes:
        return {}
    shape = common_shape(shapes, max(max(shapes[0][1:]), longest) if held else longest)
    pixels = {path: load_pixels(path, shape) for path in paths}
    return {
        **{label: pixels[path] for label, path in wanted.items()},
        **{label: resized(image, shape) for label, image in held.items()},
    }
