"""The rate a stream has, whatever is missing or doubled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamkit.timeline import Timeline, effective_rate
from streamkit.types import Chunk


def examined(raw: np.ndarray, sfreq: float) -> Chunk:
    data = np.arange(len(raw))[:, None]
    corrected = Timeline(sfreq).correct(raw, data)
    return Chunk(data, corrected.stamps, gap=corrected.gap, duplicate=corrected.duplicate)


@pytest.mark.parametrize("off", [0.98, 1.0, 1.003])
def test_a_steady_rate_is_measured(off):
    samples = examined(1e9 + np.arange(3000) / (256.0 * off), 256.0)
    assert effective_rate(samples, 1 / 256) == pytest.approx(256.0 * off, rel=1e-5)


def test_bursts_do_not_disturb_it():
    stamps = np.repeat(np.arange(0, 3000, 12), 12) / 256.0
    assert effective_rate(Chunk(stamps[:, None], stamps), 1 / 256) == pytest.approx(256.0, rel=2e-3)


def test_lost_samples_and_gaps_do_not_lower_it():
    raw = np.delete(np.arange(3000) / 100.0, np.r_[1000:2000:50])
    raw[2500:] += 30.0
    assert effective_rate(examined(raw, 100.0), 0.01) == pytest.approx(100.0, rel=1e-4)


def test_samples_sent_twice_do_not_raise_it():
    raw = np.arange(2000) / 100.0
    order = np.concatenate((np.arange(1000), np.arange(900, 2000)))
    corrected = Timeline(100.0).correct(raw[order], raw[order, None])
    samples = Chunk(raw[order, None], corrected.stamps, gap=corrected.gap, duplicate=corrected.duplicate)
    assert effective_rate(samples, 0.01) == pytest.approx(100.0, rel=5e-3)


@pytest.mark.parametrize("stamps", [[], [1.0, 2.0], [1.0, 1.0, 1.0]])
def test_too_little_says_nothing(stamps):
    assert math.isnan(effective_rate(Chunk(np.zeros((len(stamps), 1)), np.array(stamps, float)), 0.01))
