"""The benchmark on macaque V4, on made-up sessions small enough for every test: folds, choices, scores, going on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("psutil")

from benchmarks import real_v4_decoding as bench
from benchmarks.v4_brain2pix import centres, sessions_of
from benchmarks.v4_data import SESSIONS, Data, distractors, folds_of
from benchmarks.v4_methods import best_mix, simplex, with_aside
from benchmarks.v4_scores import RIDGE, pixel_r, scores, sheet, wins
from calibration.brain2pix.retina import pixels_of
from calibration.datasets.twins import deal
from calibration.mouse_v1.fit_encoder import fit_encoder
from calibration.mouse_v1.settings import EncoderSettings, InversionSettings, MEISettings
from calibration.mouse_v1.trained import Search
from streamkit.errors import BadInput

N, SIDE, UNITS = 45, 12, 10
TINY = bench.Sizes(
    encoder=EncoderSettings(
        layers=2, channels=4, kernel=3, hidden_kernel=3, smooth=0.1, sparse=1e-3, shift=1, epochs=2
    ),
    linear=EncoderSettings(layers=1, channels=3, kernel=3, readout="linear", pool=5, epochs=1),
    wide=EncoderSettings(layers=1, channels=3, kernel=5, smooth=0.1, sparse=1e-3, epochs=1),
    meis=MEISettings(steps=2),
    inversion=InversionSettings(),
    search=Search((10.0,), (0.5, 1.0), (2, 4)),
    cnn=bench.SIZES.cnn.but(unflatten=(4, 6, 6), channels=(4,), kernels=(4,), strides=(2,), paddings=(0,), epochs=2),
    gan=bench.SIZES.gan.but(
        channels=(4,), kernels=(3,), readin=4, context=(2, 3), critic=(4,), critic_kernels=(5,), epochs=1
    ),
    brain2pix=bench.SIZES.brain2pix.but(widths=(4, 8, 8), d_widths=(4, 8), epochs=1),
)


@cache
def made_up() -> Data:
    """Pictures of smooth noise that ten units of each session see through random fields."""
    rng = np.random.default_rng(0)
    coarse = rng.random((4 * N, 1, 3, 3)).astype(np.float32)
    grey = np.repeat(np.repeat(coarse, SIDE // 3, 2), SIDE // 3, 3) + 0.02 * rng.random(
        (4 * N, 1, SIDE, SIDE), np.float32
    )
    session, unit_session = np.repeat(np.arange(4), N), np.repeat(np.arange(4), UNITS)
    Y = np.full((4 * N, 4 * UNITS), np.nan)
    for k in range(4):
        fields = rng.random((9, UNITS))
        Y[np.ix_(session == k, unit_session == k)] = 3 * coarse.reshape(-1, 9)[session == k] @ fields
    cluster = np.arange(4 * N) // 2  # pairs of near-twins
    images = np.repeat(grey, 3, 1)
    seen = coarse.reshape(-1, 9)
    return Data(images, grey, seen, seen[:, :4], Y, session, deal(cluster, 5, 0), cluster, unit_session)


def test_no_cluster_is_in_two_parts_of_a_fold() -> None:
    data = made_up()
    for train, aside, test in folds_of(data):
        parts = [set(data.cluster[rows]) for rows in (train, aside, test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]


def test_distractors_are_fixed_and_never_of_the_same_cluster() -> None:
    data, lists = made_up(), distractors(made_up())
    np.testing.assert_array_equal(lists, distractors(data))
    for row, line in enumerate(lists):
        others = line[line >= 0]
        assert len(set(others)) == len(others)
        assert (data.session[others] == data.session[row]).all()
        assert (data.fold[others] == data.fold[row]).all()
        assert data.cluster[row] not in data.cluster[others]


def test_ties_of_likeness_are_shared_and_absent_rivals_do_not_count() -> None:
    near = np.array([[1.0, 1.0, 0.0], [0.5, 0.2, 0.9]])
    others = np.array([[1, 2], [0, -1]])
    assert wins(near, np.array([0, 1]), others).tolist() == [0.5, 0.0]
    assert wins(near, np.array([0, 2]), others).tolist() == [0.5, 1.0]


def test_a_fold_is_answered_scored_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up()
    said = bench.run(data, tmp_path, TINY, (0,), (0,))
    methods = {"mean image", "ridge", "nearest prior", "InvEnc", "CNN", "GAN", "CNN and ridge, mixed", "chosen"}
    methods |= {"Brain2Pix, FixedRF", "Brain2Pix, LearnedRF", "Brain2Pix, LearnedRF, no adversary"}
    assert {name.partition("/")[2] for name in said if name.startswith("decode/")} == methods
    found = scores(data, said, distractors(data))
    assert set(found) == set(SESSIONS)
    for session in found.values():
        assert session["decode"]["ridge"]["pixel r minus ridge"]["value"] == 0
        assert session["decode"]["ridge"]["pixel r"]["value"] > session["decode"]["mean image"]["pixel r"]["value"]
        methods = session["encode"]["methods"]
        gabor, grey = "Gabor ridge", "Gabor ridge, 28 x 28 grey"
        encoders = {"V1 encoder", "V1 encoder, linear readout", "V1 encoder, 56 x 56 colour"}
        assert set(methods) == encoders | {gabor, grey, "encoders, mixed"}
        assert methods[gabor]["r"]["value"] > max(0.8, methods[grey]["r"]["value"])
        for each in session["decode"].values():
            assert each["pixel r"]["ci95"][0] <= each["pixel r"]["value"] <= each["pixel r"]["ci95"][1]
    tested = data.fold == 0
    assert np.isfinite(said[f"decode/{RIDGE}"][tested]).all()
    assert np.isnan(said[f"decode/{RIDGE}"][~tested]).all()
    sheet(data, said, tmp_path / "pictures.png")
    assert (tmp_path / "pictures.png").stat().st_size > 2000
    monkeypatch.setattr(bench, "fold", lambda *_: pytest.fail("again"))
    again = bench.run(data, tmp_path, TINY, (0,), (0,))
    np.testing.assert_array_equal(again["decode/CNN"][tested], said["decode/CNN"][tested])


def test_a_fold_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, sizes = made_up(), replace(TINY, wide=None)
    whole = bench.run(data, tmp_path / "whole", sizes, (0,), (0,))
    assert not (tmp_path / "whole" / "fold-0").exists()
    with monkeypatch.context() as stopping:
        stopping.setattr(bench, "brain2pix", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bench.run(data, tmp_path / "stopped", sizes, (0,), (0,))
    kept = {file.parent for file in (tmp_path / "stopped").rglob("checkpoint.json")}
    for name in ("V1 encoder", "V1 encoder, linear readout", "CNN", "GAN"):
        assert {tmp_path / "stopped" / "fold-0" / name / part for part in ("aside-0", "whole-0")} <= kept
    before = {file: file.stat().st_mtime_ns for folder in kept for file in folder.iterdir()}
    removed = []
    monkeypatch.setattr(bench.shutil, "rmtree", lambda folder, **_: removed.append(folder))
    went_on = bench.run(data, tmp_path / "stopped", sizes, (0,), (0,))
    assert removed == [tmp_path / "stopped" / "fold-0"]
    assert {file: file.stat().st_mtime_ns for file in before} == before
    for name, values in whole.items():
        np.testing.assert_array_equal(went_on[name], values)


def test_folds_of_other_settings_are_refused(tmp_path: Path) -> None:
    bench.same_settings(tmp_path / "settings.json", TINY, (0,))
    bench.same_settings(tmp_path / "settings.json", TINY, (0,))
    with pytest.raises(BadInput, match=r"other settings \(gan, wide\): give another folder"):
        bench.same_settings(tmp_path / "settings.json", replace(TINY, wide=None, gan=TINY.gan.but(epochs=9)), (0,))
    with pytest.raises(BadInput, match="seeds"):
        bench.same_settings(tmp_path / "settings.json", TINY, (0, 1))


def test_shares_add_up_and_nothing_but_the_pictures_set_aside_picks_them() -> None:
    assert len(simplex(2)) == 11
    assert all(abs(sum(shares) - 1) < 1e-9 for shares in simplex(3))
    shown = made_up().grey[:6]
    mix, share = best_mix({"aside": shown, "test": shown}, {"aside": 1 - shown, "test": 1 - shown}, shown)
    assert share >= 0.6
    np.testing.assert_allclose(mix["test"], share * shown + (1 - share) * (1 - shown))


def test_the_refit_has_the_pictures_set_aside_and_never_those_tested() -> None:
    data = made_up()
    train, aside, test = next(folds_of(data))
    animal = bench.animals_of(data, data.grey, train, aside, test)[0]
    whole = with_aside(animal)
    assert len(whole.train) == len(animal.train) + len(animal.validation)
    np.testing.assert_array_equal(whole.train.y[len(animal.train) :], animal.validation.y)
    assert whole.test is animal.test


def test_what_is_not_finite_correlates_with_nothing() -> None:
    images = made_up().grey[:3]
    assert pixel_r(np.full_like(images, np.nan), images) == -1
    assert pixel_r(images, images) == pytest.approx(1)


def test_units_of_all_sessions_lie_in_one_film_each_where_the_encoder_says() -> None:
    data = made_up()
    train, aside, test = next(folds_of(data))
    animals = bench.animals_of(data, data.grey, train, aside, test)
    encoder = fit_encoder(animals, TINY.encoder)
    first, second = animals[0].name, animals[1].name
    with torch.no_grad():
        encoder.model.readouts[first].mu.copy_(torch.tensor([1.0, -1.0]).expand(UNITS, 2))
    sessions = sessions_of(animals, encoder, TINY.brain2pix)
    film = sessions.film("train")
    assert film.out_shape == (1, 16, 16)  # 12 pixels cannot be halved three times
    rows = slice(len(animals[0].train), len(animals[0].train) + len(animals[1].train))
    own = film.region == second
    assert np.abs(film.voxels[rows][:, own].mean(0)).max() < 1e-5
    assert not film.voxels[rows][:, ~own].any()
    # a kernel of 3 has its last position on the pixel before the last: column 10 of 12, row 1; two more on each side
    pixel = pixels_of(film)[film.region == first]
    assert set(pixel.tolist()) == {(1 + 2) * 16 + 10 + 2}
    shown = sessions.cut(film.shown(rows))
    np.testing.assert_allclose(shown, np.clip(animals[1].train.y, 0, 1), atol=1 / 500)
    only = sessions.film("test", (second,))
    assert len(only) == len(animals[1].test)
    assert not only.voxels[:, ~own].any()
    assert np.abs(centres(encoder, animals[0])).max() == pytest.approx(4.5 / 12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--folds", "0,7"], "'0,7' was given, expected folds of 0 to 4, such as 0,2"),
        (["--folds", "a"], "'a' was given, expected folds"),
        (["--seeds", "0"], "'0' was given, expected a number of networks, 1 or more"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["real_v4_decoding", str(tmp_path), "--out", str(tmp_path), *options])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
