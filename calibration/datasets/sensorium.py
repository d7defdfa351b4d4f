"""Mouse V1 under two-photon imaging, in the folder layout of the SENSORIUM 2022 competition (Willeke et al. 2022).

Published (https://gin.g-node.org/cajal/Sensorium2022) as a folder for each recording, which also is how the authors of
Cobos et al. 2022 hand theirs out on request:

``data/images/<k>.npy``, ``data/responses/<k>.npy``
    Of presentation k: ``(1, height, width)`` grey values from 0 to 255, and ``(n_neurons,)`` responses. Presentations
    whose responses were withheld have zeros, or no file.
``meta/trials/tiers.npy``
    ``(n,)`` of ``train``, ``validation``, ``test`` and ``final_test``.
``meta/trials/frame_image_id.npy``
    ``(n,)`` number of the picture: that of ``test`` is shown several times.
``meta/neurons/cell_motor_coordinates.npy``, ``meta/neurons/unit_ids.npy``
    ``(n_neurons, 3)`` micrometres, and ``(n_neurons,)`` numbers.

What becomes a stream (type ``Imaging``, unit ``activity``): *not a continuous recording*, one sample per presentation
at a nominal 2 Hz, without gaps. The event sits at the sample's stamp and is labelled ``image-<number>``; the pictures,
brought to the size that is asked for, are the stimuli. Each tier of each folder is a Recording, whose group is the
tier. A picture that is in two tiers stays in the later one of train, validation, test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from calibration.datasets.dataset import Options, listed, missing, wrong_layout
from calibration.features.resample import resize
from streamkit.errors import RecordingError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "https://gin.g-node.org/cajal/Sensorium2022"
LICENCE = "CC BY-NC-ND 4.0, as stated there"
FOLDER = "a recording's folder, which holds data/ and meta/, or a folder of such folders"
TIERS = ("train", "validation", "test")
"""Those with responses, in order."""
SFREQ = 2.0
WHITE = 255.0


class SensoriumOptions(Options):
    """Which recordings, and how large the pictures are.

    Parameters
    ----------
    height, width
        Pixels that pictures are brought to; the defaults are those of the report on decoding.
    animal
        Names of folders; all by default.
    average
        One sample for each picture of the test, the mean over its presentations.
    """

    height: int = Field(default=36, ge=4)
    width: int = Field(default=64, ge=4)
    animal: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    average: bool = False


def read(path: Path, options: SensoriumOptions) -> Iterator[Recording]:
    """Recordings of every folder that the options choose, tier by tier."""
    folders = (
        [path] if (path / "meta" / "trials").is_dir() else sorted(p.parent.parent for p in path.glob("*/meta/trials"))
    )
    if not folders:
        raise missing(path, "data/images/, data/responses/ and meta/trials/tiers.npy", SOURCE, FOLDER)
    for folder in folders:
        if not options.animal or folder.name in options.animal:
            yield from read_folder(folder, options)


def read_folder(folder: Path, options: SensoriumOptions) -> Iterator[Recording]:
    """The tiers of one folder."""
    tier, image = column(folder, "tiers").astype(str), column(folder, "frame_image_id").astype(int)
    if len(tier) != len(image):
        raise wrong_layout(folder, "as many tiers as numbers of pictures", f"{len(tier)} and {len(image)}", SOURCE)
    unknown = sorted(set(tier) - {*TIERS, "final_test", "none"})
    if unknown:
        raise wrong_layout(folder, f"tiers {', '.join(TIERS)}, final_test", unknown[0], SOURCE)
    later: set[int] = set()
    parts = {}
    for name in reversed(TIERS):
        rows = np.flatnonzero((tier == name) & ~np.isin(image, list(later)))
        later |= set(image[rows].tolist())
        parts[name] = rows
    for name in TIERS:
        if len(parts[name]):
            yield recording_of(folder, name, parts[name], image[parts[name]], options)


def column(folder: Path, name: str) -> NDArray[np.generic]:
    """One array of ``meta/trials``."""
    return array_in(folder, f"meta/trials/{name}.npy", 1)


def array_in(folder: Path, name: str, dimensions: int) -> NDArray[np.generic]:
    """A whole ``.npy`` file of so many dimensions."""
    file = folder / name
    if not file.is_file():
        raise missing(folder, name, SOURCE, FOLDER)
    try:
        found: NDArray[np.generic] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise RecordingError(f"{file}: not a whole array of numbers ({error}). Get it from {SOURCE}.") from error
    if found.ndim != dimensions:
        raise wrong_layout(file, f"an array of {dimensions} dimensions", f"shape {found.shape}", SOURCE)
    return found


def recording_of(
    folder: Path, tier: str, rows: NDArray[np.intp], image: NDArray[np.int_], options: SensoriumOptions
) -> Recording:
    """One tier of one folder."""
    responses = np.stack([array_in(folder, f"data/responses/{k}.npy", 1) for k in rows]).astype(np.float32)
    if not np.isfinite(responses).all():
        raise RecordingError(f"{folder}: responses of tier {tier!r} are not all numbers. Get them from {SOURCE}.")
    if options.average and tier == "test":
        responses, image, rows = averaged(responses, image, rows)
    names = [f"image-{number:06d}" for number in image]
    first = dict(zip(reversed(names), reversed(rows.tolist()), strict=True))
    size = (options.height, options.width)
    stimuli = {name: picture(folder, k, size) for name, k in first.items()}
    stamps = np.arange(len(rows)) / SFREQ
    meta = RecordingMeta(
        name=f"{folder.name}-{tier}",
        group=tier,
        subject=folder.name,
        source=SOURCE,
        licence=LICENCE,
        details={"average": options.average, **coordinates(folder, responses.shape[1])},
    )
    spec = StreamSpec(
        name="V1", type="Imaging", ch_names=names_of(folder, responses.shape[1]), sfreq=SFREQ, unit="activity"
    )
    marker = StreamSpec(name="pictures", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    markers = Markers(marker, tuple(names), stamps, {"trial": rows.tolist()})
    return Recording((Signal(spec, responses, stamps),), (markers,), stimulus_arrays=stimuli, meta=meta)


def averaged(
    responses: NDArray[np.float32], image: NDArray[np.int_], rows: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.int_], NDArray[np.intp]]:
    """Mean over the presentations of each picture, in order of first appearance."""
    numbers, first, own = np.unique(image, return_index=True, return_inverse=True)
    mean = np.stack([responses[own == k].mean(0) for k in range(len(numbers))])
    order = np.argsort(first)
    return mean[order], numbers[order], rows[first[order]]


def picture(folder: Path, k: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """``(1, height, width)`` in [0, 1]."""
    pixels = array_in(folder, f"data/images/{k}.npy", 3).astype(np.float32) / np.float32(WHITE)
    if len(pixels) != 1 or pixels.min() < 0 or pixels.max() > 1:
        raise wrong_layout(
            folder / f"data/images/{k}.npy",
            "grey values (1, height, width) from 0 to 255",
            f"{pixels.shape} from {WHITE * pixels.min():g} to {WHITE * pixels.max():g}",
            SOURCE,
        )
    return resize(pixels[None], size)[0]


def coordinates(folder: Path, n_neurons: int) -> dict[str, list[list[float]]]:
    """Where the neurons lie in the tissue, where the folder says."""
    name = "meta/neurons/cell_motor_coordinates.npy"
    if not (folder / name).is_file():
        return {}
    places = array_in(folder, name, 2).astype(float)
    if len(places) != n_neurons:
        raise wrong_layout(folder / name, f"{n_neurons} neurons, as in the responses", f"{len(places)}", SOURCE)
    return {"coordinates": places[:, :2].tolist()}


def names_of(folder: Path, n_neurons: int) -> tuple[str, ...]:
    """Names of the neurons: their numbers, where the folder says them and they differ."""
    name = "meta/neurons/unit_ids.npy"
    numbers = array_in(folder, name, 1) if (folder / name).is_file() else np.arange(n_neurons)
    if len(numbers) != n_neurons or len(np.unique(numbers)) != n_neurons:
        numbers = np.arange(n_neurons)
    return tuple(f"unit-{int(number):05d}" for number in numbers)
