"""A recording of several streams and a bundle that reads them all. All data here are simulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from streamkit.bundle import Contract, GraphFiles, ModelBundle, SideStream, write_bundle
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.recording import Recording, Signal
from streamkit.types import OutputSpec, StreamSpec
from tests.small import BANDPASS, SFREQ, linear_onnx, noise_recording

FORCE = StreamSpec(name="force", type="Force", ch_names=("grip", "load"), sfreq=50.0, unit="N")
GAZE = StreamSpec(name="gaze", type="Gaze", ch_names=("x", "y"), sfreq=0.0, channel_format="double64")
N_TIMES = 50


def side_streams(delay: float = 0.05, **gaze: Any) -> tuple[SideStream, SideStream]:
    """A force at a fifth of the rate behind a low-pass, and an irregular gaze as it is."""
    lowpass = PreprocessConfig.model_validate({"stages": [{"kind": "lowpass", "freq": 10.0}]})
    return (
        SideStream(stream=FORCE.model_copy(update={"ch_names": ("grip",)}), preprocess=lowpass, delay=delay),
        SideStream(stream=GAZE.model_copy(update={"channel_format": "float32"}), delay=delay, **gaze),
    )


def several_recording(seconds: float = 6.0, seed: int = 0) -> Recording:
    """`noise_recording` with a force of 50 Hz and a gaze at random times, both from half a second earlier on."""
    recording = noise_recording(seconds, seed=seed)
    rng = np.random.default_rng(seed + 1)
    begin = recording.signal().stamps[0] - 0.5
    force = begin + np.arange(round((seconds + 1) * 50)) / 50 + 0.0003
    gaze = begin + np.sort(rng.uniform(0, seconds + 1, round(20 * seconds)))
    more = (
        Signal(FORCE, rng.standard_normal((len(force), 2)).astype(np.float32), force),
        Signal(GAZE, rng.standard_normal((len(gaze), 2)), gaze),
    )
    return replace(recording, signals=(*more[1:], *recording.signals, *more[:1]))


def several_contract(mode: str = "hop", also: tuple[SideStream, ...] | None = None) -> Contract:
    """Contract of a decoder for the amplifier and its side streams."""
    timing = {"hop": 25} if mode == "hop" else {"tmin": -0.1, "baseline": (-0.1, 0.0)}
    return Contract(
        stream=StreamSpec(type="EEG", ch_names=tuple(f"E{i}" for i in range(4)), sfreq=SFREQ, unit="microvolts"),
        preprocess=PreprocessConfig.model_validate({"stages": BANDPASS}),
        window=WindowConfig.model_validate({"mode": mode, "n_times": N_TIMES, **timing}),
        output=OutputSpec(kind="values", labels=("a", "b"), shape=(2,)),
        also=side_streams() if also is None else also,
    )


def several_bundle(path: Path, **options: Any) -> ModelBundle:
    """Bundle of one linear map over the channels of the amplifier and of its side streams."""
    contract = several_contract(**options)
    n_chans = contract.processed.n_chans
    content = linear_onnx(n_chans, N_TIMES, 2)
    weights = numpy_helper.to_array(onnx.load_from_string(content).graph.initializer[0])
    x = np.random.default_rng(2).standard_normal((4, n_chans, N_TIMES)).astype(np.float32)
    return write_bundle(
        path,
        contract=contract,
        graphs={"decoder": GraphFiles(onnx=content)},
        references={"decoder": (x, (x.reshape(len(x), -1) @ weights).astype(np.float32))},
    )
