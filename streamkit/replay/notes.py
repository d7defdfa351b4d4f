"""What a user should know about a recording before it is replayed."""

from __future__ import annotations

import numpy as np

from streamkit.recording import Markers, Recording, Signal
from streamkit.timeline import Timeline
from streamkit.types import Stamps

WORTH_S = 1.0
"""Silence shorter than this is not worth a word."""

SEVERAL = 3


def notes_of(recording: Recording) -> list[str]:
    """Streams that are empty, begin late or end early; long gaps; clocks that were set back."""
    streams: tuple[Signal | Markers, ...] = (*recording.signals, *recording.markers)
    notes = [f"{stream.spec.name} is empty and is not published" for stream in streams if not len(stream.stamps)]
    signals = [signal for signal in recording.signals if len(signal.stamps)]
    timelines = [Timeline(signal.spec.sfreq) for signal in signals]
    stamps = [line.correct(signal.stamps, signal.data).stamps for line, signal in zip(timelines, signals, strict=True)]
    spans = [(one.min(), one.max()) for one in (*stamps, *(m.stamps for m in recording.markers)) if len(one)]
    begin, end = min(first for first, _ in spans), max(last for _, last in spans)
    for signal, line, own in zip(signals, timelines, stamps, strict=True):
        said = [*absence(own, begin, end), *(pauses(own, begin, line.period) if signal.spec.sfreq else [])]
        if back := line.counts["backward"]:
            said.append(f"has stamps of a clock that was set back (times: {back}); they are sent as recorded")
        notes += [f"{signal.spec.name} {what}" for what in said]
    return notes


def absence(stamps: Stamps, begin: float, end: float) -> list[str]:
    """Whether a signal begins late or ends early."""
    late, early = stamps[0] - begin, end - stamps[-1]
    notes = [f"begins {late:.1f} s after the first stream does"] if late >= WORTH_S else []
    return [*notes, f"ends {early:.1f} s before the last stream does"] if early >= WORTH_S else notes


def pauses(stamps: Stamps, begin: float, period: float) -> list[str]:
    """Long gaps in a signal of a steady rate."""
    steps = np.diff(stamps)
    long = np.flatnonzero(steps >= max(WORTH_S, 2.5 * period))
    notes = [f"pauses for {steps[i]:.1f} s from {stamps[i] - begin:.1f} s on" for i in long[:SEVERAL].tolist()]
    if len(long) > SEVERAL:
        notes.append(f"pauses {len(long)} times in all, for {steps[long].sum():.1f} s")
    return notes
