"""The signal of a recording that a recipe means, chunk by chunk or whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from calibration.recipe import Recipe
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.recording import Recording, Signal
from streamkit.types import Chunk, StreamSpec

CHUNK = 8192


def narrow(signal: Signal, ch_names: Sequence[str]) -> Signal:
    """Return the signal with only the named channels, in that order; all when none is named."""
    if not ch_names:
        return signal
    absent = [name for name in ch_names if name not in signal.spec.ch_names]
    if absent:
        raise ConfigError(
            f"ch_names: {absent[0]!r} is not in stream {signal.spec.name!r}, "
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
    stream = same_kind([(r, input_signal(r, recipe.stream.name, recipe.stream.ch_names).spec) for r in recordings])
    # Beside other streams its name may have to tell it from them.
    return stream.model_copy(update={"name": recipe.stream.name}) if recipe.also else stream


def same_kind(found: Sequence[tuple[Recording, StreamSpec]]) -> StreamSpec:
    """What the same stream is in every recording, without its name.

    Raises
    ------
    RecordingError
        When the recordings differ in channels, rate or unit.
    """
    model, first = found[0]
    for recording, spec in found:
        for key in ("ch_names", "sfreq", "unit"):
            if getattr(spec, key) != getattr(first, key):
                raise RecordingError(
                    f"{recording.meta.name}: {key} of stream {spec.name!r} is {getattr(spec, key)}, but "
                    f"{model.meta.name} has {getattr(first, key)}. Calibrate on recordings of one kind, or name common "
                    "channels in ch_names"
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
