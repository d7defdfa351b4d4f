"""The predicted and recorded epochs of known stimuli, offline and live."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamkit.bundle import ModelBundle
from streamkit.encoding import Predictor
from streamkit.inference import Wishes
from streamkit.preprocess import windows_of
from streamkit.types import Chunk, Event, Prediction, Window
from streamkit.verify.answer import Answer


def offline_epochs(
    bundle: ModelBundle, processed: Chunk, events: Iterable[Event], backend: Wishes = "auto"
) -> Answer | None:
    """Predict and cut the epochs of one whole processed recording; None where the bundle predicts none."""
    predictor, spec = bundle.open_predictor(backend), bundle.contract.encoding
    if predictor is None or spec is None:
        return None
    known = [event for event in events if event.label in spec.labels]
    try:
        windows = windows_of(processed, known, bundle.contract.processed.sfreq, spec.window)
        return epochs_answer(bundle, predictor, windows)
    finally:
        predictor.close()


def epochs_answer(bundle: ModelBundle, predictor: Predictor, windows: Iterable[Window]) -> Answer:
    """Collect what is predicted for epochs, beside what was recorded."""
    epochs: list[Prediction] = []
    for window in windows:
        predicted = predictor.predict(window.event.label if window.event else "")
        both = np.stack([predicted.T, np.asarray(window.data, np.float32).T])
        epochs.append(Prediction(both, window.stamp, window.last, len(epochs), window.event, window.valid))
    return Answer.of(predictor.choice.name, epochs, epoch_shape(bundle))


def epoch_shape(bundle: ModelBundle) -> tuple[int, int, int]:
    """``(2, n_chans, n_times)``: predicted and recorded."""
    spec = bundle.contract.encoding
    return 2, bundle.contract.processed.n_chans, 0 if spec is None else spec.n_times
