"""Marker streams that vanish or hang while a session begins."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import pylsl
import pytest

from streamkit.errors import StreamLost
from streamkit.lsl import MarkerOutlet, find
from streamkit.session.markers import MarkerStreams
from streamkit.session.options import SessionOptions
from streamkit.types import StreamSpec

pytestmark = [pytest.mark.lsl]

WAIT_S = 30.0
SIGNAL = StreamSpec(ch_names=("a",), sfreq=100.0, source_id="amp", hostname="here")
GONE = "was seen but did not answer"


@pytest.fixture
def there(unique_id: str) -> Iterator[MarkerOutlet]:
    outlet = MarkerOutlet("there", f"{unique_id}/there")
    yield outlet
    outlet.close()


@pytest.fixture
def gone(unique_id: str) -> pylsl.StreamInfo:
    """What was found of a stream that has ended since."""
    outlet = MarkerOutlet("gone", f"{unique_id}/gone")
    (info,) = find(f"source_id={unique_id}/gone", timeout=WAIT_S)
    outlet.close()
    return info


def found(unique_id: str) -> pylsl.StreamInfo:
    (info,) = find(f"source_id={unique_id}/there", timeout=WAIT_S)
    return info


def begin(
    monkeypatch: pytest.MonkeyPatch, infos: Sequence[pylsl.StreamInfo], query: str | None, *, required: bool
) -> MarkerStreams:
    monkeypatch.setattr("streamkit.session.markers.await_markers", lambda *args, **more: list(infos))
    streams = MarkerStreams(SessionOptions(markers=query), wanted=True, required=required)
    streams.find(SIGNAL, (), WAIT_S, lambda: None)
    return streams


@pytest.mark.parametrize("required", [False, True])
def test_a_stream_nobody_named_may_be_gone_again(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    unique_id: str,
    there: MarkerOutlet,
    gone: pylsl.StreamInfo,
    required: bool,
) -> None:
    with caplog.at_level(logging.WARNING):
        streams = begin(monkeypatch, [gone, found(unique_id)], None, required=required)
    assert [inlet.spec.name for inlet in streams.inlets] == ["there"]
    assert streams.needed == (streams.inlets if required else [])
    assert "'gone'" in caplog.text
    assert "the session begins without its markers" in caplog.text


def test_a_stream_that_goes_before_it_is_subscribed_to_is_left_out(
    monkeypatch: pytest.MonkeyPatch, unique_id: str, there: MarkerOutlet
) -> None:
    streams = begin(monkeypatch, [found(unique_id)], None, required=False)
    there.close()
    streams.open(SIGNAL)
    assert streams.inlets == []
    streams.close()


def test_without_any_stream_a_decoder_of_events_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, gone: pylsl.StreamInfo
) -> None:
    with pytest.raises(StreamLost, match=GONE):
        begin(monkeypatch, [gone], None, required=True)
    assert begin(monkeypatch, [gone], None, required=False).inlets == []


def test_a_stream_that_was_named_has_to_answer(
    monkeypatch: pytest.MonkeyPatch, unique_id: str, there: MarkerOutlet, gone: pylsl.StreamInfo
) -> None:
    with pytest.raises(StreamLost, match=GONE):
        begin(monkeypatch, [gone, found(unique_id)], "type=Markers", required=False)
