"""The offline answer: from the file alone, in one pass, in a process of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from streamkit.bundle import Contract, contract_signals, load_bundle
from streamkit.inference import Runner, Wishes
from streamkit.lsl.contract import channel_picks
from streamkit.preprocess import Preprocessor, align_whole, windows_of
from streamkit.recording import Recording, Signal, read_recording
from streamkit.types import Chunk, Prediction, StreamSpec, Window
from streamkit.verify.answer import Answer, Taken, place_of
from streamkit.verify.epochs import offline_epochs


def offline_answer(
    bundle_path: Path, recording_path: Path, backend: Wishes = "auto", taken: Taken | None = None
) -> Answer:
    """Answer from the file alone: the whole signals as one chunk each, windows sliced from the result.

    Parameters
    ----------
    bundle_path, recording_path
        What to run and on what.
    backend
        What to run it with; a word is a backend.
    taken
        How many steps to take where the live answer took as many as there was time for; nothing else of it is known
        here.
    """
    bundle, recording = load_bundle(bundle_path), read_recording(recording_path)
    contract = bundle.contract
    processed = offline_samples(contract, recording)
    windows = windows_of(processed, recording.events(), contract.processed.sfreq, contract.window)
    runner = bundle.open_runner(backend)
    predictions = _answered(windows, runner, contract.preprocess.on_gap == "reset", taken or {})
    answer = Answer.of(runner.backend, predictions, contract.output.shape)
    runner.close()
    return dataclasses.replace(answer, epochs=offline_epochs(bundle, processed, recording.events(), backend))


def _answered(windows: Sequence[Window], runner: Runner, resets: bool, taken: Taken) -> list[Prediction]:
    predictions: list[Prediction] = []
    for seq, window in enumerate(windows):
        if seq == 0 or (resets and window.gaps != windows[seq - 1].gaps):
            runner.reset()
        x = np.ascontiguousarray(window.data.T, np.float32)[None]
        values = runner.infer(x, window.last, taken.get(place_of(window.last, window.event)))
        predictions.append(Prediction(values, window.stamp, window.last, seq, window.event, steps=runner.steps))
    return predictions


def offline_samples(contract: Contract, recording: Recording) -> Chunk:
    """Process and align every sample of a recording, in one pass."""
    signal, sides = contract_signals(contract, recording)
    processed = Preprocessor(contract.stream, contract.preprocess).process(_whole(signal, contract.stream))
    if not contract.also:
        return processed
    whole = [
        None if side is None else _whole(side, config.stream) for side, config in zip(sides, contract.also, strict=True)
    ]
    return align_whole(processed, contract.also, whole)


def _whole(signal: Signal, expected: StreamSpec) -> Chunk:
    picks, whole = channel_picks(expected, signal.spec), signal.whole()
    return whole if picks is None else dataclasses.replace(whole, data=whole.data[:, picks])


def offline_in_its_own_process(
    bundle_path: Path, recording_path: Path, backend: Wishes = "auto", taken: Taken | None = None
) -> Answer:
    """`offline_answer` computed by a fresh process that shares nothing with this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(offline_answer, bundle_path, recording_path, backend, taken).result()
