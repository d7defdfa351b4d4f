"""One optimiser step of a system: the code that measures it, on systems small enough for every test."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("psutil")

from benchmarks.full_size_step import PARTS, PRIOR, TASKS, Step, apart, foretell, largest, measure, part_of, prior, row
from models.systems import SYSTEMS

TINY = {"n_chans": 4, "n_times": 64, "embedding": 16, "filters": 4}
U_NET = {"hidden": 8, "base": 2, "kernels": [3, 3, 3, 3], "pools": [[3, 2, 2], [3, 2, 2], [1, 2, 2], [1, 1, 1]]}
TRIAL = {"n_chans": 4, "n_times": 9, "sfreq": 10.0, **U_NET}
MOUSE = {"n_chans": 5, "n_times": 1, "out_shape": [1, 12, 14], "sfreq": 1.0}
GREY_ENCODER = {"image": [1, 12, 14], "channels": 4, "kernel": 3, "hidden_kernel": 3, "layers": 2}
SMALL: dict[str, dict[str, Any]] = {
    "brainae_encoder": TINY,
    "brainae_decoder": TINY,
    "spikes2video": {**TRIAL, "out_shape": [3, 9, 8, 8]},
    "spikes2video_streaming": {**TRIAL, "out_shape": [3, 8, 8]},
    "v1_encoder": {"n_chans": 5, **GREY_ENCODER},
    "v1_gan": {**MOUSE, "readin": 4, "context": [2, 3], "channels": [4, 4], "kernels": [3, 3]},
    "v1_discriminator": {"image": [1, 12, 14], "channels": [4, 4], "kernels": [5, 3]},
    "v1_cnn": {**MOUSE, "channels": [4, 4, 4, 4, 4]},
    "v1_latent": {**MOUSE, "out_shape": [4, 2, 2], "hidden": [32]},
    "v1_feature_readin": {**MOUSE, "out_shape": [4, 3, 3], "readin": 2, "widths": [3, 3]},
    "v1_feature_inverter": {"features": [4, 3, 3], "widths": [4], "refined": [[4, 3]]},
    "image2ecog": {"n_chans": 3, "n_times": 10, "size": 16, "conv": [4], "pool": 2, "hidden": [8]},
    "brain2pix": {
        "n_chans": 7,
        "n_times": 5,
        "out_shape": [3, 16, 16],
        "sfreq": 1.4,
        "regions": [4, 3],
        "widths": [4, 8],
    },
    "brain2pix_discriminator": {"n_in": 10, "widths": [4, 8]},
}
LOSSES = {
    "brainae": {"loss", "con", "fea", "recon_brain", "recon_image"},
    "spikes2video": {"loss", "ssim", "mse"},
    "image2ecog": {"loss", "mse", "corr"},
    "mouse-v1-gan": {"loss", "stimulus", "adversarial", "discriminator"},
    "mouse-v1-cnn": {"loss"},
    "mouse-v1-sdvae": {"loss"},
    "mouse-v1-resnet": {"loss"},
    "mouse-v1-inversion": {"loss", "poisson", "roughness"},
    "brain2pix": {"loss", "adversarial", "feature", "pixel"},
}
PRIOR_ARGS: dict[str, Any] = {"embedding": 8, "condition": 8, "widths": [16, 8], "time": 8}


MOVED = {"spikes2video": 0.4, "brain2pix": 0.6}
"""Part of the weights that a step moves at least; where a clip is one frame long, or few pixels have a voxel, most of a
kernel sees nothing."""


@pytest.fixture(autouse=True)
def same_weights() -> None:
    """Networks of a few weights: drawn otherwise, a unit may answer nothing and its weights stay."""
    import torch

    torch.manual_seed(0)


def check(found: Step, moved: float = 0.9) -> None:
    assert len(found.seconds) == 2
    assert all(0 < seconds < 60 for seconds in found.seconds)
    assert 0 < found.before_mb <= found.peak_mb
    assert all(math.isfinite(value) for value in found.losses.values())
    assert found.moved > moved


@pytest.mark.parametrize("name", [name for name, system in SYSTEMS.items() if system.paper in TASKS])
def test_a_step_of_a_small_system_moves_its_weights_and_is_measured(name: str) -> None:
    paper = SYSTEMS[name].paper
    found = measure(name, 6, "cpu", TASKS[paper](SYSTEMS[name], 6, "cpu", SMALL))
    check(found, MOVED.get(paper, 0.9))
    assert set(found.losses) == LOSSES.get(name, LOSSES.get(paper))


@pytest.mark.parametrize("name", PARTS)
def test_a_step_of_a_part_that_is_trained_by_itself_is_measured(name: str) -> None:
    check(measure(name, 6, "cpu", part_of(name, 6, "cpu", SMALL)))


def test_a_step_of_a_small_prior_is_measured() -> None:
    check(measure(PRIOR, 6, "cpu", prior(6, "cpu", PRIOR_ARGS)))


def probe(batch: int, peak_mb: float, seconds: float) -> dict[str, Any]:
    return {"batch": batch, "peak_mb": peak_mb, "seconds": [2 * seconds, seconds]}


PROBES = [probe(4, 140.0, 0.5), probe(16, 260.0, 1.1)]


def test_a_batch_is_foretold_on_a_line() -> None:
    assert foretell(PROBES, 104) == {"predicted_mb": 1140.0, "predicted_seconds": 5.5}


@pytest.mark.parametrize(
    ("memory", "seconds", "batch"), [(9000.0, 99.0, 800), (5000.0, 99.0, 256), (9000.0, 3.5, 64), (200.0, 99.0, 8)]
)
def test_the_published_batch_is_made_where_it_fits_and_a_power_of_two_elsewhere(
    memory: float, seconds: float, batch: int
) -> None:
    assert largest(PROBES, 800, memory, seconds) == batch


def test_where_nothing_fits_what_was_tried_is_made_again() -> None:
    assert largest(PROBES, 800, 1.0, 1.0) == 16


def test_a_process_that_fails_says_why() -> None:
    failed = apart("nobody", 2, "cpu")
    assert "KeyError: 'nobody'" in failed["failed"]


@pytest.mark.slow
def test_a_full_size_system_makes_a_step_in_a_process_of_its_own() -> None:
    from benchmarks.full_size_step import parse

    found = row("brainae-eeg", 800, parse(["--batch", "4"]))
    assert found["n_parameters"] == 2_999_592 + 1_987_683
    assert found["published_batch"] == 800
    assert found["moved"] > 0.9
