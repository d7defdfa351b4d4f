"""The brain encoder of BrainAE has the size its authors' has."""

from __future__ import annotations

import pytest
import torch

from models.brainae import TSConv, build_classifier
from tests.models.walk import walk


@pytest.mark.parametrize(
    ("n_chans", "n_times", "parameters"), [(63, 250, 2_999_592), (271, 200, 2_922_792), (1024, 200, 4_127_592)]
)
def test_it_has_exactly_the_published_number_of_parameters(n_chans: int, n_times: int, parameters: int) -> None:
    with torch.device("meta"):
        encoder = TSConv(n_chans, n_times)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters


def test_an_embedding_has_1024_numbers() -> None:
    assert TSConv(4, 250).eval()(torch.zeros(2, 4, 250)).shape == (2, 1024)


def test_positions_come_before_filters_in_the_flat_vector() -> None:
    encoder = TSConv(2, 40, embedding=4, filters=3).eval()
    seen = {}
    encoder.project.register_forward_pre_hook(lambda _, args: seen.update(flat=args[0]))
    encoder.mix.register_forward_hook(lambda _, __, maps: seen.update(maps=maps))
    encoder(torch.randn(1, 2, 40, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(seen["flat"][0, :3], seen["maps"][0, :, 0, 0])


def test_a_short_window_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        ValueError, match=r"n_times=20 is too short for kernel=26 and pool=5, which need 30.*adapt=true"
    ):
        build_classifier(4, 20, (2,), 100.0)


@pytest.mark.parametrize("n_times", [4, 7, 20, 29])
def test_a_short_window_fits_when_asked_to_adapt(n_times: int) -> None:
    model = build_classifier(4, n_times, (2,), 100.0, embedding=8, adapt=True).eval()
    assert model(torch.zeros(3, 4, n_times)).shape == (3, 2)


def test_adapting_leaves_a_long_window_as_published() -> None:
    with torch.device("meta"):
        adapted, published = TSConv(63, 250, adapt=True), TSConv(63, 250)
    assert {k: v.shape for k, v in adapted.state_dict().items()} == {
        k: v.shape for k, v in published.state_dict().items()
    }


@pytest.mark.parametrize(("n_chans", "n_times"), [(63, 250), (271, 200), (1024, 200)])
def test_every_layer_has_the_published_shape(n_chans: int, n_times: int) -> None:
    filtered, positions = n_times - 25, (n_times - 25) // 5
    with torch.device("meta"):
        shapes = walk(TSConv(n_chans, n_times).eval(), torch.empty(2, n_chans, n_times))
    assert shapes == [
        ("temporal.0", "Conv2d", (40, n_chans, filtered)),
        ("temporal.1", "AvgPool2d", (40, n_chans, positions)),
        ("temporal.2", "BatchNorm2d", (40, n_chans, positions)),
        ("temporal.3", "Elu", (40, n_chans, positions)),
        ("spatial.0", "Conv2d", (40, 1, positions)),
        ("spatial.1", "BatchNorm2d", (40, 1, positions)),
        ("spatial.2", "Elu", (40, 1, positions)),
        ("spatial.3", "Dropout", (40, 1, positions)),
        ("mix", "Conv2d", (40, 1, positions)),
        ("project.first", "Linear", (1024,)),
        ("project.step.0", "GELU", (1024,)),
        ("project.step.1", "Linear", (1024,)),
        ("project.step.2", "Dropout", (1024,)),
        ("project.norm", "LayerNorm", (1024,)),
    ]
