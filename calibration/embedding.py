"""What a bundle that embeds is scored by: pictures found again, and epochs predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.scores import encoding, top_k
from calibration.metrics import Draws, Score
from calibration.streams import narrow, process_whole
from calibration.tables import items
from streamkit.bundle import ModelBundle
from streamkit.encoding import Predictor
from streamkit.inference import Wishes
from streamkit.preprocess import windows_of
from streamkit.recording import Recording

Array = NDArray[np.floating]


def retrieval_scores(
    values: Array, right: NDArray[np.integer], draws: Draws, thing: NDArray[np.integer] | None = None
) -> list[Score]:
    """Whether the picture that was seen is the likeliest, and among the five likeliest.

    Parameters
    ----------
    values
        ``(n, n_pictures)`` what was said of each.
    right
        ``(n,)`` which one it was.
    thing
        ``(n_pictures,)`` which thing each shows, where whole things are drawn and permuted.
    """
    if thing is not None:
        from calibration.image2ecog.pictures import retrieval

        found = retrieval(values, np.asarray(right, int), thing, draws)
    else:
        found = top_k(values, np.asarray(right, int), draws, "retrieval")
    return [items.score([each], draws) for each in found]


def encoding_scores(
    bundle: ModelBundle,
    recordings: Sequence[Recording],
    draws: Draws,
    wishes: Wishes,
    things: Mapping[str, int] | None = None,
) -> list[Score]:
    """How well a bundle predicts the mean epoch of each known stimulus; nothing where it predicts or sees none.

    Parameters
    ----------
    things
        Which thing each stimulus shows, by label, where whole things are drawn and permuted.
    """
    predictor = bundle.open_predictor(wishes)
    if predictor is None:
        return []
    try:
        labels, *means = mean_epochs(bundle, predictor, recordings)
    finally:
        predictor.close()
    if len(labels) < 2:
        return []
    if things is not None:
        from calibration.image2ecog.pictures import encoding_of_things

        return encoding_of_things(labels, *means, things, draws)
    return [items.score([each], draws) for each in encoding(*means, draws)]


def mean_epochs(
    bundle: ModelBundle, predictor: Predictor, recordings: Sequence[Recording]
) -> tuple[list[str], Array, Array]:
    """Labels of the stimuli that were shown, and the predicted and mean recorded epoch ``(n, n_chans, n_times)``."""
    epochs = epochs_of(bundle, recordings)
    predicted = [predictor.predict(label).T for label in epochs]
    recorded = [np.mean(shown, axis=0, dtype=np.float64).astype(np.float32) for shown in epochs.values()]
    if not epochs:
        nothing = np.empty((0, bundle.contract.processed.n_chans, predictor.spec.n_times), np.float32)
        return [], nothing, nothing
    return list(epochs), np.stack(predicted), np.stack(recorded)


def epochs_of(bundle: ModelBundle, recordings: Sequence[Recording]) -> dict[str, list[Array]]:
    """Recorded epochs ``(n_chans, n_times)`` of every known stimulus, but for those that hold invalid samples."""
    contract, found = bundle.contract, dict[str, list[Array]]()
    if contract.encoding is None:
        return found
    known = set(contract.encoding.labels)
    for recording in recordings:
        signal = narrow(recording.signal(contract.stream.name or None), contract.stream.ch_names)
        processed, out = process_whole(signal, contract.stream, contract.preprocess)
        events = [event for event in recording.events() if event.label in known]
        for window in windows_of(processed, events, out.sfreq, contract.encoding.window):
            if window.valid and window.event is not None:
                found.setdefault(window.event.label, []).append(np.asarray(window.data, np.float32).T)
    return found
