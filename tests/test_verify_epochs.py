"""verify looks at predicted and recorded epochs as well, and sees what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from apps.commands.verify import command
from streamkit.recording import write_recording
from streamkit.types import Chunk, Event
from streamkit.verify import Answer, Feed, compare, offline_answer, over_memory
from tests import pictures
from tests.pictures import LABELS, N_CHANS, N_TIMES, UNKNOWN, response


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    shown = pictures.recording([*LABELS, UNKNOWN, "bear"])
    return pictures.bundle(folder / "bundle").path, write_recording(shown, folder / "recording")


def run(made: tuple[Path, Path], *options: str, **seams: Any) -> tuple[int, dict[str, Any]]:
    arguments = [*map(str, made), "--json", "--backend", "onnxruntime", *options]
    result = CliRunner().invoke(command, arguments, obj=seams, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, json.loads(result.stdout)


def test_epochs_pass_over_memory(made: tuple[Path, Path]) -> None:
    status, report = run(made, "--over", "memory")
    assert status == 0
    assert report["epochs"]["expected"] == report["epochs"]["live"] == len(LABELS) + 1
    assert report["expected"] == len(LABELS) + 2
    assert report["epochs"]["max_abs"] <= 1e-5
    assert report["epochs"]["passed"]
    assert report["bit_equal_on_repeat"]


@pytest.mark.lsl
@pytest.mark.slow
def test_epochs_pass_over_lsl(made: tuple[Path, Path]) -> None:
    status, report = run(made)
    assert status == 0, report
    assert report["epochs"]["expected"] == report["epochs"]["live"] == len(LABELS) + 1
    assert report["epochs"]["max_abs"] <= 1e-5


def test_the_offline_answer_holds_both_sides(made: tuple[Path, Path]) -> None:
    epochs = offline_answer(*made, "onnxruntime").epochs
    assert epochs is not None
    assert epochs.values.shape == (len(LABELS) + 1, 2, N_CHANS, N_TIMES)
    np.testing.assert_allclose(epochs.values[1, 0].T, response("bear"), rtol=1e-5, atol=1e-5)
    data = pictures.recording([*LABELS, UNKNOWN, "bear"]).signals[0].data
    np.testing.assert_array_equal(epochs.values[0, 1].T, data[50 : 50 + N_TIMES])


def shift_by_one_sample(items: Feed) -> Iterator[Chunk | Event]:
    previous: np.ndarray | None = None
    for item in items:
        if isinstance(item, Chunk):
            before = item.data[:1] if previous is None else previous
            previous = item.data[-1:]
            yield replace(item, data=np.concatenate([before, item.data[:-1]]))
        else:
            yield item  # type: ignore[misc]


def without_an_event(items: Feed) -> Iterator[Chunk | Event]:
    for item in items:
        if not (isinstance(item, Event) and item.label == "canoe"):
            yield item  # type: ignore[misc]


@pytest.mark.parametrize(("tamper", "missed"), [(shift_by_one_sample, 0), (without_an_event, 1)])
def test_a_damaged_feed_fails_in_the_epochs(made: tuple[Path, Path], tamper: Any, missed: int) -> None:
    status, report = run(made, "--over", "memory", tamper=tamper)
    assert status == 1
    assert not report["epochs"]["passed"]
    assert report["epochs"]["missed"] == missed
    assert missed or report["epochs"]["max_abs"] > 1e-5


def test_a_changed_prediction_alone_fails(made: tuple[Path, Path]) -> None:
    offline, live = offline_answer(*made, "onnxruntime"), over_memory(*made, "onnxruntime")
    assert live.epochs is not None
    values = live.epochs.values.copy()
    values[2, 0, 1, 7] += 2e-5
    other = replace(live, epochs=replace(live.epochs, values=values))
    verdict = compare(offline, other, 250.0)
    assert verdict.max_abs <= 1e-5
    assert verdict.epochs is not None
    assert not verdict.epochs.passed
    assert not verdict.passed
    assert other.hash != live.hash


def test_epochs_that_never_came_fail(made: tuple[Path, Path]) -> None:
    offline = offline_answer(*made, "onnxruntime")
    assert not compare(offline, replace(offline, epochs=None), 250.0).passed


def test_a_recording_without_a_known_stimulus_has_nothing_to_differ_in(tmp_path: Path) -> None:
    recording = write_recording(pictures.recording([UNKNOWN, UNKNOWN]), tmp_path / "recording")
    offline = offline_answer(pictures.bundle(tmp_path / "bundle").path, recording, "onnxruntime")
    verdict = compare(offline, offline, 250.0)
    assert isinstance(offline.epochs, Answer)
    assert verdict.epochs is not None
    assert (verdict.epochs.expected, verdict.epochs.live, verdict.passed) == (0, 0, True)


def test_the_command_says_both(made: tuple[Path, Path]) -> None:
    said = CliRunner().invoke(command, [*map(str, made), "--over", "memory", "--backend", "onnxruntime"])
    assert said.exit_code == 0
    assert "9 live predictions for 9 expected" in said.stdout
    assert "8 live epochs, predicted and recorded for 8 expected" in said.stdout
