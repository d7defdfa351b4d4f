"""The states, without Qt."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from apps.view.state.decisions import DecisionState
from apps.view.state.discovery import DiscoveryState, Found, matches
from apps.view.state.freshness import Freshness
from apps.view.state.health import HealthState
from apps.view.state.images import ImagePairState
from apps.view.state.latency import LatencyState
from apps.view.state.signal import SignalState, nice
from apps.view.state.teach import lesson
from apps.view.state.values import ValueState
from apps.view.state.view import ViewState
from streamkit.types import Event, StreamSpec


def test_the_states_do_not_import_qt() -> None:
    code = "import apps.view.state.teach, apps.view.feed, sys; sys.exit('PyQt6' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def spec(n_chans: int = 4, sfreq: float = 100.0) -> StreamSpec:
    return StreamSpec(name="amp", ch_names=tuple(f"c{k}" for k in range(n_chans)), sfreq=sfreq, unit="microvolts")


def filled(n_chans: int = 4, amplitude: float = 20.0) -> SignalState:
    state = SignalState(columns=100)
    state.configure(spec(n_chans))
    data = amplitude * np.random.default_rng(0).normal(size=(400, n_chans)) + 500
    state.push(data.astype(np.float32), 10 + np.arange(400) / 100, now=1.0)
    return state


def test_traces_are_centred_and_scaled_by_themselves() -> None:
    state = filled()
    np.testing.assert_allclose(state.centre, 500, atol=5)
    assert state.scale in (50.0, 100.0)
    assert state.unit == "µV"


def test_a_scale_the_user_chose_is_kept() -> None:
    state = filled()
    before = state.scale
    state.change_scale(1)
    assert state.scale < before
    chosen = state.scale
    state.push(np.full((3000, 4), 9e3, np.float32), 20 + np.arange(3000) / 100, now=2.0)
    assert state.scale == chosen


def test_pages_go_round_and_the_last_may_be_short() -> None:
    state = filled(n_chans=10)
    state.page_size = 4
    assert state.n_pages == 3
    state.turn_page(-1)
    assert state.channels == slice(8, 10)
    state.turn_page(1)
    assert state.channels == slice(0, 4)


def test_changing_the_page_size_keeps_the_first_channel_in_view() -> None:
    state = filled(n_chans=64)
    state.turn_page(1)
    assert state.channels == slice(32, 64)
    state.change_page_size(-1)
    assert state.channels == slice(32, 48)


def test_events_are_seen_once_their_sample_has_come_and_until_it_is_drawn_over() -> None:
    state = filled()
    state.add_event(Event("now", 13.0))
    state.add_event(Event("later", 15.0))
    assert [label for _, label, _ in state.visible_events()] == ["now"]
    state.push(np.zeros((1000, 4), np.float32), 14 + np.arange(1000) / 100, now=2.0)
    assert [label for _, label, _ in state.visible_events()] == ["later"]


def test_a_frozen_picture_stands_still_and_catches_up() -> None:
    state = filled()
    head = state.sweep.head
    state.freeze(True)
    state.push(np.zeros((100, 4), np.float32), 14 + np.arange(100) / 100, now=2.0)
    assert state.sweep.head == head
    state.freeze(False)
    assert np.nanmin(state.sweep.lo) == 0


def test_a_stream_whose_clock_starts_again_is_drawn_from_nothing() -> None:
    state = filled()
    state.push(np.ones((10, 4), np.float32), np.arange(10) / 100, now=2.0)
    assert state.samples == 10


@pytest.mark.parametrize(
    ("value", "step"), [(0.7, 1), (1, 1), (1.2, 2), (33, 50), (0, 1), (float("nan"), 1), (60, 100)]
)
def test_scales_are_round_numbers(value: float, step: float) -> None:
    assert nice(value) == pytest.approx(step)


def picture(k: int) -> np.ndarray:
    return np.random.default_rng(k).random((1, 8, 8), np.float32)


def test_a_seen_image_answers_the_newest_image_shown_before_it() -> None:
    state = ImagePairState()
    for k in range(4):
        state.add_shown(float(k), picture(k))
    state.add_seen(2.5, picture(2))
    assert state.latest is not None
    assert state.latest.shown is not None
    assert state.latest.shown.stamp == 2.0
    assert state.score == 1.0
    assert state.chance == pytest.approx(1 / 3)


@pytest.mark.parametrize("told_first", [True, False])
def test_the_event_of_the_decision_comes_before_the_newest_image(told_first: bool) -> None:
    state = ImagePairState()
    for k in range(4):
        state.add_shown(float(k), picture(k))
    if told_first:
        state.tell_event(2.5, 1.0)
    state.add_seen(2.5, picture(1))
    if not told_first:
        state.tell_event(2.5, 1.0)
    assert state.latest is not None
    assert state.latest.shown is not None
    assert state.latest.shown.stamp == 1.0


def test_a_shown_image_that_arrives_late_is_still_paired() -> None:
    state = ImagePairState()
    state.add_shown(0.0, picture(0))
    state.add_seen(1.5, picture(1))
    state.add_shown(1.0, picture(1))
    assert state.latest is not None
    assert state.latest.shown is not None
    assert state.latest.shown.stamp == 1.0
    assert state.score == 1.0


def test_noise_scores_at_chance_and_copies_score_one() -> None:
    noise, copies = ImagePairState(window=400), ImagePairState(window=400)
    for k in range(300):
        for state in (noise, copies):
            state.add_shown(float(k), picture(k % 40))
        noise.add_seen(k + 0.5, picture(1000 + k))
        copies.add_seen(k + 0.5, picture(k % 40))
    assert copies.score == 1.0
    assert abs(noise.score - noise.chance) < 0.06
    assert noise.n_way == 12
    own, others = noise.correlations
    assert abs(own - others) < 0.05


def test_an_image_shown_twice_is_no_rival_of_itself() -> None:
    state = ImagePairState()
    for k in (0, 1, 1):
        state.add_shown(float(len(state.strip()) + k), picture(k))
    state.add_seen(5.0, picture(1))
    assert state.latest is not None
    assert state.latest.found
    assert state.n_way == 2


def test_a_blank_screen_is_nobodys_rival_and_is_not_judged() -> None:
    state = ImagePairState()
    for k in range(8):
        shown = np.zeros((1, 8, 8), np.float32) if k % 2 else picture(k)
        state.add_shown(float(k), shown)
        state.add_seen(k + 0.5, picture(k))
    assert state.score == 1.0
    assert len(state.judged) == 3  # the first picture has no rival, four screens are blank
    assert state.latest is not None
    assert state.latest.found is None
    assert state.n_way == 4
    state.add_shown(9.0, picture(9))
    state.add_seen(9.5, np.full((1, 8, 8), 0.5, np.float32))
    assert state.judged[-1] is False  # a decoder that shows nothing has not found it


def test_rivals_are_spread_over_what_was_shown_for_neighbours_in_a_film_are_alike() -> None:
    state, rng = ImagePairState(), np.random.default_rng(0)
    wide = rng.random((8, 300)).astype(np.float32)
    wide = np.stack(
        [np.convolve(line, np.ones(20) / 20, "same") for line in wide]
    )  # a camera moves slowly to the right
    for k in range(200):
        state.add_shown(float(k), wide[None, :, k : k + 16])
    state.add_seen(199.5, wide[None, :, 198:214])  # a frame late
    assert state.latest is not None
    stamps = [rival.stamp for rival in state.latest.rivals]
    assert len(stamps) == 11
    assert min(np.diff(stamps)) >= 18
    assert 199 - max(stamps) > 5
    assert state.latest.found


def test_grey_and_colour_images_can_be_compared() -> None:
    state = ImagePairState()
    for k in range(3):
        state.add_shown(float(k), np.repeat(picture(k), 3, axis=0).repeat(2, axis=1).repeat(2, axis=2))
    state.add_seen(2.5, picture(2))
    assert state.score == 1.0


def test_decisions_are_judged_by_what_the_event_stands_for() -> None:
    state = DecisionState()
    state.configure(("target", "other"), {"hit*": "target", "*": "other"}, None)
    for event, label in (("hit 1", "target"), ("hit 2", "other"), ("miss", "other"), (None, "other")):
        state.push_decision(json.dumps({"event": event, "label": label}), now=1.0)
    assert state.accuracy == pytest.approx(2 / 3)
    assert len(state.judged) == 3
    assert state.chance == 0.5
    low, high = state.interval
    assert 0 < low < 2 / 3 < high < 1


def test_a_decision_that_is_not_json_is_left_alone() -> None:
    state = DecisionState()
    assert state.push_decision("{", now=1.0) is None
    assert state.count == 0


def test_predicted_and_recorded_values_correlate() -> None:
    state = ValueState()
    state.configure(("force",), "N")
    state.recorded_names = ("force",)
    t = np.arange(0, 10, 0.05)
    state.push_recorded(np.sin(t)[:, None], t)
    state.push(np.sin(t)[::4, None] * 2 + 1, t[::4], now=1.0)
    assert state.correlation("force") == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(ValueState(labels=("force",)).correlation("force"))


def test_latency_percentiles_come_from_the_last_predictions() -> None:
    state = LatencyState(window=100)
    state.configure(("arrival", "total"))
    state.push(np.column_stack([np.ones(300), np.arange(300.0)]), now=1.0)
    assert state.median("total") == pytest.approx(249.5)
    assert state.percentile("total", 99) == pytest.approx(298.0, abs=0.5)
    assert np.isnan(state.median("wait"))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "openvino, 1 thread"),
        ({"threads": 4, "precision": "int8"}, "openvino, 4 threads, int8"),
        ({"backend": "cuda_graph", "device": "cuda"}, "cuda_graph, cuda"),
    ],
)
def test_the_backend_is_shown_with_what_it_runs_on(changes: dict[str, object], shown: str) -> None:
    state = HealthState(facts={"backend": "openvino"})
    assert state.backend == "openvino"
    choice = {"backend": "openvino", "device": "cpu", "precision": "float32", "threads": 1} | changes
    state.push(json.dumps({"state": "live", "backends": {"decoder": choice}}), now=1.0)
    assert state.backend == shown
    state.push(json.dumps({"state": "live", "backends": "?"}), now=1.0)
    assert state.backend == "openvino"


def test_health_keeps_state_since_and_differences() -> None:
    state = HealthState()
    message = "the stream is not what was calibrated on:\n  rate: 512, found 1000\n  channel POz is missing"
    state.push(
        json.dumps({"state": "refused", "since": 90.0, "message": message, "counts": {"late": 2}}), 1000.0, 100.0
    )
    assert state.refused
    assert state.clock(1000.0) == "00:00:10"
    assert state.differences == ["rate: 512, found 1000", "channel POz is missing"]
    assert state.missed == 2


def test_health_counts_what_was_skipped_waits_and_came_back() -> None:
    state = HealthState()
    counts = {"skipped": 3, "backlog": 40, "returned": 1, "gap": 2}
    state.push(json.dumps({"state": "live", "counts": counts, "warnings": ["the rate is 2 % off"]}), 1000.0)
    assert (state.skipped, state.backlog, state.returned, state.in_gaps) == (3, 40, 1, 2)
    assert state.missed == 0
    assert state.warnings == ["the rate is 2 % off"]
    state.push(json.dumps({"state": "live"}), 1001.0)
    assert (state.skipped, state.backlog, state.returned, state.warnings) == (0, 0, 0, [])


def test_a_session_that_falls_silent_is_not_called_live() -> None:
    state = HealthState()
    state.push(json.dumps({"state": "live"}), 1000.0)
    assert state.shown_state(1001.0) == "live"
    assert state.shown_state(1010.0) == "silent"


def test_data_are_stale_after_silence_but_not_before_the_first() -> None:
    fresh = Freshness(patience=2.0)
    assert not fresh.stale(100.0)
    fresh.touch(100.0)
    assert not fresh.stale(101.0)
    assert fresh.stale(103.0)


def found(
    name: str, kind: str = "EEG", n: int = 8, sfreq: float = 100.0, source: str = "", created: float = 0
) -> Found:
    return Found(name, kind, n, sfreq, "here", source or name, f"uid-{name}-{source}", True, created)


def test_every_stream_of_a_session_gets_its_part() -> None:
    state = DiscoveryState()
    roles = state.update(
        [
            found("amp"),
            found("cues", "Markers", 1, 0),
            found("amp-shown", "Image", 64, 0),
            found("lab-prediction", "Image", 64, 0, "lab-1/prediction"),
            found("lab-health", "Health", 1, 0, "lab-1/health"),
        ]
    )
    assert set(roles) == {"signal", "markers:cues", "shown", "prediction", "health"}
    assert roles["signal"].name == "amp"


def test_the_newest_session_is_shown_unless_one_is_named() -> None:
    streams = [
        found("old-health", "Health", 1, 0, "old-1/health", created=1),
        found("new-health", "Health", 1, 0, "new-1/health", created=2),
    ]
    assert DiscoveryState().update(streams)["health"].name == "new-health"
    assert DiscoveryState(session="old").update(streams)["health"].name == "old-health"


def test_the_signal_on_screen_stays_when_another_appears() -> None:
    state = DiscoveryState()
    state.update([found("small", n=4)])
    assert state.update([found("small", n=4), found("large", n=64)])["signal"].name == "small"
    state.chosen = "large"
    assert state.update([found("small", n=4), found("large", n=64)])["signal"].name == "large"


def test_markers_and_images_of_another_replay_are_not_mixed_in() -> None:
    streams = [
        found("amp", source="one/amp", n=64),
        found("cues", "Markers", 1, 0, "one/cues"),
        found("amp-shown", "Image", 4, 0, "one/amp-shown", created=1),
        found("amp", source="two/amp"),
        found("cues", "Markers", 1, 0, "two/cues"),
        found("amp-shown", "Image", 4, 0, "two/amp-shown", created=2),
    ]
    roles = DiscoveryState().update(streams)
    assert {role: stream.base for role, stream in roles.items()} == {
        "signal": "one",
        "shown": "one",
        "markers:one/cues": "one",
    }
    assert DiscoveryState(base="two").update(streams)["shown"].base == "two"


@pytest.mark.parametrize(
    ("query", "answer"),
    [("", True), ("amp", True), ("am*", True), ("name=amp", True), ("name=amp,type=EEG", True), ("type=ECoG", False)],
)
def test_queries(query: str, answer: bool) -> None:
    assert matches(query, found("amp")) is answer


def test_the_empty_window_says_what_was_searched_and_found() -> None:
    state = ViewState(discovery=DiscoveryState(stream_query="name=amp9", session="lab"))
    state.discovery.update([found("amp")])
    taught = lesson(state)
    assert taught is not None
    assert "name=amp9" in taught.said[0]
    assert "lab" in taught.said[0]
    assert taught.listed[0].startswith("amp · EEG · 8 ch · 100 Hz")
    assert any("streamkit replay" in command for command, _ in taught.commands)


def test_without_a_session_the_next_command_names_the_stream() -> None:
    state = ViewState()
    state.signals.configure(spec())
    taught = lesson(state)
    assert taught is not None
    assert taught.commands[0][0] == "streamkit live BUNDLE --stream name=amp"


def test_a_refused_stream_shows_the_differences_line_by_line() -> None:
    state = ViewState()
    state.health.push(json.dumps({"state": "refused", "message": "not this one\nunit: V\nrate: 3"}), 1.0)
    taught = lesson(state)
    assert taught is not None
    assert taught.warning
    assert taught.listed == ("unit: V", "rate: 3")


def test_simulated_data_are_named_in_the_title() -> None:
    state = ViewState(simulated=True)
    assert state.title().startswith("SIMULATED")
    assert "SIMULATED" not in ViewState().title()
