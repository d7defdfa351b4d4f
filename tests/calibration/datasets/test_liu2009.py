"""Files of Liu et al. 2009 as the reader understands them, written here: no file of theirs was at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from calibration.datasets import DATASETS
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import Preprocessor

N, CHANS, TIMES, RATE = 40, 6, 120, 100.0
LABELS = np.arange(N) % 20 + 1


def signals() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, CHANS, TIMES)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Subjects 1 and 2; five categories of two things in two views."""
    from PIL import Image

    times = 1000 * (np.arange(TIMES) / RATE - 0.2)
    for number in (1, 2):
        savemat(tmp_path / f"subject{number:02d}.mat", {"ifp": signals(), "stim": LABELS, "ms": times})
    lines = ["image,file,category,thing"]
    for k in range(20):
        lines.append(f"{k + 1},i{k:02d}.png,kind{k % 5},thing{k // 5 % 2}")
        Image.fromarray(np.full((8, 8), 10 * k, np.uint8)).save(tmp_path / f"i{k:02d}.png")
    (tmp_path / "stimuli.csv").write_text("\n".join(lines) + "\n")
    rows = [f"2,{k},region{k // 3},{k},2,3" for k in range(CHANS)]
    (tmp_path / "electrodes.csv").write_text("subject,channel,region,x,y,z\n" + "\n".join(rows) + "\n")
    return tmp_path


def read(folder: Path, **options: object) -> list:
    return list(DATASETS["liu2009"].read(folder, options))


def test_the_subjects_that_the_paper_leaves_out_are_left_out(folder: Path) -> None:
    assert {each.meta.subject for each in read(folder)} == {"2"}
    assert {each.meta.subject for each in read(folder, subject="1")} == {"1"}


def test_trials_lie_on_a_time_line_with_their_onsets(folder: Path) -> None:
    found: dict[str, list] = {event.label: [] for each in read(folder) for event in each.events()}
    for each in read(folder):
        signal = each.signal()
        assert (signal.spec.sfreq, signal.spec.unit, signal.spec.type) == (RATE, "microvolts", "ECoG")
        assert np.diff(signal.stamps).max() > 0.9
        for event in each.events():
            first = int(np.argmin(abs(signal.stamps - (event.stamp - 0.2))))
            found[event.label].append(signal.data[first : first + TIMES].T)
    for label, trials in found.items():
        rows = np.flatnonzero(np.equal(LABELS, int(label[1:3]) + 1))
        np.testing.assert_array_equal(np.stack(trials), signals()[rows])


def test_things_are_dealt_into_blocks_and_no_image_is_in_two(folder: Path) -> None:
    blocks = [{event.label for event in each.events()} for each in read(folder)]
    assert len(blocks) == 2
    assert not blocks[0] & blocks[1]
    assert set(read(folder)[0].markers[0].columns["category"]) == {f"kind{k}" for k in range(5)}
    assert set(read(folder)[0].stimuli) == blocks[0]


def test_electrodes_have_their_regions_and_positions(folder: Path) -> None:
    said = read(folder)[0].meta.details["electrodes"]
    assert said["region"] == ["region0"] * 3 + ["region1"] * 3
    assert said["position"][4] == [4.0, 2.0, 3.0]
    assert read(folder, subject="1")[0].meta.details["electrodes"] == {}


def test_axes_rate_and_names_can_be_told(folder: Path) -> None:
    content = {"x": signals().transpose(2, 1, 0), "who": LABELS, "other": np.arange(N)}
    savemat(folder / "subject02.mat", content)
    told = {"axes": "times, channels, trials", "sfreq": RATE, "tmin": -0.2, "fields": {"labels": "who"}}
    (one, _) = read(folder, **told)
    np.testing.assert_array_equal(one.signal().data[:TIMES].T, signals()[0])


def test_labels_of_several_columns_name_category_and_thing(folder: Path) -> None:
    rows = np.stack([LABELS % 5, LABELS // 10, LABELS % 2], axis=1)
    savemat(folder / "subject02.mat", {"ifp": signals(), "stim": rows, "ms": np.arange(TIMES) * 10.0 - 200})
    shown = read(folder)[0].markers[0]
    assert set(shown.columns["category"]) == {"0", "1", "2", "3", "4"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"stim": LABELS}, "one variable with the signals.*stim.*none is like it"),
        ({"a": signals(), "b": signals(), "stim": LABELS}, "a, b may be it"),
        ({"ifp": signals(), "p": LABELS, "q": LABELS}, "say which with the option fields.labels"),
        ({"ifp": signals(), "stim": LABELS}, "times of 120 samples; name them with fields.times"),
        ({"ifp": signals(), "stim": LABELS + 50, "ms": np.arange(TIMES) * 10.0}, "a line for image"),
    ],
)
def test_a_file_of_another_layout_is_told_with_what_it_has(folder: Path, content: dict, said: str) -> None:
    savemat(folder / "subject02.mat", content)
    with pytest.raises(RecordingError, match=said):
        read(folder)


def test_broken_files_missing_ones_and_wrong_axes_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "subject02.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(RecordingError, match=r"subject02\.mat: not a whole MATLAB file"):
        read(folder)
    with pytest.raises(RecordingError, match=r"looked for files <subject>\.mat"):
        read(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="give trials, channels and times in their order"):
        read(folder, axes="trials, times")


def test_newer_matlab_files_are_read_with_their_dimensions_reversed(folder: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "subject02.mat", "w", userblock_size=512) as opened:
        opened["ifp"], opened["stim"], opened["ms"] = (
            signals().T,
            LABELS[:, None],
            np.arange(TIMES)[:, None] * 10.0 - 200,
        )
    with (folder / "subject02.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    np.testing.assert_array_equal(read(folder)[0].signal().data[:TIMES].T, signals()[0])


@pytest.mark.parametrize("rate", [256.0, 500.0])
def test_the_published_recipe_reads_both_rates_at_one(folder: Path, rate: float) -> None:
    pytest.importorskip("torch")
    from calibration.image2ecog.recordings import material_of
    from calibration.recipe import load_recipe

    n_times = round(1.2 * rate)
    times = np.arange(n_times) / rate - 0.2
    bump = np.exp(-(((times - 0.4) / 0.05) ** 2)).astype(np.float32)
    content = {"ifp": np.tile(10 + 5 * bump, (N, CHANS, 1)), "stim": LABELS, "s": times}
    savemat(folder / "subject02.mat", content)
    recipe, recordings = load_recipe("image2ecog"), read(folder)
    made = material_of(recipe, recordings, 32)
    assert made.sfreq == 250
    assert made.Y.shape == (N, CHANS, 200)
    assert len(made.categories) == 5
    assert made.electrodes.region[0] == "region0"
    peak = made.Y.mean((0, 1)).argmax() / 250
    late = Preprocessor(recordings[0].signal().spec, recipe.preprocess).delay  # of the filter before resampling
    assert peak == pytest.approx(0.4 + late, abs=0.012)
    assert abs(made.Y[:, :, :20]).max() < 0.5
