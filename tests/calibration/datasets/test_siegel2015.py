"""The files of Siegel 2015 are read as public analyses of them read them; here they are made up (simulated)."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from calibration.datasets import DATASETS
from calibration.datasets.dots_recording import region_of
from calibration.datasets.siegel2015 import BEFORE
from calibration.datasets.siegel_files import counts_of, spike_times
from streamkit.errors import RecordingError
from streamkit.recording import Recording

AREAS = ("dlPFC", "FEF", "LIP", "MT", "IT", "V4", "V4")
SITES = {"PFC": 2, "FEF": 2, "LIP": 2, "MT": 2, "IT": 2, "V4": 3}
COLOURS = (0, 60, 120, 180)
DIRECTIONS = (90, 30, -30, -90)
REPEATS = 6


def table(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def session(folder: Path, name: str, first: int, bad: int = 0) -> None:
    """Every trial has a spike of its own: trial t of unit u fires t + 1 times in bin u, and once before the trial."""
    shown = [(c, k, d) for c in range(1, 5) for k in COLOURS for d in DIRECTIONS] * REPEATS
    times = np.empty((len(shown), len(AREAS)), object)
    for (trial, unit), _ in np.ndenumerate(times):
        at = -BEFORE + 0.1 * (unit + first) + 0.05
        times[trial, unit] = np.concatenate([[-BEFORE - 0.01], np.full(trial % 9 + 1, at)])
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / f"{name}.mat", {"spikeTimes": times})
    table(
        folder / "trialinfo" / f"{name[:6]}.csv",
        [
            {"cue": c, "color": k, "direction": d, "badTrials": int(t < bad), "rule": "dir"}
            for t, (c, k, d) in enumerate(shown)
        ],
    )
    table(folder / "unitinfo" / f"{name[:6]}.csv", [{"area": area} for area in AREAS])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("siegel")
    for k, name in enumerate(("100706", "100724")):
        session(path, name, 10 * k, bad=3)
    return path


def read(folder: Path, **options: object) -> list[Recording]:
    return list(DATASETS["siegel2015"].read(folder, options))


def population(folder: Path) -> list[Recording]:
    trials = {"train": 3, "validation": 1, "test": 2}
    return read(folder, sites=SITES, trials=trials)


def test_sessions_keep_their_units_and_leave_bad_trials_out(folder: Path) -> None:
    first, second = read(folder, layout="sessions")
    assert [first.meta.group, second.meta.group] == ["100706", "100724"]
    assert first.signal().spec.ch_names[0] == "PFC-000"
    assert region_of(first.signal().spec.ch_names).tolist() == ["PFC", *AREAS[1:]]
    assert len(first.markers[0].labels) == 64 * REPEATS - 3
    assert first.signal().spec.sfreq == 10


def test_spikes_are_counted_from_fixation_on(folder: Path) -> None:
    (recording,) = read(folder, layout="sessions", session="100724")
    at = recording.markers[0].stamps[0]
    trial = recording.signal().data[np.searchsorted(recording.signal().stamps, at + 0.05) :][:45]
    for unit in range(len(AREAS)):
        assert np.flatnonzero(trial[:, unit]).tolist() == [unit + 10]  # and not the spike before the trial


def test_a_population_is_put_together_of_both_sessions(folder: Path) -> None:
    train, validation, test = population(folder)
    assert [r.meta.group for r in (train, validation, test)] == ["train", "validation", "test"]
    assert [len(r.markers[0].labels) for r in (train, validation, test)] == [192, 64, 128]
    regions = region_of(train.signal().spec.ch_names).tolist()
    assert regions == [name for name, count in SITES.items() for _ in range(count)]
    assert train.signal().spec.ch_names == test.signal().spec.ch_names
    assert train.meta.details["not_continuous"]
    assert not train.meta.simulated


def test_no_trial_of_a_site_is_in_two_groups(tmp_path: Path) -> None:
    shown = 64 * REPEATS
    folder = tmp_path / "named"
    session(folder, "100706", 0)
    times = np.empty((shown, len(AREAS)), object)
    for (trial, unit), _ in np.ndenumerate(times):
        times[trial, unit] = np.full(trial + 1, 0.05)  # the count names the trial
    savemat(folder / "100706.mat", {"spikeTimes": times})
    sites = {"PFC": 1, "MT": 1, "V4": 2}
    parts = read(folder, sites=sites, trials={"train": 4, "validation": 1, "test": 1})
    for site in range(4):
        held = [set(np.unique(part.signal().data[:, site])) - {0.0} for part in parts]
        assert all(held)
        assert not held[0] & held[1]
        assert not held[0] & held[2]
        assert not held[1] & held[2]


def test_conditions_are_those_of_the_table(folder: Path) -> None:
    (recording,) = read(folder, layout="sessions", session="100706")
    columns = recording.markers[0].columns
    assert set(columns["direction"]) == set(DIRECTIONS)
    assert set(columns["cue"]) == {0, 1, 2, 3}
    assert len({tuple(colour) for colour in columns["colour"]}) == 4


def test_a_column_of_another_name_is_asked_for(folder: Path) -> None:
    with pytest.raises(RecordingError, match=r"a column 'shape', found the columns cue, color, direction"):
        read(folder, layout="sessions", cue_column="shape")


def test_more_values_than_places_are_refused_with_what_to_say(folder: Path, tmp_path: Path) -> None:
    session(tmp_path, "100706", 0)
    rows = list(csv.DictReader((tmp_path / "trialinfo" / "100706.csv").read_text().splitlines()))
    rows[0]["color"] = "33"
    table(tmp_path / "trialinfo" / "100706.csv", rows)
    with pytest.raises(RecordingError, match=r"'color' has the values 0, 33, 60, 120, 180; expected up to 4"):
        read(tmp_path, layout="sessions")
    (kept,) = read(tmp_path, layout="sessions", colours=COLOURS)
    assert len(kept.markers[0].labels) == 64 * REPEATS - 1


def test_a_missing_table_is_named(folder: Path, tmp_path: Path) -> None:
    session(tmp_path, "100706", 0)
    (tmp_path / "unitinfo" / "100706.csv").unlink()
    with pytest.raises(RecordingError, match=r"looked for unitinfo/100706\.csv, the table of units"):
        read(tmp_path)


def test_tables_that_do_not_fit_the_spikes_are_refused(tmp_path: Path) -> None:
    session(tmp_path, "100706", 0)
    table(tmp_path / "unitinfo" / "100706.csv", [{"area": "V4"}] * 3)
    with pytest.raises(RecordingError, match=r"384 trials and 3 units, as its tables, found 384 trials and 7 units"):
        read(tmp_path)


def test_matlab_7_3_cells_are_read_the_right_way_round(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    file = tmp_path / "100706.mat"
    with h5py.File(file, "w") as data:
        refs = np.empty((2, 3), h5py.ref_dtype)  # units x trials, as MATLAB writes trials x units
        for (unit, trial), _ in np.ndenumerate(refs):
            refs[unit, trial] = data.create_dataset(f"#refs#/{unit}{trial}", data=np.array([[unit + 10.0 * trial]])).ref
        data["spikeTimes"] = refs
    cells = spike_times(file)
    assert cells.shape == (3, 2)
    assert cells[2, 1].item() == 21.0


def test_a_file_that_is_no_matlab_file_is_refused(tmp_path: Path) -> None:
    session(tmp_path, "100706", 0)
    (tmp_path / "100706.mat").write_bytes(b"not a file of MATLAB" * 20)
    with pytest.raises(RecordingError, match="not a whole MATLAB file"):
        read(tmp_path)


def test_a_spike_on_an_edge_belongs_to_the_bin_it_begins() -> None:
    times = np.empty((1, 1), object)
    times[0, 0] = np.array([-1.5, -1.4, -1.35, 2.9999, 3.0])
    assert np.flatnonzero(counts_of(times, -1.5, 45, 0.1)[0, :, 0]).tolist() == [0, 1, 44]


def test_prepared_files_are_cropped_and_say_that_they_may_leak(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clip = rng.random((2, 45, 3, 64, 64)).astype(np.float32)
    np.save(tmp_path / "clips.npy", clip)
    for cue in range(1, 5):
        for stimulus in range(1, 17):
            counts = np.full((10, 45, 140), 100 * cue + stimulus, np.float32)
            np.save(tmp_path / f"stimuli{stimulus}_cue{cue}_0.1.npy", counts)
            os.link(tmp_path / "clips.npy", tmp_path / f"Train_stimuli{stimulus}_cue{cue - 1}_frames10.npy")
    parts = read(tmp_path, layout="prepared")
    assert [len(part.markers[0].labels) for part in parts] == [448, 64, 128]
    train = parts[0]
    assert train.meta.details["layout"] == "prepared"
    image = train.stimulus_arrays[train.markers[0].labels[0]]
    assert image.shape == (3, 5 * 32, 9 * 32)
    shown = clip[train.markers[0].columns["clip"][0], 0, :, 16:48, 16:48]
    np.testing.assert_allclose(image[:, :32, :32], shown, atol=0.003)
    at = np.searchsorted(train.signal().stamps, train.markers[0].stamps[0] + 0.05)
    assert train.signal().data[at, 0] // 100 == train.markers[0].columns["cue"][0] + 1


def test_an_empty_folder_says_whose_data_they_are(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"sessions, such as 100706\.mat.*trialinfo and unitinfo tables"):
        read(tmp_path)
