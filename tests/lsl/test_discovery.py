"""Queries, and what a search says when it finds nothing or too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from streamkit.errors import ConfigError, StreamError, StreamLost, StreamNotFound
from streamkit.lsl import MarkerOutlet, Outlet, SignalOutlet, find, find_one, spec_of
from streamkit.lsl.discovery import predicate
from streamkit.lsl.selection import pick_markers
from streamkit.types import StreamSpec

Open = Callable[..., Outlet]


@pytest.fixture
def keep() -> Iterator[Callable[[Outlet], Outlet]]:
    kept: list[Outlet] = []

    def hold(outlet: Outlet) -> Outlet:
        kept.append(outlet)
        return outlet

    yield hold
    for outlet in kept:
        outlet.close()


def eeg(name: str, source_id: str, **changes: object) -> SignalOutlet:
    spec = StreamSpec(name=name, type="EEG", ch_names=("Fz", "Cz"), sfreq=100.0, unit="uV", source_id=source_id)
    return SignalOutlet(spec.model_copy(update=changes), {"simulated": True, "speed": 2.0, "chance": None})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "name!=''"),
        ("amp", "(name='amp' or source_id='amp')"),
        ("name=amp, type=EEG", "name='amp' and type='EEG'"),
        ("source_id=rig-*", "starts-with(source_id,'rig-')"),
        ("name=Anna's amp", 'name="Anna\'s amp"'),
    ],
)
def test_a_query_becomes_a_predicate(query: str, expected: str) -> None:
    assert predicate(query) == expected


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(ConfigError, match="'nmae' is not a property to search by; expected one of name, type"):
        predicate("nmae=amp")


@pytest.mark.lsl
def test_a_stream_is_found_by_name_by_source_id_and_by_kind(unique_id: str, keep: Open) -> None:
    keep(eeg(f"amp-{unique_id}", f"{unique_id}/amp"))
    keep(MarkerOutlet(f"events-{unique_id}", f"{unique_id}/events"))
    assert find_one(f"amp-{unique_id}").source_id() == f"{unique_id}/amp"
    assert find_one(f"{unique_id}/events").name() == f"events-{unique_id}"
    assert [info.name() for info in find(f"source_id={unique_id}*", kind="signal")] == [f"amp-{unique_id}"]
    assert [info.name() for info in find(f"source_id={unique_id}*", kind="markers")] == [f"events-{unique_id}"]
    assert len(find(f"source_id={unique_id}*")) == 2


@pytest.mark.lsl
def test_nothing_found_lists_what_there_was(unique_id: str, keep: Open) -> None:
    keep(eeg("amp", f"{unique_id}/amp"))
    with pytest.raises(StreamNotFound, match=r"no stream matched .* within 0\.1 s") as caught:
        find_one("name=no-such-amp", timeout=0.1)
    assert f"name=amp type=EEG source_id={unique_id}/amp (2 ch, 100 Hz, on " in str(caught.value)
    assert "streamkit replay" in str(caught.value)


@pytest.mark.lsl
def test_several_matches_are_listed_not_guessed(unique_id: str, keep: Open) -> None:
    for k in range(2):
        keep(eeg(f"twin-{unique_id}", f"{unique_id}/{k}"))
    with pytest.raises(StreamError, match="2 streams match") as caught:
        find_one(f"name=twin-{unique_id}")
    assert all(f"source_id={unique_id}/{k}" in str(caught.value) for k in range(2))


@pytest.mark.lsl
def test_a_stream_says_everything_about_itself(unique_id: str, keep: Open) -> None:
    sent = keep(eeg("amp", unique_id, channel_format="int16")).spec
    spec = spec_of(find_one(f"source_id={unique_id}"))
    assert spec.hostname
    assert spec.model_copy(update={"hostname": "", "description": {}}) == sent
    assert spec.description == {"simulated": "true", "speed": "2.0"}


@pytest.mark.lsl
def test_markers_of_the_same_source_are_preferred(unique_id: str, keep: Open) -> None:
    signal = keep(eeg("amp", f"{unique_id}/amp"))
    keep(MarkerOutlet("ours", f"{unique_id}/events"))
    keep(MarkerOutlet("theirs", f"other-{unique_id}/events"))
    spec = spec_of(find_one(f"source_id={signal.spec.source_id}"))
    assert [info.name() for info in pick_markers(None, spec, 5.0)] == ["ours"]
    (named,) = pick_markers(f"source_id=other-{unique_id}/events", spec, 5.0)
    assert named.name() == "theirs"


@pytest.mark.lsl
def test_another_stream_on_the_port_of_one_that_has_ended_is_not_taken_for_it(unique_id: str, keep: Open) -> None:
    first = eeg(f"first-{unique_id}", f"{unique_id}/first")
    info = find_one(f"{unique_id}/first")
    first.close()
    keep(eeg(f"second-{unique_id}", f"{unique_id}/second"))  # liblsl hands out the lowest free port
    with pytest.raises(StreamLost, match=f"'first-{unique_id}' .* was seen but did not answer"):
        spec_of(info)
