"""The brain encoder of BrainAE has the size its authors' has."""

from __future__ import annotations

import pytest
import torch

from models.brainae import TSConv, build_classifier


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
