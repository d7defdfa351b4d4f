"""Images of an NWB file: which were shown when, and the pictures themselves, read when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import RecordingError, require
from streamkit.recording.bids_events import IMAGES, some
from streamkit.recording.images import Image
from streamkit.recording.model import Markers
from streamkit.recording.nwb_series import Part, place_of, time_of
from streamkit.types import Stamps, StreamSpec

BLANK = "blank"


@dataclass(frozen=True)
class Stored:
    """One picture on disk: a data set of the file, or a frame of it."""

    file: str
    dataset: str
    frame: int | None = None

    def load(self) -> Image:
        """The picture, ``(channels, height, width)`` in [0, 1]."""
        h5py = require("h5py", "nwb", "reading images of NWB files")
        try:
            with h5py.File(self.file, "r") as file:
                pixels = file[self.dataset][() if self.frame is None else self.frame]
        except (OSError, KeyError, ValueError) as error:
            raise RecordingError(f"{self.file}: the image {self.dataset} cannot be read ({error}).") from error
        return as_image(pixels, f"{self.file}: {self.dataset}")


def as_image(pixels: Any, place: str) -> Image:
    """Rows and columns of pixels, and colours last where there are any, as an image.

    Whole numbers are divided by the largest of their type; other numbers are taken as [0, 1], or as [0, 255] when one
    is above 1. A fourth colour, transparency, is dropped. The standard calls the first axis x; what is written there
    by all programs known is the rows.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)) or not pixels.size:
        raise RecordingError(f"{place}: expected an image of (rows, columns[, 3 or 4 colours]), found {pixels.shape}.")
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels[..., :3], 2, 0)
    if planes.dtype.kind in "iub":
        top = 1.0 if planes.dtype == np.bool_ else float(np.iinfo(planes.dtype).max)
    else:
        top = 255.0 if np.nanmax(planes) > 1 else 1.0
    return np.ascontiguousarray(planes, dtype=np.float32) / np.float32(top)


class StoredImages(Mapping[str, Image]):
    """Label → image, each read from its file when it is asked for."""

    def __init__(self, places: Mapping[str, Stored]) -> None:
        self._places = dict(places)

    def __getitem__(self, label: str) -> Image:
        return self._places[label].load()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass
class Library:
    """All pictures that a file could show, by label.

    Attributes
    ----------
    stored, files
        Label → picture in the file, or image file beside it.
    names
        ``id`` of a picture of an ``Images`` container → its label.
    stacks
        Names of image series → how many frames they have; frame `k` is labelled ``name/k``.
    notes
        What cannot be shown, in words.
    """

    folder: Path
    stored: dict[str, Stored] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    stacks: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: Any, path: Path) -> Library:
        """Collect the stimuli and stimulus templates of a file."""
        library = cls(path.absolute().parent)
        for one in (*file.stimulus_template.values(), *file.stimulus.values()):
            if hasattr(one, "images"):
                library.add_container(one)
            elif hasattr(one, "external_file"):
                library.add_stack(one)
        return library

    def add_container(self, container: Any) -> None:
        """Add the pictures of an ``Images`` container, by their names."""
        for name in sorted(container.images):
            picture = container.images[name]
            label = name if name not in self.names.values() else f"{container.name}/{name}"
            self.names[id(picture)] = label
            if type(picture).__name__ == "ExternalImage":
                self.add_file(
                    label, str(np.asarray(picture.data[()] if hasattr(picture.data, "shape") else picture.data))
                )
            else:
                self.stored[label] = Stored(picture.data.file.filename, picture.data.name)

    def add_stack(self, series: Any) -> None:
        """Add the frames of an image series."""
        if series.external_file is not None:
            names = [text(name) for name in series.external_file[:]]
            self.stacks[series.name] = len(names)
            for k, name in enumerate(names):
                self.add_file(f"{series.name}/{k}", name)
            return
        data = series.data
        if len(data.shape) == 4 and data.shape[3] not in (1, 3, 4):
            self.notes.append(f"{place_of(series)} is not shown: volumes of {data.shape[1:]} are no images")
            return
        self.stacks[series.name] = data.shape[0]
        for k in range(data.shape[0]):
            self.stored[f"{series.name}/{k}"] = Stored(data.file.filename, data.name, k)

    def add_file(self, label: str, name: str) -> None:
        """Add an image file that lies beside the NWB file."""
        path = self.folder / name
        if path.suffix.lower() not in IMAGES or "://" in name:
            self.notes.append(f"{name} is not shown: only image files beside the NWB file are")
        elif not path.is_file():
            self.notes.append(f"the stimulus {path} is missing, so it is not shown")
        else:
            self.files[label] = path

    def named(self, labels: set[str]) -> tuple[dict[str, Path], Mapping[str, Image]]:
        """Stimuli and arrays of a recording with these marker labels."""
        files = {label: path for label, path in self.files.items() if label in labels}
        return files, StoredImages({label: place for label, place in self.stored.items() if label in labels})

    def said(self) -> list[str]:
        """The notes, the first few of many."""
        return self.notes if len(self.notes) <= 5 else [f"{len(self.notes)} stimuli are not shown: {some(self.notes)}"]


def text(name: Any) -> str:
    """Text that HDF5 may have as bytes."""
    return name.decode() if isinstance(name, bytes) else str(name)


def presentations(file: Any, library: Library, part: Part) -> tuple[Markers, ...]:
    """One marker stream for each series of presented images, labelled by image.

    An ``IndexSeries`` is labelled with the names of the pictures, or ``series/frame``; index -1, no picture, is
    ``blank``. The frames of an ``ImageSeries`` are labelled ``series/frame``.
    """
    out = []
    for name in sorted(file.stimulus):
        series = file.stimulus[name]
        kinds = {kind.__name__ for kind in type(series).__mro__}
        if "IndexSeries" in kinds:
            stamps, _ = time_of(series)
            labels = index_labels(series, library)
        elif "ImageSeries" in kinds and name in library.stacks:
            count = library.stacks[name]
            stamps = frame_stamps(series, count)
            labels = [f"{name}/{k}" for k in range(count)]
        else:
            continue
        kept = np.flatnonzero(part.inside(stamps))
        out.append(image_markers(name, [labels[k] for k in kept], stamps[kept]))
    return tuple(markers for markers in out if markers.labels)


def image_markers(name: str, labels: Sequence[str], stamps: Stamps) -> Markers:
    """Markers in order of time."""
    order = np.argsort(stamps, kind="stable")
    spec = StreamSpec(name=name, type="Markers", ch_names=("image",), sfreq=0, channel_format="string", source_id=name)
    return Markers(spec, tuple(labels[k] for k in order), stamps[order])


def frame_stamps(series: Any, count: int) -> Stamps:
    """Stamps of the frames of an image series."""
    if series.external_file is None:
        return time_of(series)[0]
    if series.timestamps is not None and len(series.timestamps) == count:
        return np.asarray(series.timestamps[:], np.float64)
    if series.rate:
        return float(series.starting_time or 0.0) + np.arange(count) / float(series.rate)
    raise RecordingError(f"{place_of(series)}: {count} image files have no timestamps and no rate. Correct the file.")


def index_labels(series: Any, library: Library) -> list[str]:
    """What an index series shows at each of its stamps."""
    indices = np.asarray(series.data[:]).astype(np.int64)
    if series.indexed_images is not None:
        order = series.indexed_images.order_of_images
        if order is None:
            library.notes.append(f"{place_of(series)} is not shown: its pictures have no order_of_images")
            return [f"{series.indexed_images.name}/{index}" for index in indices]
        names = [library.names.get(id(picture), picture.name) for picture in order.data[:]]
    else:
        stack = series.indexed_timeseries
        if stack.name not in library.stacks:
            library.add_stack(stack)
        names = [f"{stack.name}/{k}" for k in range(library.stacks.get(stack.name, stack.num_samples or 0))]
    wrong = indices[(indices < -1) | (indices >= len(names))]
    if len(wrong):
        raise RecordingError(
            f"{place_of(series)} refers to image {wrong[0]} of {len(names)}, counted from 0. Correct the file."
        )
    return [names[index] if index >= 0 else BLANK for index in indices]
