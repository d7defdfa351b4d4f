"""Recordings to arrays, through the same preprocessing and the same windows that live decoding uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calibration.also import side_chunks
from calibration.recipe import Recipe
from calibration.sections import TargetSection
from calibration.streams import input_signal, process_whole
from calibration.targets import class_of, features_of, has_image, image_of, target_picks, values_at
from streamkit.errors import RecordingError
from streamkit.preprocess import PreprocessConfig, SideStream, WindowConfig, align_whole, windows_of
from streamkit.recording import Recording
from streamkit.types import StreamSpec, Window


@dataclass(frozen=True)
class Examples:
    """Windows with their targets.

    Attributes
    ----------
    X
        ``(n, n_chans, n_times)`` float32, processed.
    y
        ``(n,)`` class numbers, ``(n, n_values)`` float32, ``(n, C, H, W)`` images, or their ``(n, n_features)``.
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


def image_shape(target: TargetSection) -> tuple[int, int, int]:
    """``(channels, height, width)`` of the images a recipe decodes."""
    return (1 if target.grey else 3, target.size, target.width or target.size)


def window_config(recipe: Recipe) -> WindowConfig:
    """Return the recipe's windows; unless it says otherwise, only events that name a class cut one."""
    if recipe.window.mode == "event" and recipe.window.events == ("*",) and recipe.target.classes:
        return recipe.window.model_copy(update={"events": tuple(recipe.target.classes)})
    return recipe.window


def examples_of(
    recordings: Sequence[Recording],
    spec: StreamSpec,
    config: PreprocessConfig,
    recipe: Recipe,
    also: Sequence[SideStream] = (),
) -> Examples:
    """Cut windows from recordings, side streams aligned, and look up what each should have been answered.

    Windows that hold invalid samples, and events without a target, are left out and counted.

    Raises
    ------
    RecordingError
        When not one window with a target is left; says why.
    """
    rows: list[tuple[Window, object, str, int]] = []
    left_out: dict[str, int] = {}
    not_cut: Counter[str] = Counter()
    lengths: list[float] = []
    for number, recording in enumerate(recordings):
        signal = input_signal(recording, recipe.stream.name, recipe.stream.ch_names)
        processed, out = process_whole(signal, spec, config)
        if also:
            processed = align_whole(processed, also, side_chunks(recording, recipe))
        cut = windows_of(processed, recording.events(), out.sfreq, window_config(recipe), not_cut)
        lengths.append(len(processed) / out.sfreq)
        for window, target in zip(cut, targets_of(recording, cut, recipe.target), strict=True):
            reason = "" if window.valid else "invalid samples"
            reason = reason or ("no target" if target is None else "")
            if reason:
                left_out[reason] = left_out.get(reason, 0) + 1
            else:
                rows.append((window, target, recording.meta.group, number))
    if not rows:
        names = ", ".join(recording.meta.name for recording in recordings) or "none"
        why = ", ".join(f"{n} {reason}" for reason, n in sorted((not_cut + Counter(left_out)).items())) or "none"
        raise RecordingError(
            f"no window with a target in the recordings ({names}); left out: {why}"
            + (f". {_spans(window_config(recipe), out.sfreq, lengths)}" if lengths else "")
        )
    return _stack(rows, left_out)


def _spans(window: WindowConfig, sfreq: float, lengths: Sequence[float]) -> str:
    """How long a window is beside the recordings, in words; `sfreq` in Hz, `lengths` in seconds."""
    begins = f" and begins {window.tmin:g} s after its event" if window.mode == "event" else ""
    around = f", its baseline is {list(window.baseline)} s after it" if window.baseline else ""
    shortest, longest = min(lengths), max(lengths)
    length = f"{shortest:.1f} s" if shortest == longest else f"{shortest:.1f} to {longest:.1f} s"
    return (
        f"A window is {window.n_times / sfreq:g} s long (n_times {window.n_times} at {sfreq:g} Hz){begins}{around}; "
        f"the recordings are {length} long"
    )


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
    if target.kind == "embedding":
        labels = {window.event.label for window in windows if window.event}
        features = features_of(recording, sorted(labels), image_shape(target), target.features, target.weights)
        return [features.get(window.event.label) if window.event else None for window in windows]
    if target.kind == "response":
        labels = [window.event.label if window.event else "" for window in windows]
        return [label if has_image(recording, label) else None for label in labels]
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
