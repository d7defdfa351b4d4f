"""Recordings to arrays, through the same preprocessing and the same windows that live decoding uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calibration.also import side_chunks
from calibration.recipe import Recipe
from calibration.sections import TargetSection
from calibration.streams import input_signal, process_whole
from calibration.targets import class_of, features_of, has_image, image_of, target_picks, values_at
from streamkit.errors import RecordingError
from streamkit.preprocess import PreprocessConfig, Preprocessor, SideStream, WindowConfig, align_whole, windows_of
from streamkit.recording import Recording
from streamkit.types import Chunk, StreamSpec, Window

WHY = {
    "gap": "a gap",
    "late": "a beginning before the recording's",
    "no_sample": "no sample at their event",
    "incomplete": "an end behind the recording's",
}
"""What a report says for the reasons of `Windower.counts`: so many windows were left out with this."""


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
        Counts of windows that were not cut or not kept, by reason.
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

    @classmethod
    def counted(cls, n: int, left_out: Mapping[str, int]) -> Examples:
        """Return as many, without their data, for a report that asks how many windows there were."""
        names, nobody = np.full(n, "", np.str_), np.zeros(n, np.intp)
        X, y = np.empty((n, 0, 0), np.float32), np.empty(n, np.float32)
        return cls(X, y, names, names, nobody, nobody, dict(left_out))


@dataclass(frozen=True)
class Tally:
    """How many windows of a recording of `length` seconds were not cut, and how many not kept, by reason."""

    recording: Recording
    length: float
    not_cut: Counter[str] = field(default_factory=Counter)
    not_kept: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Cut:
    """One processed recording, whose windows are cut as live decoding does; those not used are counted."""

    recording: Recording
    processed: Chunk
    sfreq: float
    window: WindowConfig
    tally: Tally

    def valid(self) -> list[Window]:
        """Every window that can be cut and holds no invalid sample."""
        events = self.recording.events() if self.window.mode == "event" else ()
        windows = windows_of(self.processed, events, self.sfreq, self.window, self.tally.not_cut)
        kept = [window for window in windows if window.valid]
        if len(kept) < len(windows):
            self.tally.not_kept["invalid samples"] += len(windows) - len(kept)
        return kept

    def shown(self) -> list[tuple[Window, str]]:
        """Valid windows behind events that show a known image, each with its event's label."""
        found = []
        for window in self.valid():
            if window.event and has_image(self.recording, window.event.label):
                found.append((window, window.event.label))
            else:
                self.leave_out("no target")
        return found

    def leave_out(self, reason: str) -> None:
        """Count a window that is not used."""
        self.tally.not_kept[reason] += 1


class Cutting:
    """Cuts one recording after another, and knows how many windows were not used, by reason.

    Parameters
    ----------
    spec, config
        What the recordings are, and the preprocessing that goes before.
    also
        Side streams, aligned with the processed samples.

    Attributes
    ----------
    out
        What comes out of the preprocessing, without side streams.
    """

    def __init__(
        self, recipe: Recipe, spec: StreamSpec, config: PreprocessConfig, also: Sequence[SideStream] = ()
    ) -> None:
        self._recipe, self._spec, self._config, self._also = recipe, spec, config, also
        self._window, self.out = window_config(recipe), Preprocessor(spec, config).out
        self._tallies: list[Tally] = []

    def __call__(self, recording: Recording) -> Cut:
        """One recording, processed."""
        signal = input_signal(recording, self._recipe.stream.name, self._recipe.stream.ch_names)
        processed, _ = process_whole(signal, self._spec, self._config)
        if self._also:
            processed = align_whole(processed, self._also, side_chunks(recording, self._recipe))
        self._tallies.append(Tally(recording, len(processed) / self.out.sfreq))
        return Cut(recording, processed, self.out.sfreq, self._window, self._tallies[-1])

    @property
    def left_out(self) -> dict[str, int]:
        """How many windows were not used, by reason: what was not cut, then what was not kept."""
        not_cut, not_kept = _sums(self._tallies)
        return {WHY.get(name, name): n for name, n in not_cut.items()} | dict(not_kept)

    def nothing(self, what: str, recordings: Sequence[Recording]) -> RecordingError:
        """The error that says that these recordings have no window, and why."""
        own = [tally for tally in self._tallies if any(tally.recording is each for each in recordings)]
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(sum(_sums(own), Counter()).items())) or "none"
        names = ", ".join(each.meta.name for each in recordings) or "none"
        spans = f". {_spans(self._window, self.out.sfreq, [tally.length for tally in own])}" if own else ""
        return RecordingError(f"{what} in the recordings ({names}); left out: {why}{spans}")


def _sums(tallies: Sequence[Tally]) -> tuple[Counter[str], Counter[str]]:
    """What was not cut, and what was not kept, of all of them."""
    return sum((each.not_cut for each in tallies), Counter()), sum((each.not_kept for each in tallies), Counter())


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

    Events without a window, windows that hold invalid samples and those without a target are left out and counted.

    Raises
    ------
    RecordingError
        When not one window with a target is left; says why.
    """
    rows: list[tuple[Window, object, str, int]] = []
    cutting = Cutting(recipe, spec, config, also)
    for number, recording in enumerate(recordings):
        cut = cutting(recording)
        windows = cut.valid()
        for window, target in zip(windows, targets_of(recording, windows, recipe.target), strict=True):
            if target is None:
                cut.leave_out("no target")
            else:
                rows.append((window, target, recording.meta.group, number))
    if not rows:
        raise cutting.nothing("no window with a target", recordings)
    return _stack(rows, cutting.left_out)


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
