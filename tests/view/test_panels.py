"""The panels draw what their states hold; looked at pixel by pixel, without a display."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("PyQt6")

from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from apps.view.app import application
from apps.view.measure import measure_fps
from apps.view.paint import fixed
from apps.view.state.latency import STAGES
from apps.view.state.view import ViewState
from apps.view.theme import DARK, LIGHT, Theme, rgb
from apps.view.window import Window, arrange
from streamkit.types import Event, StreamSpec

NOW = 1000.0


@pytest.fixture(scope="module")
def app() -> QApplication:
    return application()


def live_state() -> ViewState:
    state = ViewState()
    names = tuple(f"c{k}" for k in range(8))
    state.signals.configure(StreamSpec(name="amp", ch_names=names, sfreq=200.0, unit="microvolts"))
    state.output = "image"
    state.health.push('{"state": "live"}', NOW)
    rng = np.random.default_rng(0)
    for k in range(5):
        image = rng.random((1, 8, 8), np.float32)
        state.images.add_shown(float(k), image, NOW)
        state.images.add_seen(k + 0.3, image, NOW)
    state.latency.push(np.abs(rng.normal(1, 0.1, (20, len(STAGES)))), NOW)
    return state


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001, "0.00"), (0.0, "0.00"), (-0.25, "-0.25"), (float("nan"), "–"), (12.345, "12.35")]
)
def test_a_number_that_rounds_to_nothing_has_no_sign(value: float, text: str) -> None:
    assert fixed(value).strip("\u2007") == text
    assert len(fixed(value, 2, 6)) == 6


def send(state: ViewState, start: float, seconds: float) -> None:
    n = int(seconds * 200)
    data = np.random.default_rng(1).normal(0, 20, (n, 8)).astype(np.float32)
    state.signals.push(data, start + np.arange(n) / 200, NOW)


@pytest.fixture
def window(app: QApplication) -> Iterator[Window]:
    made = Window(live_state(), wall=lambda: NOW)
    made.resize(1280, 800)
    made.show()
    made.tick()
    yield made
    made.close()
    made.deleteLater()
    app.processEvents()


def pixels(widget: object) -> np.ndarray:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)  # type: ignore[attr-defined]
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits, np.uint8).reshape(image.height(), image.width(), 4)[:, :, 2::-1].astype(int)


def near(block: np.ndarray, colour: str, within: int = 12) -> int:
    return int((np.abs(block - np.array(rgb(colour))).max(axis=-1) <= within).sum())


def test_traces_are_drawn_and_the_gap_is_hatched(window: Window) -> None:
    send(window.state, 0.0, 3.0)
    send(window.state, 5.0, 2.0)
    window.tick()
    plot = window.signals.plot
    shot = pixels(window.signals)[plot.top() : plot.bottom(), plot.left() : plot.right()]
    per_second = plot.width() / 10
    gap = shot[:, int(3.3 * per_second) : int(4.7 * per_second)]
    traces = shot[:, int(0.5 * per_second) : int(2.5 * per_second)]
    assert near(gap, DARK.hatch) > 500
    assert near(gap, DARK.neutral) == 0
    assert near(traces, DARK.neutral) > 500
    assert near(traces, DARK.hatch, 2) < near(gap, DARK.hatch, 2) / 20


def test_an_event_is_marked_across_all_channels(window: Window) -> None:
    send(window.state, 0.0, 4.0)
    window.tick()
    before = pixels(window.signals)
    window.state.signals.add_event(Event("flash", 2.0))
    window.tick()
    after = pixels(window.signals)
    changed = np.abs(after - before).max(axis=-1) > 0
    plot = window.signals.plot
    column = plot.left() + int(2.0 * window.state.signals.sweep.rate)
    assert changed[plot.top() : plot.bottom(), column - 1 : column + 2].any(axis=1).mean() > 0.9


def test_painting_column_by_column_equals_painting_all_at_once(window: Window) -> None:
    for k in range(300):
        send(window.state, k * 0.05, 0.05)
        window.tick()
    piecewise = window.signals._image.pixels.copy()
    window.signals._image.paint_all(window.state.signals)
    np.testing.assert_array_equal(piecewise, window.signals._image.pixels)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_accent_marks_what_was_seen(window: Window, theme: Theme) -> None:
    window.use(theme)
    assert near(pixels(window.images), theme.accent) > 100
    assert near(pixels(window.images), theme.warning) == 0


def test_a_stale_panel_loses_its_colours_and_says_since_when(window: Window) -> None:
    window.refresh(NOW + 30)
    assert "no data since" in window.images.stale
    shot = pixels(window.images)
    assert near(shot, DARK.accent) == 0
    assert near(shot, DARK.warning, 40) > 20
    window.state.images.freshness.touch(NOW + 30)
    window.state.health.push('{"state": "live"}', NOW + 30)
    window.refresh(NOW + 30)
    assert window.images.stale == ""


def test_a_stale_signal_is_veiled(window: Window) -> None:
    send(window.state, 0.0, 5.0)
    window.tick()
    bright = near(pixels(window.signals), DARK.neutral)
    window.refresh(NOW + 30)
    assert near(pixels(window.signals), DARK.neutral) < bright / 10


@pytest.mark.parametrize("size", [(960, 600), (1280, 800), (1920, 1080)])
@pytest.mark.parametrize("output", ["", "image", "probabilities", "values"])
def test_panels_never_overlap_and_stay_inside(size: tuple[int, int], output: str) -> None:
    state = live_state()
    state.output = output  # type: ignore[assignment]
    places = list(arrange(state, *size).items())
    for k, (name, place) in enumerate(places):
        assert place.left() >= 0, name
        assert place.right() < size[0], name
        assert place.bottom() < size[1], name
        assert place.width() > 300, name
        assert place.height() > 100, name
        for other, further in places[k + 1 :]:
            assert not place.intersects(further), (name, other)


def test_every_output_and_the_empty_window_can_be_drawn(app: QApplication) -> None:
    for output in ("", "image", "probabilities", "values"):
        state = ViewState() if not output else live_state()
        state.output = output  # type: ignore[assignment]
        state.decisions.configure(("a", "b", "c"), {"*": "a"}, 0.33)
        state.decisions.push_values(np.array([0.2, 0.5, 0.3], np.float32), NOW)
        state.decisions.push_decision('{"event": "x", "label": "a"}', NOW)
        state.values.configure(("force",), "N")
        state.values.push(np.sin(np.arange(50.0))[:, None], np.arange(50.0) / 10, NOW)
        window = Window(state, wall=lambda: NOW)
        window.resize(960, 600)
        window.show()
        window.tick()
        shot = pixels(window)
        assert shot.std() > 5
        if output in ("probabilities", "values"):
            assert near(shot, DARK.accent) > 200
        window.close()
        window.deleteLater()
    app.processEvents()


def test_the_keys_change_scale_time_base_page_theme_and_help(window: Window) -> None:
    from PyQt6.QtCore import Qt
    from PyQt6.QtTest import QTest

    signals = window.state.signals
    send(window.state, 0.0, 2.0)
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)
    scale, seconds = signals.scale, signals.seconds
    QTest.keyClick(window, Qt.Key.Key_Up)
    QTest.keyClick(window, Qt.Key.Key_Right)
    QTest.keyClick(window, Qt.Key.Key_T)
    assert signals.scale < scale
    assert signals.seconds > seconds
    assert window.theme is LIGHT
    QTest.keyClick(window, Qt.Key.Key_F1)
    assert window.help.isVisible()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.help.isVisible()


def test_every_frame_of_the_measurement_is_painted(app: QApplication) -> None:
    report = measure_fps(n_chans=16, frames=20, size=(960, 600))
    assert report["painted"] >= report["frames"]
    assert report["fps"] > 0


def test_a_stream_without_some_stages_is_still_drawn(window: Window) -> None:
    stages = ("arrival", "preprocess", "wait", "inference", "publish", "total")
    window.state.latency.configure(stages)
    window.state.latency.push(np.full((3, len(stages)), 1.5), NOW)
    panel = window.latency
    words = "".join(text for text, _, _ in panel._stages(DARK))
    assert "cut" not in words
    assert "nan" not in words.lower()
    window.tick()
    assert not window.grab().isNull()


def test_troubles_are_counted_in_words_and_fit_the_panel(window: Window) -> None:
    counts = {"skipped": 17, "backlog": 240, "gap": 3, "late": 1, "returned": 2}
    window.state.health.push(json.dumps({"state": "live", "counts": counts, "warnings": ["2 % off"]}), NOW)
    words = "".join(text for text, _, _ in window.latency._counts(DARK))
    assert words == "1 missed, 17 skipped to keep up, 3 skipped in gaps, 240 samples waiting, source back 2×"
    assert window.header._said() == "2 % off"
    window.tick()
    assert not window.grab().isNull()
