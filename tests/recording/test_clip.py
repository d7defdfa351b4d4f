"""Parts of a recording by time."""

from __future__ import annotations

import numpy as np
import pytest

from streamkit.errors import ConfigError
from streamkit.recording import Recording
from streamkit.recording.clip import clip


def test_the_beginning_is_in_and_the_end_is_not(whole: Recording) -> None:
    counts = whole.signals[0]
    part = clip(whole, 0.1, 0.2)
    begin = whole.span[0]
    kept = (counts.stamps >= begin + 0.1) & (counts.stamps < begin + 0.2)
    assert np.array_equal(part.signals[0].stamps, counts.stamps[kept])
    assert np.array_equal(part.signals[0].data, counts.data[kept])


def test_markers_keep_their_columns(whole: Recording) -> None:
    flashes = clip(whole, 1.0).markers[0]
    assert flashes.labels == ("höuse\n2", "face")
    assert flashes.columns["trial"] == [2, 3]


def test_without_limits_all_is_kept(whole: Recording) -> None:
    assert [len(s.stamps) for s in clip(whole).signals] == [len(s.stamps) for s in whole.signals]


def test_a_part_where_nothing_is_says_how_long_the_recording_is(whole: Recording) -> None:
    with pytest.raises(ConfigError, match=r"nothing lies between 100 s and the end; the recording lasts 4.0 s"):
        clip(whole, 100)
    with pytest.raises(ConfigError, match=r"nothing lies between 3 s and 2 s"):
        clip(whole, 3, 2)
