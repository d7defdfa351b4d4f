"""Heat maps of electrodes whose positions are known."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.image2ecog.heatmap import heat_map, smooth_map


def test_a_map_is_the_electrodes_own_value_beside_it_and_nothing_far_away() -> None:
    places, values = np.array([[0.0, 0.0], [60.0, 0.0]]), np.array([0.5, -0.2])
    made = smooth_map(places, values, np.array([0.0, 30.0, 60.0]), np.array([0.0]))
    assert made[0, 0] == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(made[0, 1])
    assert made[0, 2] == pytest.approx(-0.2, abs=1e-3)


def test_between_two_electrodes_it_is_between_their_values() -> None:
    made = smooth_map(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([0.0, 1.0]), np.array([5.0]), np.array([0.0]))
    assert made[0, 0] == pytest.approx(0.5)


def test_it_is_drawn_without_electrodes_of_unknown_place(tmp_path) -> None:
    position = np.array([[30.0, -80, 0], [np.nan] * 3, [-30, -60, -10]])
    drawn = heat_map(position, np.array([0.3, 0.9, 0.1]))
    assert len(drawn.axes[0].collections[1].get_offsets()) == 2
    drawn.savefig(tmp_path / "map.png", dpi=40)
    assert (tmp_path / "map.png").stat().st_size > 2000
