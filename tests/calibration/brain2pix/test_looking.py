"""Where voxels look: what is drawn for chance and p values keeps that all voxels watch one film (simulated)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom

from calibration.brain2pix.experiments.looking import distances, encoding, middle, turns
from calibration.brain2pix.fields import Answered, Fields, answered, estimate
from calibration.brain2pix.material import Movie
from calibration.brain2pix.orientation import AS_TOLD, EXCHANGED, following, with_pixels
from calibration.brain2pix.retina import pixels_of, shuffled
from calibration.brain2pix.settings import FieldsSettings
from calibration.metrics import Draws
from calibration.tables.items import Row, row, score
from tests.calibration.brain2pix.toy import REGION, SIDE, film

DRAWS = Draws(20, 99, 0)
REPEATS = 200
MOST = binom.ppf(0.999, REPEATS, 0.05)


def slow(rng: np.random.Generator, n: int, columns: int) -> np.ndarray:
    """``(n, columns)`` in standard deviations or so: slow, with much in common."""
    values = rng.standard_normal((n, columns)) + 1.4 * rng.standard_normal((n, 1))
    return 2 * gaussian_filter1d(values, 3, axis=0)


def unseen(seed: int, n: int = 200, side: int = 6, n_voxels: int = 60) -> Movie:
    """Voxels that see nothing of the film: both are slow, each with much in common."""
    rng = np.random.default_rng(seed)
    grey = np.clip(128 + 40 * slow(rng, n, side * side), 0, 255).astype(np.uint8)
    return Movie(
        voxels=slow(rng, n, n_voxels).astype(np.float32),
        of_volume=np.zeros(n, np.intp),
        first=np.arange(n),
        frame=np.arange(n),
        frames=grey.reshape(n, 1, side, side),
        shot=np.arange(n),
        region=np.repeat(["V1", "V2"], n_voxels // 2),
        centre=rng.uniform(-0.49, 0.49, (n_voxels, 2)),
        n_lags=1,
        shift=0,
    )


def at_lots(seed: int) -> Movie:
    """The toy, with the places of each region dealt out by lot."""
    movie = film()
    return replace(movie, centre=movie.centre[shuffled(np.arange(len(REGION)), REGION, seed)])


def inside(line: Row) -> bool:
    low, high = line["chance95"]
    return bool(low <= line["value"] <= high)


def by_turn(movie: Movie) -> dict[str, Row]:
    return {line["row"]: line for line in turns(movie, DRAWS)}


def test_voxels_that_see_nothing_of_the_film_seldom_follow_their_pixels() -> None:
    low = 0
    for seed in range(REPEATS):
        movie = unseen(seed)
        found = following(with_pixels(movie), pixels_of(movie), movie.region, Draws(1, 99, seed))
        low += score([found], DRAWS).p < 0.05
    assert low <= MOST


def test_right_places_are_above_chance_and_places_by_lot_within_it() -> None:
    right = by_turn(film())[AS_TOLD]
    assert right["value"] > right["chance95"][1]
    assert right["p"] == pytest.approx(0.01)
    lots = [by_turn(at_lots(seed))[AS_TOLD] for seed in range(40)]
    assert sum(inside(line) for line in lots) >= binom.ppf(0.001, 40, 0.95)


def test_chance_of_places_is_what_voxels_have_in_common_with_any_pixel() -> None:
    lines = by_turn(film())
    assert min(line["chance"] for line in lines.values()) > 0.1  # the toy's ground brightens everywhere together
    assert lines[EXCHANGED]["value"] < lines[AS_TOLD]["value"]
    assert "places of voxels within their region" in lines[AS_TOLD]["note"]


def test_predictions_that_know_nothing_of_what_was_recorded_seldom_pass() -> None:
    run, low = np.repeat([0, 1, 2], 60), 0
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        told = Answered(slow(rng, 180, 20), slow(rng, 180, 20), run)
        low += row("voxels", [encoding(told, Draws(1, 99, seed))], DRAWS)["p"] < 0.05
    assert low <= MOST


def test_predictions_that_know_it_are_above_chance() -> None:
    rng, run = np.random.default_rng(0), np.repeat([0, 1, 2], 60)
    recorded = slow(rng, 180, 20)
    line = row("voxels", [encoding(Answered(recorded + slow(rng, 180, 20), recorded, run), DRAWS)], DRAWS)
    assert line["value"] > line["chance95"][1]
    assert line["note"].startswith("over test runs")


def test_networks_of_fields_answer_the_runs_that_they_are_given() -> None:
    settings = FieldsSettings(channels=(3,), pools=(1,), frames=4, epochs=1, least=-1.0)
    fields = estimate(film(2, 1), film(1, 2), settings)
    np.testing.assert_allclose(answered(fields, film(2, 1), film(1, 2), 4).r(), fields.r, atol=1e-6)
    told = answered(fields, film(2, 1), film(3, 3), 4)
    assert told.predicted.shape == told.recorded.shape == (len(told.run), len(REGION))
    assert np.unique(told.run).tolist() == [0, 1, 2]


def found(seed: int, off: float) -> Fields:
    """Centres that are so many pixels off, each fifth ten times as many, each sixth unknown."""
    turn = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(REGION))
    far = np.where(np.arange(len(REGION)) % 5, off, 10 * off)[:, None]
    centre = film().centre + far / SIDE * np.stack([np.cos(turn), np.sin(turn)], 1)
    centre[seed::6] = np.nan
    return Fields(centre, np.ones(len(REGION)), None, None)


def test_distances_are_medians_in_value_chance_interval_and_p() -> None:
    line = distances([found(0, 1.0), found(1, 2.0)], film(), DRAWS)[0]
    assert line["value"] == pytest.approx(1.5)
    assert line["ci95"] == [pytest.approx(1), pytest.approx(2)]  # either seed may be drawn alone
    assert line["p"] == pytest.approx(0.01)
    assert line["mean"] == pytest.approx(1.5 * 2.8, rel=0.1)
    assert line["share_within_3"] == pytest.approx(0.8, abs=0.05)
    assert line["share_known"] == pytest.approx(5 / 6, abs=0.02)
    assert line["metric"] == "pixels off, median"


def test_chance_of_distances_is_of_all_seeds() -> None:
    both = [found(0, 1.0), replace(found(1, 0.0), centre=film().centre[::-1] * 0.2)]
    chances = [distances([each], film(), DRAWS)[0]["chance"] for each in both]
    assert distances(both, film(), DRAWS)[0]["chance"] == pytest.approx(np.mean(chances))
    assert chances[0] != pytest.approx(chances[1], abs=0.1)


def test_centres_by_lot_lie_within_chance() -> None:
    lots = [distances([Fields(at_lots(s).centre, np.ones(64), None, None)], film(), DRAWS)[0] for s in range(40)]
    assert sum(inside(line) for line in lots) >= binom.ppf(0.001, 40, 0.95)


def test_seeds_without_a_centre_are_left_out_of_the_median() -> None:
    assert middle(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])) == 2
    assert np.isnan(middle(np.full((2, 3), np.nan)))
