"""What leaves can be read by anybody: pylsl, mne-lsl."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pylsl
import pytest

from streamkit.errors import StreamError
from streamkit.ledger import STAGES, STAMPS, Ledger
from streamkit.lsl import Health, HealthPublisher, ImageOutlet, MarkerOutlet, PredictionOutlet, find_one, spec_of
from streamkit.lsl.broadcast import Broadcast
from streamkit.lsl.outlet import best_of, decision
from streamkit.types import Event, OutputSpec, Prediction

CLASSES = OutputSpec(kind="probabilities", labels=("left", "right"), shape=(2,), classes={"1": "left"}, chance=0.5)
PIXELS = OutputSpec(kind="image", shape=(3, 4, 5))


def prediction(values: Any, **changes: Any) -> Prediction:
    facts: dict[str, Any] = {"stamp": 12.5, "last": 99, "seq": 3, **changes}
    return Prediction(np.asarray(values, np.float32), **facts)


def listen(source_id: str) -> pylsl.StreamInlet:
    inlet = pylsl.StreamInlet(find_one(f"source_id={source_id}"))
    inlet.open_stream(5.0)
    return inlet


@pytest.mark.lsl
def test_an_image_leaves_flat_and_says_its_shape(unique_id: str) -> None:
    outlet = PredictionOutlet("x-prediction", PIXELS, unique_id, {"simulated": True, "bundle": "b"})
    inlet = listen(unique_id)
    image = np.random.default_rng(0).random((3, 4, 5), np.float32)
    outlet.push(prediction(image.transpose(0, 2, 1).copy().transpose(0, 2, 1)))
    values, stamp = inlet.pull_sample(5.0)
    spec = spec_of(find_one(f"source_id={unique_id}"))
    np.testing.assert_array_equal(np.reshape(values, (3, 4, 5)), image)
    assert (stamp, spec.type, spec.sfreq) == (12.5, "Image", 0)
    said = spec.description
    assert (said["shape"], said["layout"], said["role"], said["kind"]) == ("3,4,5", "CHW", "seen", "image")
    assert said["simulated"] == "true"
    outlet.close()


@pytest.mark.lsl
def test_an_image_of_another_shape_is_refused(unique_id: str) -> None:
    outlet = ImageOutlet("x-shown", (1, 2, 2), "shown", unique_id)
    with pytest.raises(StreamError, match="expected shape"):
        outlet.push(np.zeros((2, 2)), 1.0)
    outlet.close()
    with pytest.raises(StreamError, match="is closed"):
        outlet.push(np.zeros((1, 2, 2)), 1.0)


@pytest.mark.lsl
def test_one_prediction_leaves_on_three_streams_with_one_stamp(unique_id: str) -> None:
    ledger = Ledger()
    broadcast = Broadcast("x", unique_id, CLASSES, {}, ledger, clock=lambda: 12.520)
    inlets = {what: listen(f"x-{unique_id}/{what}") for what in ("prediction", "decisions", "latency")}
    timing = dict(zip(STAMPS, (12.5, 12.501, 12.502, 12.5025, 12.503, 12.51), strict=False))
    broadcast.publish(prediction([0.2, 0.8], event=Event("1", 12.4), timing=timing))
    values, latest = inlets["prediction"].pull_sample(5.0)
    (text,), _ = inlets["decisions"].pull_sample(5.0)
    row, _ = inlets["latency"].pull_sample(5.0)
    assert latest == 12.5
    np.testing.assert_allclose(values, [0.2, 0.8], rtol=1e-6)
    assert json.loads(text) == {
        "seq": 3,
        "event": "1",
        "event_stamp": 12.4,
        "last": 99,
        "stamp": 12.5,
        "valid": True,
        "steps": None,
        "label": "right",
        "value": pytest.approx(0.8),
        "top": [["right", pytest.approx(0.8)], ["left", pytest.approx(0.2)]],
    }
    assert dict(zip(STAGES, row, strict=True)) == pytest.approx(
        {"arrival": 1, "preprocess": 1, "window": 0.5, "wait": 0.5, "inference": 7, "publish": 10, "total": 20},
        abs=1e-6,
    )
    assert ledger.n == 1
    broadcast.close()


def test_a_decision_about_values_has_no_label_and_no_nan() -> None:
    force = OutputSpec(kind="values", labels=("x", "y"), shape=(2,), unit="N")
    said = decision(prediction([1.5, np.nan]), force)
    assert (said["label"], said["value"], said["event"]) == (None, [1.5, None], None)
    one = OutputSpec(kind="values", labels=("force",), shape=(1,), unit="N")
    assert decision(prediction([2.5]), one)["value"] == 2.5
    assert decision(prediction(np.zeros((3, 4, 5))), PIXELS)["value"] is None


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.lsl
def test_health_is_published_on_change_and_once_a_second(unique_id: str) -> None:
    clock = Clock()
    health = Health(clock)
    publisher = HealthPublisher(health, "x-health", unique_id, clock=clock)
    ticks = []
    for step, state in ((0.0, "searching"), (0.4, "searching"), (0.1, "live"), (0.9, "live"), (0.2, "live")):
        clock.now += step
        health.enter(state)  # type: ignore[arg-type]
        ticks.append(publisher.tick({"samples": 1}))
    assert ticks == [True, False, True, False, True]
    assert health.report({"samples": 1}) == {"state": "live", "since": 100.5, "message": "", "counts": {"samples": 1}}


@pytest.mark.lsl
def test_a_numeric_marker_stream_takes_numbers_only(unique_id: str) -> None:
    outlet = MarkerOutlet("events", unique_id, "int16")
    with pytest.raises(ValueError, match="face"):
        outlet.push("face", 1.0)
    outlet.close()


@pytest.mark.lsl
def test_mne_lsl_reads_the_prediction_stream(unique_id: str) -> None:
    stream_lsl = pytest.importorskip("mne_lsl.stream").StreamLSL
    outlet = PredictionOutlet("x-prediction", CLASSES, unique_id)
    stream = stream_lsl(bufsize=10, source_id=unique_id).connect(acquisition_delay=None, processing_flags=None)
    rows = np.random.default_rng(0).random((6, 2), np.float32)
    now = pylsl.local_clock()
    for k, row in enumerate(rows):
        outlet.push(prediction(row, stamp=now + k))
    deadline = pylsl.local_clock() + 5
    while stream.n_new_samples < 6 and pylsl.local_clock() < deadline:
        stream.acquire()
    data, stamps = stream.get_data(winsize=6)
    names = list(stream.ch_names)
    stream.disconnect()
    outlet.close()
    assert names == ["left", "right"]
    np.testing.assert_array_equal(data.T, rows)
    np.testing.assert_allclose(stamps, now + np.arange(6), atol=1e-3)


def test_the_likeliest_come_first_and_of_equals_the_one_before() -> None:
    values = np.array([0.1, 0.3, np.nan, 0.3, 0.2], np.float32)
    assert best_of(values, 3) == [1, 3, 4]
    assert best_of(values, 9) == [1, 3, 4, 0, 2]
    many = np.random.default_rng(0).random(5000).astype(np.float32)
    assert best_of(many, 5) == np.argsort(-many, kind="stable")[:5].tolist()
    assert best_of(np.full(500, 0.5, np.float32), 3) == [0, 1, 2]
    assert len(best_of(np.full(500, np.nan, np.float32), 3)) == 3


def test_only_classes_have_candidates() -> None:
    values = OutputSpec(kind="values", labels=("x", "y"), shape=(2,))
    assert decision(prediction([0.2, 0.8]), values)["top"] is None
