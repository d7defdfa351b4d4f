"""Recordings to arrays, through the same preprocessing and the same windows that live decoding uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calibration.recipe import Recipe
from calibration.sections import TargetSection
from calibration.targets import class_of, has_image, image_of, target_picks, values_at
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import PreprocessConfig, Preprocessor, WindowConfig, windows_of
from streamkit.recording import Recording, Signal
from streamkit.types import Chunk, StreamSpec, Window

CHUNK = 8192


@dataclass(frozen=True)
class Examples:
    """Windows with their targets.

    Attributes
    ----------
    X
        ``(n, n_chans, n_times)`` float32, processed.
    y
        ``(n,)`` class numbers, ``(n, n_values)`` float32, or ``(n, C, H, W)`` images.
    groups
        ``(n,)`` the group of the recording each came from.
    labels
        ``(n,)`` marker label of each; empty strings in hop mode.
    recording
        ``(n,)`` number of the recording each came from, counted over the recordings given.
    last
        ``(n,)`` index of the newest processed sample in each.
    left_out
        Counts of windows that were cut but not kept, by reason.
    """

    X: NDArray[np.float32]
    y: NDArray[np.generic]
    groups: NDArray[np.str_]
    labels: NDArray[np.str_]
    recording: NDArray[np.intp]
    last: NDArray[np.intp]
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: NDArray[np.generic]) -> Examples:
        """Return some of them: a mask or indices."""
        parts = {name: getattr(self, name)[rows] for name in ("X", "y", "groups", "labels", "recording", "last")}
        return replace(self, **parts)


def narrow(signal: Signal, ch_names: Sequence[str]) -> Signal:
    """Return the signal with only the named channels, in that order; all when none is named."""
    if not ch_names:
        return signal
    absent = [name for name in ch_names if name not in signal.spec.ch_names]
    if absent:
        raise ConfigError(
            f"stream.ch_names: {absent[0]!r} is not in stream {signal.spec.name!r}, "
            f"which has {', '.join(signal.spec.ch_names)}"
        )
    picks = [signal.spec.ch_names.index(name) for name in ch_names]
    return Signal(signal.spec.model_copy(update={"ch_names": tuple(ch_names)}), signal.data[:, picks], signal.stamps)


def input_signal(recording: Recording, name: str, ch_names: Sequence[str]) -> Signal:
    """Return the signal a decoder reads: the one called `name` (the first when empty), `ch_names` of it."""
    return narrow(recording.signal(name or None), ch_names)


def contract_stream(recordings: Sequence[Recording], recipe: Recipe) -> StreamSpec:
    """What every stream must be, taken from the first recording and checked against the others.

    Raises
    ------
    RecordingError
        When the recordings differ in channels, rate or unit.
    """
    specs = [input_signal(recording, recipe.stream.name, recipe.stream.ch_names).spec for recording in recordings]
    first = specs[0]
    for recording, spec in zip(recordings, specs, strict=True):
        for key in ("ch_names", "sfreq", "unit"):
            if getattr(spec, key) != getattr(first, key):
                raise RecordingError(
                    f"{recording.meta.name}: {key} is {getattr(spec, key)}, but {recordings[0].meta.name} has "
                    f"{getattr(first, key)}. Calibrate on recordings of one kind, or name common channels in "
                    "stream.ch_names"
                )
    return StreamSpec(type=first.type, ch_names=first.ch_names, sfreq=first.sfreq, unit=first.unit)


def process_whole(signal: Signal, spec: StreamSpec, config: PreprocessConfig) -> tuple[Chunk, StreamSpec]:
    """Push a whole signal through a fresh `Preprocessor`; one chunk and what it is."""
    preprocessor = Preprocessor(spec, config)
    parts = [preprocessor.process(chunk) for chunk in signal.chunks(CHUNK)]
    return join(parts), preprocessor.out


def join(parts: Sequence[Chunk]) -> Chunk:
    """Put consecutive chunks together."""
    if not parts:
        raise RecordingError("a signal without samples cannot be used for calibration")
    masks = {
        name: np.concatenate([getattr(part, name) for part in parts])
        if all(getattr(part, name) is not None for part in parts)
        else None
        for name in ("valid", "gap")
    }
    data, stamps = np.concatenate([p.data for p in parts]), np.concatenate([p.stamps for p in parts])
    return Chunk(data, stamps, parts[0].first, **masks)


def training_signals(recordings: Iterable[Recording], recipe: Recipe) -> Iterator[Iterator[Chunk]]:
    """Chunks of every recording's input signal, for `fit_preprocess`."""
    for recording in recordings:
        yield input_signal(recording, recipe.stream.name, recipe.stream.ch_names).chunks(CHUNK)


def image_shape(target: TargetSection) -> tuple[int, int, int]:
    """``(channels, height, width)`` of the images a recipe decodes."""
    return (1 if target.grey else 3, target.size, target.size)


def window_config(recipe: Recipe) -> WindowConfig:
    """Return the recipe's windows; unless it says otherwise, only events that name a class cut one."""
    if recipe.window.mode == "event" and recipe.window.events == ("*",) and recipe.target.classes:
        return recipe.window.model_copy(update={"events": tuple(recipe.target.classes)})
    return recipe.window


def examples_of(
    recordings: Sequence[Recording], spec: StreamSpec, config: PreprocessConfig, recipe: Recipe
) -> Examples:
    """Cut windows from recordings and look up what each should have been answered.

    Windows that hold invalid samples, and events without a target, are left out and counted.

    Raises
    ------
    RecordingError
        When not one window with a target is left.
    """
    rows: list[tuple[Window, object, str, int]] = []
    left_out: dict[str, int] = {}
    for number, recording in enumerate(recordings):
        signal = input_signal(recording, recipe.stream.name, recipe.stream.ch_names)
        processed, out = process_whole(signal, spec, config)
        cut = windows_of(processed, recording.events(), out.sfreq, window_config(recipe))
        for window, target in zip(cut, targets_of(recording, cut, recipe.target), strict=True):
            reason = "" if window.valid else "invalid samples"
            reason = reason or ("no target" if target is None else "")
            if reason:
                left_out[reason] = left_out.get(reason, 0) + 1
            else:
                rows.append((window, target, recording.meta.group, number))
    if not rows:
        names = ", ".join(recording.meta.name for recording in recordings) or "none"
        raise RecordingError(f"no window with a target in the recordings ({names}); left out: {left_out or 'none'}")
    return _stack(rows, left_out)


def targets_of(recording: Recording, windows: Sequence[Window], target: TargetSection) -> list[object]:
    """What each window should have been answered; None where nothing says so."""
    if target.kind == "class":
        names = [class_of(window.event.label, target.classes) if window.event else None for window in windows]
        return [None if name is None else target.labels.index(name) for name in names]
    if target.kind == "image":
        shape, known = image_shape(target), dict[str, object]()
        for label in {window.event.label for window in windows if window.event}:
            known[label] = image_of(recording, label, shape) if has_image(recording, label) else None
        return [known.get(window.event.label) if window.event else None for window in windows]
    signal = recording.signal(target.stream)
    stamps = np.array([window.stamp for window in windows])
    values = values_at(signal, stamps, target_picks(signal, target.ch_names), target.smooth)
    return list(values)


def _stack(rows: list[tuple[Window, object, str, int]], left_out: dict[str, int]) -> Examples:
    windows, targets, groups, numbers = zip(*rows, strict=True)
    return Examples(
        X=np.stack([np.asarray(window.data, np.float32).T for window in windows]),
        y=np.asarray(targets) if np.ndim(targets[0]) == 0 else np.stack(targets),
        groups=np.array(groups, dtype=np.str_),
        labels=np.array([window.event.label if window.event else "" for window in windows], dtype=np.str_),
        recording=np.array(numbers),
        last=np.array([window.last for window in windows]),
        left_out=left_out,
    )
