"""The speed of the GAN decoder: the code that measures it, at toy size."""

from __future__ import annotations

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("psutil")

from benchmarks.v1_gan_speed import measure, network, report
from models.table import n_parameters


def test_the_full_width_is_the_published_network() -> None:
    import torch

    with torch.device("meta"):
        assert n_parameters(network(1.0)) == 20_794_145


def test_a_width_is_measured() -> None:
    found = measure(0.0125, 0.05, 1, neurons=7, image=(1, 8, 10))
    assert found["maps"] == 6
    assert 1e3 / found["pictures_per_second"] == pytest.approx(found["median_ms"], abs=0.006)  # rounded to 0.01
    assert found["real_time_factor"] == pytest.approx(found["pictures_per_second"] / 2, abs=0.01)


def test_the_widest_that_is_fast_enough_is_named() -> None:
    rows = [{"width": 1.0, "pictures_per_second": 3.0}, {"width": 0.5, "pictures_per_second": 11.0}]
    assert report(rows)["widest_at_10_per_second"] == 0.5
    assert report(rows[:1])["widest_at_10_per_second"] is None
