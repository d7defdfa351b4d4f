"""The images a person is shown, by marker label, published when their marker comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import ConfigError
from streamkit.lsl.outlet import ImageOutlet
from streamkit.recording.images import LONGEST_SIDE, Pixels, as_float, common_shape, load_pixels
from streamkit.types import Event

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
MAX_BYTES = 1 << 30
MOST_SAID = 5

logger = logging.getLogger(__name__)


def load_stimuli(folder: Path, shape: tuple[int, ...] | None = None) -> dict[str, Pixels]:
    """Every image below `folder`, all of one shape, by relative path, file name and stem.

    Read before the session starts, so that no file is opened while decoding. Where two files share a label, it shows
    the one that `by_label` says.

    Parameters
    ----------
    shape
        ``(channels, height, width)`` to convert and resize to, 1 or 3 channels; by default colour, in the size
        of the first image and at most `LONGEST_SIDE` pixels a side.

    Raises
    ------
    ConfigError
        When the folder has no image, or more than fit in memory.
    RecordingError
        When a file cannot be read as an image.
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise ConfigError(f"--stimuli {folder}: expected a folder with image files ({', '.join(sorted(SUFFIXES))})")
    if shape is None or len(shape) != 3 or shape[0] not in (1, 3):
        shape = (3, *common_shape([load_pixels(files[0]).shape], LONGEST_SIDE)[1:])
    n_chans, height, width = shape
    if len(files) * int(np.prod(shape)) > MAX_BYTES:
        raise ConfigError(f"--stimuli {folder}: {len(files)} images of shape {shape} are more than {MAX_BYTES} bytes")
    images = {file: load_pixels(file, (n_chans, height, width)) for file in files}
    return {label: images[file] for label, file in by_label(folder, files).items()}


def by_label(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    """The file that each label shows: one with this relative path, else file name, else stem.

    Of several with the same name or stem it is the one the fewest folders down, then the first; the others are said
    in a warning.
    """
    nearest = sorted(files, key=lambda file: len(file.parts))
    shown: dict[str, Path] = {}
    hidden: dict[tuple[str, str], list[str]] = {}
    paths = {file: file.relative_to(folder).as_posix() for file in files}
    for label_of in (paths.__getitem__, attrgetter("name"), attrgetter("stem")):
        for file in nearest:
            label = label_of(file)
            first = shown.setdefault(label, file)
            if first != file:
                hidden.setdefault((paths[first], paths[file]), []).append(label)
    if hidden:
        logger.warning("--stimuli %s: %s", folder, clash(hidden))
    return shown


def clash(hidden: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Which labels two files share, in words.

    Parameters
    ----------
    hidden
        (file that is shown, file that is not) → labels that mean both.
    """
    parts = [
        f"{' and '.join(map(repr, labels))}: {first} is shown, not {other}"
        for (first, other), labels in list(hidden.items())[:MOST_SAID]
    ]
    more = len(hidden) - len(parts)
    rest = f"; and {more} more" if more else ""
    return f"markers that could mean two images: {'; '.join(parts)}{rest}. Send the other file's path, or rename it."


class StimulusOutlet:
    """Publishes an image as shown when a marker names it.

    Parameters
    ----------
    outlet
        Image stream of role ``"shown"``.
    images
        Marker label → ``(channels, height, width)`` bytes.

    Attributes
    ----------
    on_push
        Called with every image sent, as bytes, and its stamp.
    """

    def __init__(self, outlet: ImageOutlet, images: Mapping[str, Pixels]) -> None:
        self.outlet = outlet
        self.on_push: Callable[[Pixels, float], None] | None = None
        self._images = images

    def push(self, event: Event) -> bool:
        """Publish the image of `event` with its stamp; False when its label names none."""
        image = self._images.get(event.label)
        if image is None:
            return False
        self.outlet.push(as_float(image), event.stamp)
        if self.on_push is not None:
            self.on_push(image, event.stamp)
        return True


def open_stimuli(
    images: Mapping[str, Pixels], name: str, source_id: str, keys: Mapping[str, Any] | None = None
) -> StimulusOutlet:
    """Open the stream that shows `images`, which are all of one shape."""
    shape = next(iter(images.values())).shape
    return StimulusOutlet(ImageOutlet(name, shape, "shown", source_id, keys), images)
