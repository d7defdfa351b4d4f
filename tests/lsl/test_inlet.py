"""What arrives is what was sent: every sample once, in order, with its stamp."""

from __future__ import annotations

import json

import numpy as np
import pylsl
import pytest

from streamkit.errors import StreamError, StreamLost
from streamkit.lsl import MarkerInlet, MarkerOutlet, SignalInlet, SignalOutlet, find_one
from streamkit.lsl.inlet import ClockOffset, replay_speed, ring_for
from streamkit.timeline import Timeline
from streamkit.types import StreamSpec

pytestmark = pytest.mark.lsl


def connect(source_id: str, n_chans: int = 3, channel_format: str = "float32") -> tuple[SignalOutlet, SignalInlet]:
    names = tuple(f"c{k}" for k in range(n_chans))
    spec = StreamSpec(name="amp", type="EEG", ch_names=names, sfreq=1000.0, source_id=source_id)
    outlet = SignalOutlet(spec.model_copy(update={"channel_format": channel_format}))
    inlet = SignalInlet(find_one(f"source_id={source_id}"))
    inlet.open()
    return outlet, inlet


def numbered(n_times: int, n_chans: int = 3) -> np.ndarray:
    return np.arange(n_times * n_chans).reshape(n_times, n_chans)


@pytest.mark.parametrize(
    ("channel_format", "dtype"),
    [("float32", "f4"), ("double64", "f8"), ("int16", "i2"), ("int32", "i4"), ("int64", "i8")],
)
def test_a_burst_arrives_whole_with_the_stamps_it_was_given(unique_id: str, channel_format: str, dtype: str) -> None:
    outlet, inlet = connect(unique_id, channel_format=channel_format)
    n_times = 10000
    data = numbered(n_times) % 30000
    stamps = pylsl.local_clock() + np.sort(np.random.default_rng(0).uniform(0, 9, n_times))
    outlet.push(data, stamps)
    got, seen = 0, []
    while got < n_times:
        chunk = inlet.pull(5.0)
        assert len(chunk), "samples were lost"
        assert chunk.first == got
        assert chunk.data.dtype == dtype
        np.testing.assert_array_equal(chunk.data, data[got : got + len(chunk)])
        seen.append(chunk)
        got += len(chunk)
    np.testing.assert_array_equal(np.concatenate([c.stamps for c in seen]), stamps)
    np.testing.assert_array_equal(np.concatenate([c.raw_stamps for c in seen]), stamps)
    inlet.close()


def test_samples_lie_in_the_ring_and_other_readers_see_them(unique_id: str) -> None:
    outlet, inlet = connect(unique_id)
    cursor = inlet.ring.cursor()
    stamps = pylsl.local_clock() + np.arange(5) / 1000
    outlet.push(numbered(5).astype(np.float32), stamps)
    before = pylsl.local_clock()
    chunk = inlet.pull(5.0)
    assert np.shares_memory(chunk.data, inlet.ring.view(0, len(chunk)).data)
    assert before <= chunk.arrival <= pylsl.local_clock()
    while cursor.available < 5:
        assert len(inlet.pull(5.0))
    read = cursor.read()
    np.testing.assert_array_equal(read.data, numbered(5))
    np.testing.assert_array_equal(read.stamps, stamps)


def test_nothing_in_time_is_an_empty_chunk(unique_id: str) -> None:
    _, inlet = connect(unique_id)
    chunk = inlet.pull(0.01)
    assert chunk.data.shape == (0, 3)
    assert len(chunk.stamps) == len(chunk.raw_stamps) == 0


def test_stamps_that_step_back_are_held_and_the_raw_ones_kept(unique_id: str) -> None:
    outlet, inlet = connect(unique_id)
    raw = np.array([10.0, 10.2, 10.1, 10.3])
    for part in (slice(0, 2), slice(2, 4)):
        outlet.push(numbered(2), raw[part])
    chunks = []
    while sum(map(len, chunks)) < 4:
        chunks.append(inlet.pull(5.0))
    np.testing.assert_array_equal(np.concatenate([c.stamps for c in chunks]), [10.0, 10.2, 10.2, 10.3])
    np.testing.assert_array_equal(np.concatenate([c.raw_stamps for c in chunks]), raw)


def test_gaps_and_duplicates_are_found_and_kept_in_the_ring(unique_id: str) -> None:
    outlet, inlet = connect(unique_id)
    data, stamps = numbered(6000).astype(np.float32), 50.0 + np.arange(6000) / 1000
    stamps[5500:] -= 5.0
    order = np.delete(np.concatenate((np.arange(4000), np.arange(3990, 6000))), 3000)
    chunks = []
    for part in np.array_split(order, 300):
        outlet.push(data[part], stamps[part])
    while sum(map(len, chunks)) < len(order):
        chunks.append(inlet.pull(5.0))
        assert len(chunks[-1]), "samples were lost"
    held = inlet.ring.view(0, len(order))
    for part in ("stamps", "raw_stamps", "gap", "duplicate"):
        np.testing.assert_array_equal(np.concatenate([getattr(c, part) for c in chunks]), getattr(held, part))
    np.testing.assert_array_equal(held.raw_stamps, stamps[order])
    assert np.flatnonzero(held.gap).tolist() == [3000, 5509]
    assert np.flatnonzero(held.duplicate).tolist() == list(range(3999, 4009))
    assert inlet.timeline.counts == {"gaps": 2, "missing": 1, "duplicates": 10, "backward": 1}
    assert (np.diff(held.stamps) >= 0).all()


@pytest.mark.parametrize(("said", "speed"), [("4", 4.0), ("0.5", 0.5), ("fast", 1.0), ("-1", 1.0), (None, 1.0)])
def test_the_speed_of_a_replay_is_in_its_description(said: str | None, speed: float) -> None:
    description = {} if said is None else {"speed": said}
    assert replay_speed(StreamSpec(ch_names=("a",), sfreq=100.0, description=description)) == speed


def test_values_that_are_not_finite_are_passed_on(unique_id: str) -> None:
    outlet, inlet = connect(unique_id, n_chans=2)
    outlet.push(np.array([[np.nan, np.inf]], np.float32), np.array([1.0]))
    np.testing.assert_array_equal(inlet.pull(5.0).data, [[np.nan, np.inf]])


def test_a_text_stream_is_not_a_signal(unique_id: str) -> None:
    outlet = MarkerOutlet("events", unique_id)
    with pytest.raises(StreamError, match="carries text; a signal stream must be numeric"):
        SignalInlet(find_one(f"source_id={unique_id}"))
    outlet.close()


def test_a_source_that_is_gone_does_not_answer(unique_id: str) -> None:
    outlet = MarkerOutlet("events", unique_id)
    info = find_one(f"source_id={unique_id}", timeout=30)
    outlet.close()
    with pytest.raises(StreamLost, match=r"was seen but did not answer within 0\.2 s"):
        MarkerInlet(info, timeout=0.2)


@pytest.mark.parametrize(
    ("channel_format", "labels", "expected"),
    [
        ("string", ["face_07", "", "häuser ☂"], ["face_07", "", "häuser ☂"]),
        ("int32", ["7", "-1", "123456"], ["7", "-1", "123456"]),
        ("float32", ["1.0", "0.5", "2"], ["1", "0.5", "2"]),
        ("int32", ["1000001", "1000002", "16777215"], ["1000001", "1000002", "16777215"]),
        (
            "double64",
            ["1000001", "1000002", "16777215", "1234567.5"],
            ["1000001", "1000002", "16777215", "1.23457e+06"],
        ),
    ],
)
def test_markers_arrive_as_events(unique_id: str, channel_format: str, labels: list[str], expected: list[str]) -> None:
    outlet = MarkerOutlet("events", unique_id, channel_format)
    inlet = MarkerInlet(find_one(f"source_id={unique_id}", kind="markers"))
    inlet.open()
    assert inlet.pull() == []
    for k, label in enumerate(labels):
        outlet.push(label, 5.0 + k)
    events = []
    while len(events) < len(labels):
        events += inlet.pull(5.0)
    assert [(e.label, e.stamp, e.stream) for e in events] == [(x, 5.0 + k, "events") for k, x in enumerate(expected)]
    outlet.close()


def test_a_marker_that_is_not_utf8_arrives_with_the_bytes_that_were_sent(unique_id: str) -> None:
    outlet = MarkerOutlet("events", unique_id)
    inlet = MarkerInlet(find_one(f"source_id={unique_id}", kind="markers"))
    inlet.open()
    sent = [b"before", b"gr\xfcn", "nach grün".encode()]
    for stamp, label in enumerate(sent, 5):
        outlet.lsl.push_sample([label], float(stamp))
    events = []
    while len(events) < len(sent):
        events += inlet.pull(5.0)
    assert [event.label for event in events] == ["before", "gr\ufffdn", "nach grün"]
    assert [(event.raw, event.raw_stamp) for event in events] == [(label, 5.0 + k) for k, label in enumerate(sent)]
    outlet.close()


def test_a_marker_stream_has_one_channel(unique_id: str) -> None:
    outlet, inlet = connect(unique_id)
    with pytest.raises(StreamError, match="has 3 channels; a marker stream has exactly one"):
        MarkerInlet(find_one(f"source_id={unique_id}"))
    inlet.close()
    outlet.close()


class RemoteInlet:
    """Stands in for an inlet on another computer's stream."""

    def __init__(self, *answers: float | None) -> None:
        self.answers = list(answers)

    def time_correction(self, timeout: float) -> float:
        answer = self.answers.pop(0)
        if answer is None:
            raise pylsl.util.TimeoutError(json.dumps(timeout))
        return answer


def test_the_offset_of_another_computer_is_read_now_and_then_and_kept_when_that_fails() -> None:
    offset = ClockOffset(RemoteInlet(0.5, None, 0.7), "another-computer")
    assert [offset(now, 1.0) for now in (0.0, 4.9, 5.1, 9.0, 10.2)] == [0.5, 0.5, 0.5, 0.5, 0.7]


def test_steps_of_another_computers_clock_are_counted_and_small_changes_are_not() -> None:
    offset = ClockOffset(RemoteInlet(100.0, 100.003, 99.998, 95.0, 95.001), "another-computer")
    for now in (0.0, 6.0, 12.0):
        offset(now, 1.0)
    assert offset.steps == 0
    assert [offset(now, 1.0) for now in (18.0, 24.0)] == [95.0, 95.001]
    assert offset.steps == 1


def test_the_first_offset_must_be_had() -> None:
    with pytest.raises(RuntimeError):
        ClockOffset(RemoteInlet(None), "another-computer")(0.0, 1.0)


@pytest.mark.parametrize(
    ("n_chans", "sfreq", "buffer", "capacity"),
    [
        (64, 1000.0, None, 30_000),
        (64, 1000.0, 100.0, 100_000),
        (1024, 30000.0, None, (1 << 28) // (1024 * 4)),
        (1024, 30000.0, 0.75, 22_500),
        (2, 0.0, None, 4096),
    ],
)
def test_the_raw_ring_is_bounded_in_bytes_unless_its_length_is_asked_for(
    n_chans: int, sfreq: float, buffer: float | None, capacity: int
) -> None:
    spec = StreamSpec(name="amp", ch_names=tuple(f"c{k}" for k in range(n_chans)), sfreq=sfreq)
    assert ring_for(spec, np.float32, buffer, Timeline(sfreq)).capacity == capacity
