"""The side streams of a recipe: what each must be, what is learnt about it, and its samples in a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calibration.recipe import Recipe
from calibration.sections import AlsoSection
from calibration.streams import CHUNK, narrow, same_kind
from streamkit.errors import RecordingError
from streamkit.preprocess import SideStream, fit_preprocess
from streamkit.recording import Recording, Signal
from streamkit.types import Chunk


def side_streams(recordings: Sequence[Recording], recipe: Recipe) -> tuple[SideStream, ...]:
    """What every side stream must be, nothing learnt yet.

    Raises
    ------
    RecordingError
        When a recording lacks one that is not optional, or recordings differ in its channels, rate or unit.
    """
    return tuple(_side_stream(recordings, section) for section in recipe.also)


def fit_sides(recordings: Sequence[Recording], recipe: Recipe, sides: Sequence[SideStream]) -> tuple[SideStream, ...]:
    """Fill in what the preprocessing of each has to learn, from these recordings."""
    return tuple(
        side.model_copy(
            update={"preprocess": fit_preprocess(side.stream, side.preprocess, _training(recordings, section))}
        )
        for section, side in zip(recipe.also, sides, strict=True)
    )


def side_chunks(recording: Recording, recipe: Recipe) -> list[Chunk | None]:
    """All samples of every side stream; None for an optional one that was not recorded."""
    signals = (side_signal(recording, section) for section in recipe.also)
    return [None if signal is None else signal.whole() for signal in signals]


def side_signal(recording: Recording, section: AlsoSection) -> Signal | None:
    """Return the signal that a table ``[[also]]`` means; None for an optional one that was not recorded.

    Raises
    ------
    RecordingError
        When there is none of that name; lists what there is.
    """
    if section.optional and section.name not in [signal.spec.name for signal in recording.signals]:
        return None
    return narrow(recording.signal(section.name), section.ch_names)


def _side_stream(recordings: Sequence[Recording], section: AlsoSection) -> SideStream:
    found = [(recording, side_signal(recording, section)) for recording in recordings]
    there = [(recording, signal.spec) for recording, signal in found if signal is not None]
    if not there:
        raise RecordingError(f"no recording has a signal stream named {section.name!r}, which [[also]] asks for")
    stream = same_kind(there).model_copy(update={"name": section.name})
    return SideStream(stream=stream, **section.model_dump(include={"preprocess", "delay", "hold", "optional"}))


def _training(recordings: Sequence[Recording], section: AlsoSection) -> Iterator[Iterator[Chunk]]:
    for recording in recordings:
        signal = side_signal(recording, section)
        if signal is not None:
            yield signal.chunks(CHUNK)
