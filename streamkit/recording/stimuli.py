"""The stimuli of a native folder: files copied as they are, arrays kept exact."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamkit.errors import RecordingError
from streamkit.recording.images import Image, as_float, file_name, fits_png, load_pixels, save_png
from streamkit.recording.model import Recording

STIMULI, ARRAYS = "stimuli", "arrays.safetensors"


def write_stimuli(recording: Recording, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Copy stimulus files and write arrays; returns the two maps of recording.json."""
    if not recording.stimuli and not recording.stimulus_arrays:
        return {}, {}
    shelf = folder / STIMULI
    shelf.mkdir()
    taken = {ARRAYS}
    files: dict[Path, str] = {}
    for path in dict.fromkeys(recording.stimuli.values()):
        name = file_name(path.stem, path.suffix, taken)
        try:
            shutil.copyfile(path, shelf / name)
        except OSError as error:
            raise RecordingError(f"the stimulus {path} cannot be copied: {error.strerror}") from error
        files[path] = f"{STIMULI}/{name}"
    stimuli = {label: files[path] for label, path in recording.stimuli.items()}
    return stimuli, write_arrays(recording.stimulus_arrays, shelf, taken)


def write_arrays(arrays: Mapping[str, Image], shelf: Path, taken: set[str]) -> dict[str, str]:
    """PNG where 8 bits hold an image exactly, safetensors where not."""
    places: dict[str, str] = {}
    exact: dict[str, Image] = {}
    for label, image in arrays.items():
        if fits_png(image):
            name = file_name(label.removesuffix(".png"), ".png", taken)
            save_png(shelf / name, image)
            places[label] = f"{STIMULI}/{name}"
        else:
            exact[label] = np.ascontiguousarray(image)
            places[label] = f"{STIMULI}/{ARRAYS}"
    if exact:
        from safetensors.numpy import save_file

        save_file(exact, shelf / ARRAYS)
    return places


def read_stimuli(
    folder: Path, files: Mapping[str, str], arrays: Mapping[str, str]
) -> tuple[dict[str, Path], dict[str, Image]]:
    """Stimulus files, and arrays as they were in memory."""
    stimuli = {label: inside(folder, name) for label, name in files.items()}
    places = {label: inside(folder, name) for label, name in arrays.items()}
    exact: dict[str, Image] = {}
    if any(path.name == ARRAYS for path in places.values()):
        exact = read_arrays(folder / STIMULI / ARRAYS)
    absent = [label for label, path in places.items() if path.name == ARRAYS and label not in exact]
    if absent:
        raise RecordingError(f"{folder / STIMULI / ARRAYS} lacks the stimulus {absent[0]!r} that the folder names")
    return stimuli, {
        label: exact[label] if path.name == ARRAYS else as_float(load_pixels(path)) for label, path in places.items()
    }


def read_arrays(path: Path) -> dict[str, Image]:
    """The images of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise RecordingError(f"{path} cannot be read ({error}). Copy the folder again.") from error


def inside(folder: Path, name: str) -> Path:
    """A file that the folder's recording.json names; it has to lie in the folder and exist."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RecordingError(
            f"{folder} names {name!r} as a stimulus, which is outside the folder. Do not trust this file."
        )
    if not path.is_file():
        raise RecordingError(f"{folder} is incomplete: {name} is missing. Copy the folder again.")
    return path
