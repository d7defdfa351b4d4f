"""Predicted and recorded epochs and candidates are drawn as their states have them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("PyQt6")

from PyQt6.QtCore import QPointF
from PyQt6.QtWidgets import QApplication

from apps.view.app import application
from apps.view.panels.encoding import EncodingPanel
from apps.view.state.view import ViewState
from apps.view.theme import DARK, LIGHT, Theme
from apps.view.window import Window, arrange
from streamkit.types import StreamSpec
from tests.view.test_encoding_states import NAMES, NOW, SFREQ, configured, send
from tests.view.test_panels import near, pixels


@pytest.fixture(scope="module")
def app() -> QApplication:
    return application()


def live_state(n_epochs: int = 5, ch_names: tuple[str, ...] = NAMES) -> ViewState:
    state = ViewState()
    state.signals.configure(StreamSpec(name="amp", ch_names=ch_names, sfreq=SFREQ, unit="microvolts"))
    state.output = "probabilities"
    state.health.push('{"state": "live"}', NOW)
    state.decisions.configure(("apple", "bear"), {"apple": "apple", "bear": "bear"}, 0.5)
    state.encoding = configured(ch_names)
    state.candidates.configure(2)
    pictures = np.random.default_rng(0).random((2, 3, 8, 8)).astype(np.float32)
    for k in range(n_epochs):
        send(state.encoding, k, 10.0 + k)
        state.images.add_shown(10.0 + k, pictures[0], NOW)
        state.candidates.push(10.3 + k, pictures, NOW)
        said = {"top": [["apple", 0.7], ["bear", 0.3]], "event_stamp": 10.0 + k}
        state.candidates.tell(10.3 + k, said, "apple")
    return state


@pytest.fixture
def window(app: QApplication) -> Iterator[Window]:
    made = shown_window(live_state())
    yield made
    close(app, made)


def shown_window(state: ViewState) -> Window:
    made = Window(state, wall=lambda: NOW)
    made.resize(1280, 800)
    made.show()
    made.tick()
    return made


def close(app: QApplication, made: Window) -> None:
    made.close()
    made.deleteLater()
    app.processEvents()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_predicted_is_accent_and_recorded_is_neutral(window: Window, theme: Theme) -> None:
    window.use(theme)
    shot = pixels(window.encoding)
    assert near(shot, theme.accent) > 300
    assert near(shot, theme.neutral) > 100
    assert near(shot, theme.warning) == 0


def test_another_channel_draws_another_epoch(window: Window) -> None:
    before = pixels(window.encoding)
    window.state.encoding.turn(1)
    assert (np.abs(pixels(window.encoding) - before).max(axis=-1) > 20).sum() > 200


def test_a_click_on_a_bar_and_on_an_electrode_chooses_the_channel(window: Window) -> None:
    panel: EncodingPanel = window.encoding
    box = panel.rect().toRectF().adjusted(14, 34, -14, -14)
    _, bars, head = panel._parts(box)
    assert head is not None
    for k in range(len(NAMES)):
        assert panel.channel_at(QPointF(bars.left() + (k + 0.5) * bars.width() / len(NAMES), bars.center().y())) == k
        at = panel._electrodes(head)[k]
        assert at is not None
        assert panel.channel_at(at) == k
    assert panel.channel_at(QPointF(2, 2)) is None


def test_before_the_first_epoch_the_panel_says_what_it_waits_for(app: QApplication) -> None:
    made = shown_window(live_state(0))
    assert made.encoding.note() == "no epoch yet"
    assert near(pixels(made.encoding), DARK.accent) < 400
    close(app, made)


def test_channels_without_places_and_many_of_them_are_drawn_without_a_map(app: QApplication) -> None:
    made = shown_window(live_state(4, tuple(f"unit-{k}" for k in range(300))))
    assert made.encoding._parts(made.encoding.rect().toRectF())[2] is None
    assert near(pixels(made.encoding), DARK.accent) > 100
    close(app, made)


def test_the_panels_of_a_session_that_retrieves_and_predicts_share_the_window() -> None:
    places_of = arrange(live_state(), 1280, 800)
    assert set(places_of) == {"candidates", "decisions", "signals", "encoding", "latency"}
    rects = list(places_of.values())
    assert not any(a.intersects(b) for k, a in enumerate(rects) for b in rects[:k])


def test_without_an_encoding_there_is_no_such_panel() -> None:
    state = live_state()
    state.encoding.configure((), 0.0, 0, 0.0, ())
    assert "encoding" not in arrange(state, 1280, 800)


def test_candidates_show_the_picture_of_the_event_not_the_newest(window: Window) -> None:
    other = np.zeros((3, 8, 8), np.float32)
    before = pixels(window.candidates)
    window.state.images.add_shown(99.0, other, NOW)
    np.testing.assert_array_equal(pixels(window.candidates), before)


def test_old_epochs_are_greyed_and_say_since_when(window: Window) -> None:
    window.refresh(NOW + 60)
    assert "no data since" in window.encoding.stale
    assert near(pixels(window.encoding), DARK.accent) == 0
