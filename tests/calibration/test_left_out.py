"""Windows that a system cannot learn from are counted, by reason, and its report says so (simulated)."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("skimage")

from calibration.brain2pix.recorded import movie_of
from calibration.brainae.material import parts_of, trials_of
from calibration.calibrate import calibrate, read_recordings
from calibration.image2ecog.recordings import material_of
from calibration.progress import Progress
from calibration.recipe import Recipe
from calibration.spikes2video.recorded import stream_in
from calibration.spikes2video.recorded import trials_of as clips_of
from calibration.targets import has_image
from calibration.windows import window_config
from streamkit.errors import RecordingError
from streamkit.recording import Recording
from tests.calibration import test_calibrate_brain2pix, test_calibrate_v1, test_calibrate_video
from tests.calibration.brainae import test_material
from tests.calibration.image2ecog import test_recordings


def brainae(recipe: Recipe, recordings: list[Recording]) -> tuple[int, dict[str, int]]:
    parts = parts_of(recipe, recordings)
    return len(trials_of(parts, parts.test).X), parts.cutting.left_out


def brain2pix(recipe: Recipe, recordings: list[Recording]) -> tuple[int, dict[str, int]]:
    parts = parts_of(recipe, recordings)
    return len(movie_of(recipe, parts, parts.test)), parts.cutting.left_out


def spikes2video(recipe: Recipe, recordings: list[Recording]) -> tuple[int, dict[str, int]]:
    parts = parts_of(recipe, recordings)
    return len(clips_of(recipe, parts, parts.test)), parts.cutting.left_out


def image2ecog(recipe: Recipe, recordings: list[Recording]) -> tuple[int, dict[str, int]]:
    material = material_of(recipe, recordings[-1:], 32)
    return len(material.Y), dict(material.left_out)


SYSTEMS = {
    "brainae": (test_material.recipe_of(), brainae),
    "brain2pix": (test_calibrate_brain2pix.small(), brain2pix),
    "spikes2video": (test_calibrate_video.small("spikes2video-small"), spikes2video),
    "mouse-v1": (test_calibrate_v1.small("mouse-v1-cnn-small"), brainae),
    "image2ecog": (test_recordings.recipe(), image2ecog),
}


def spoilt(recording: Recording, recipe: Recipe) -> Recording:
    """The same with one invalid sample, without the picture of some events, and cut off within the last window."""
    n_times, signal = recipe.window.n_times, recording.signal(recipe.stream.name or None)
    shown = [event for event in recording.events() if has_image(recording, event.label)]
    first, last = (np.searchsorted(signal.stamps, shown[k].stamp + recipe.window.tmin) + n_times // 2 for k in (0, -1))
    data, gone = signal.data.copy(), shown[len(shown) // 2].label
    data[first] = np.nan
    cut = replace(signal, data=data[:last], stamps=signal.stamps[:last])
    return replace(
        recording,
        signals=tuple(cut if each is signal else each for each in recording.signals),
        stimuli={label: path for label, path in recording.stimuli.items() if label != gone},
        stimulus_arrays={label: array for label, array in recording.stimulus_arrays.items() if label != gone},
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_event_is_a_window_or_left_out_for_a_reason(name: str) -> None:
    recipe, read = SYSTEMS[name]
    recordings = read_recordings(recipe, None, Progress())
    config = window_config(recipe)
    recordings[-1] = spoilt(recordings[-1], recipe)
    used, left_out = read(recipe, recordings)
    beyond = {"an end behind the recording's"} if recipe.window.n_times > 1 else set()  # one sample ends with itself
    assert set(left_out) == {"invalid samples", "no target"} | beyond
    assert used + sum(left_out.values()) == sum(config.matches(event.label) for event in recordings[-1].events())


def test_every_bin_of_a_stream_is_a_window_or_left_out_for_a_reason() -> None:
    recipe = test_calibrate_video.small("spikes2video-streaming-small")
    *others, last = read_recordings(recipe, None, Progress())
    begin = next(stream for stream in last.markers if len(stream.stamps) > 100)
    late = replace(begin, stamps=begin.stamps + 5.0)
    last = replace(last, markers=tuple(late if each is begin else each for each in last.markers))
    parts = parts_of(recipe, [*others, last])
    stream = stream_in(recipe, parts, parts.test, (1.0, 1.0, 1.0))
    n_bins = len(last.signal(recipe.stream.name).data)
    assert list(parts.cutting.left_out) == ["nothing on the screen"]
    assert len(stream) + parts.cutting.left_out["nothing on the screen"] == n_bins - recipe.window.n_times + 1


def test_an_error_is_about_the_recordings_that_have_no_window() -> None:
    recipe = test_calibrate_video.small("spikes2video-small")
    *others, last = read_recordings(recipe, None, Progress())
    signal = last.signals[0]
    short = replace(signal, data=signal.data[:20], stamps=signal.stamps[:20])
    parts = parts_of(recipe, [*others, replace(last, signals=(short, *last.signals[1:]))])
    clips_of(recipe, parts, parts.train)
    with pytest.raises(RecordingError, match=r"no window behind an event with a clip in the recordings \(") as refused:
        clips_of(recipe, parts, parts.test)
    said = str(refused.value)
    assert others[0].meta.name not in said
    assert f"({last.meta.name}); left out: " in said
    assert said.endswith("the recordings are 2.0 s long")


def test_the_report_says_what_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("model.name=spikes2video_mlp", "model.args.mlp_hidden=[16, 16]", "train.epochs=1")
    recipe = test_calibrate_video.small("spikes2video-small", *few)
    recordings = read_recordings(recipe, None, Progress())
    recordings[0] = spoilt(recordings[0], recipe)
    monkeypatch.setattr(sys.modules["calibration.calibrate"], "read_recordings", lambda *_: recordings)
    made = calibrate(recipe, None, tmp_path / "bundle")
    page = made.report.read_text()
    assert re.search(r"\d+ with an end behind the recording&#39;s, \d+ with invalid samples", page)
