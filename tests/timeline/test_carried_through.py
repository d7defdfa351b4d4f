"""A stream whose time is in disorder: the same samples, gaps and predictions from the file and live."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamkit.recording import Recording, write_recording
from streamkit.types import Chunk
from streamkit.verify import compare, offline_answer, over_memory
from tests.small import SFREQ, linear_bundle, noise_recording

SETBACK_AT = 5000


def in_disorder(jitter: float = 0.0) -> Recording:
    """One sample in a hundred lost, samples and a chunk sent twice, the clock set back by five seconds."""
    recording = noise_recording(seconds=30.0, n_events=24)
    (signal,) = recording.signals
    rng = np.random.default_rng(7)
    stamps = signal.stamps + rng.uniform(-jitter, jitter, len(signal.stamps)) / SFREQ
    stamps[SETBACK_AT:] -= 5.0
    kept = np.flatnonzero(rng.uniform(size=len(stamps)) > 0.01)
    order = np.sort(np.concatenate((kept, kept[700:3000:300])))
    order = np.concatenate((order[:2000], order[1980:]))
    return replace(recording, signals=(replace(signal, data=signal.data[order], stamps=stamps[order]),))


def joined(chunks: list[Chunk], part: str) -> np.ndarray:
    return np.concatenate([getattr(chunk, part) for chunk in chunks])


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_a_file_in_chunks_is_the_whole_file(size: int) -> None:
    signal = in_disorder().signal()
    whole, chunks = signal.whole(), list(signal.chunks(size))
    for part in ("data", "stamps", "raw_stamps", "gap", "duplicate"):
        np.testing.assert_array_equal(joined(chunks, part), getattr(whole, part))
    assert [chunk.first for chunk in chunks] == list(range(0, len(signal.stamps), size))
    assert whole.duplicate.sum() == 28
    assert whole.gap.sum() == 49  # 48 losses after the first two seconds, and the clock
    assert (np.diff(whole.stamps) >= 0).all()


@pytest.mark.parametrize("gaps", ["skip", "hold", "zero", "flag"])
@pytest.mark.parametrize(("mode", "jitter"), [("hop", 0.0), ("event", 0.2)])
def test_live_equals_offline_whatever_is_done_about_gaps(tmp_path: Path, mode: str, jitter: float, gaps: str) -> None:
    recording = write_recording(in_disorder(jitter), tmp_path / "recording")
    bundle = linear_bundle(tmp_path / "bundle", mode=mode, gaps=gaps).path
    offline = offline_answer(bundle, recording, "onnxruntime")
    for seed in (0, 1):
        verdict = compare(offline, over_memory(bundle, recording, "onnxruntime", seed=seed), SFREQ)
        assert verdict.passed, verdict
    assert verdict.expected > 3


def test_made_up_samples_keep_hops_in_step_with_time(tmp_path: Path) -> None:
    recording = write_recording(in_disorder(), tmp_path / "recording")
    steps = {}
    for gaps in ("flag", "hold"):
        bundle = linear_bundle(tmp_path / gaps, mode="hop", gaps=gaps).path
        stamps = offline_answer(bundle, recording, "onnxruntime").stamps
        steps[gaps] = np.diff(stamps[stamps < 119.0])
    hop = 25 / SFREQ
    assert np.ptp(steps["flag"]) > 1 / SFREQ
    learned = steps["hold"][25:]
    np.testing.assert_allclose(learned, hop * np.rint(learned / hop), atol=0.2 / SFREQ)
