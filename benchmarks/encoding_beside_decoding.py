"""What predicting epochs costs the decoding beside it: without, on a thread of its own, on the decoding thread.

    python -m benchmarks.encoding_beside_decoding > benchmarks/results/encoding_beside_decoding.json
    python -m benchmarks.encoding_beside_decoding --rounds 1 --seconds 15

A recording of simulated noise, 63 channels at 250 Hz, is replayed by another process. A continuous decoder (BrainAE's
brain encoder with a classifier, at its published size) answers 20 times a second; the brain decoder, at its published
size, predicts an epoch of one second at 4 events a second, each of another stimulus, so that nothing comes from
memory. Weights are random. The kinds take turns, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from apps.bench.machine import machine
from calibration.export import export_graph, run_torch
from calibration.network import Network
from streamkit.bundle import Contract, EncodingSpec, load_bundle, write_bundle
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.recording import Markers, Recording, RecordingMeta, Signal, write_recording
from streamkit.session import Session, rig
from streamkit.session.errands import Errand, Errands
from streamkit.types import OutputSpec, StreamSpec

KINDS = ("without", "own_thread", "decoding_thread")
N_CHANS, N_TIMES, SFREQ, HOP, EVERY = 63, 250, 250.0, 12, 0.25
N_FEATURES = 1024
CLASSES = ("a", "b")


class Inline(Errands):
    """Does what it is handed at once, in the thread that hands it over."""

    def hand_over(self, errand: Errand) -> bool:
        """Do it now."""
        for _ in errand():
            pass
        return True


def make_recording(folder: Path, seconds: float) -> tuple[str, ...]:
    """Write noise with an event every quarter of a second; returns the labels."""
    rng, n_times = np.random.default_rng(0), round(seconds * SFREQ)
    stamps = np.arange(n_times) / SFREQ
    spec = StreamSpec(
        name="noise", type="EEG", ch_names=tuple(f"c{k}" for k in range(N_CHANS)), sfreq=SFREQ, unit="microvolts"
    )
    onsets = np.arange(1.0, seconds - 1.5, EVERY)
    labels = tuple(f"stimulus-{k}" for k in range(len(onsets)))
    marks = StreamSpec(name="events", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    signal = Signal(spec, rng.standard_normal((n_times, N_CHANS)).astype(np.float32), stamps)
    meta = RecordingMeta(name="noise", simulated=True)
    write_recording(Recording((signal,), (Markers(marks, labels, onsets),), meta=meta), folder)
    return labels


def make_bundle(folder: Path, labels: tuple[str, ...], predicts: bool) -> None:
    """Write the decoder, with or without what predicts."""
    rng = np.random.default_rng(1)
    args = {"n_chans": N_CHANS, "n_times": N_TIMES}
    networks = {"decoder": Network("brainae_classifier", {**args, "out_shape": [len(CLASSES)], "sfreq": SFREQ})}
    inputs = {"decoder": rng.standard_normal((3, N_CHANS, N_TIMES)).astype(np.float32)}
    if predicts:
        networks["predictor"] = Network("brainae_decoder", args)
        inputs["predictor"] = rng.standard_normal((3, N_FEATURES)).astype(np.float32)
    modules = {name: network.build(0).eval() for name, network in networks.items()}
    write_bundle(
        folder,
        contract=Contract(
            stream=StreamSpec(
                type="EEG", ch_names=tuple(f"c{k}" for k in range(N_CHANS)), sfreq=SFREQ, unit="microvolts"
            ),
            preprocess=PreprocessConfig.model_validate({"stages": [{"kind": "bandpass", "low": 1, "high": 40}]}),
            window=WindowConfig(mode="hop", n_times=N_TIMES, hop=HOP),
            output=OutputSpec(kind="probabilities", labels=CLASSES, shape=(2,), activation="softmax"),
            encoding=EncodingSpec(graph="predictor", labels=labels, n_times=N_TIMES) if predicts else None,
        ),
        graphs={name: export_graph(module, inputs[name]) for name, module in modules.items()},
        references={name: (inputs[name], run_torch(module, inputs[name])) for name, module in modules.items()},
        tensors={"stimulus_features": rng.standard_normal((len(labels), N_FEATURES)).astype(np.float32)},
    )


def decode(kind: str, bundle: Path, base: str, seconds: float) -> dict[str, Any]:
    """Decode in this process; returns what the session says of its time."""
    if kind == "decoding_thread":
        rig.Errands = Inline  # type: ignore[misc]
    query = {"stream": f"source_id={base}/noise", "markers": f"source_id={base}/events"}
    session = Session(load_bundle(bundle), backend="auto", real_time=False, resolve_timeout=30.0, **query)
    session.run(seconds)
    decoded, predicted = session.ledger.summary(), session.epoch_ledger.summary()
    return {
        "predictions": decoded["n"],
        "latency_ms": decoded["latency_ms"],
        "epochs": predicted["n"],
        "epoch_inference_ms": predicted["stages_ms"]["inference"],
        "epoch_skipped": session.counts.get("epoch_skipped", 0),
    }


def rounds(n: int, seconds: float, folder: Path) -> Iterator[dict[str, Any]]:
    """Every kind in turn, `n` times, in an order that rotates."""
    labels = make_recording(folder / "recording", seconds + 20)
    for predicts in (False, True):
        make_bundle(folder / f"bundle-{predicts}", labels, predicts)
    for k in range(n):
        for kind in (*KINDS[k % 3 :], *KINDS[: k % 3]):
            base = f"bench-{uuid.uuid4().hex[:8]}"
            replay = subprocess.Popen(
                [sys.executable, "-m", "apps.cli", "replay", str(folder / "recording"), "--base", base, "--loop"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                bundle = folder / f"bundle-{kind != 'without'}"
                child = [sys.executable, "-m", "benchmarks.encoding_beside_decoding", "--kind", kind]
                child += ["--bundle", str(bundle), "--base", base, "--seconds", str(seconds)]
                said = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True).stdout
            finally:
                replay.terminate()
                replay.wait()
            sys.stderr.write(f"round {k + 1}, {kind}: {said}")
            yield {"round": k, "kind": kind, **json.loads(said)}


def main() -> None:
    """Measure, or decode in a child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--base", default="")
    options = parser.parse_args()
    if options.kind:
        sys.stdout.write(json.dumps(decode(options.kind, options.bundle, options.base, options.seconds)) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        measured = list(rounds(options.rounds, options.seconds, Path(folder)))
    sys.stdout.write(json.dumps({"what": __doc__, "machine": machine(), "rounds": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
