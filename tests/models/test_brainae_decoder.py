"""The brain decoder of BrainAE: size, shapes, and the arithmetic of its two transposed convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.brainae_decoder import BrainDecoder, LinearDecoder, Spread, Widen
from models.table import n_parameters
from tests.models.walk import walk

SIZES = pytest.mark.parametrize(
    ("n_chans", "n_times", "parameters", "linear"),
    [(63, 250, 1_987_683, 16_143_750), (271, 200, 1_910_483, 55_555_000), (1024, 200, 3_115_283, 209_920_000)],
)


@SIZES
def test_it_has_exactly_the_published_number_of_parameters(
    n_chans: int, n_times: int, parameters: int, linear: int
) -> None:
    with torch.device("meta"):
        assert n_parameters(BrainDecoder(n_chans, n_times)) == parameters
        assert n_parameters(LinearDecoder(n_chans, n_times)) == linear


@SIZES
def test_every_layer_has_the_published_shape(n_chans: int, n_times: int, parameters: int, linear: int) -> None:
    positions = (n_times - 25) // 5
    with torch.device("meta"):
        shapes = walk(BrainDecoder(n_chans, n_times).eval(), torch.empty(2, 1024))
    assert shapes == [
        ("project.0", "Linear", (40 * positions,)),
        ("project.1", "GELU", (40 * positions,)),
        ("project.2", "Unflatten", (40, 1, positions)),
        ("spatial.0", "Spread", (40, n_chans, positions)),
        ("spatial.1", "BatchNorm2d", (40, n_chans, positions)),
        ("spatial.2", "Elu", (40, n_chans, positions)),
        ("temporal.0", "Widen", (40, n_chans, n_times)),
        ("temporal.1", "BatchNorm2d", (40, n_chans, n_times)),
        ("temporal.2", "Elu", (40, n_chans, n_times)),
        ("merge.0", "ConvTranspose2d", (1, n_chans, n_times)),
        ("merge.1", "BatchNorm2d", (1, n_chans, n_times)),
        ("merge.2", "Tanh", (1, n_chans, n_times)),
    ]


@pytest.mark.parametrize(
    ("kernel", "pool", "positions"), [(26, 5, 45), (26, 5, 7), (5, 5, 3), (4, 3, 4), (1, 1, 6), (2, 7, 2)]
)
def test_widening_is_up_sampling_and_a_transposed_convolution(kernel: int, pool: int, positions: int) -> None:
    torch.manual_seed(0)
    n_times = pool * positions + kernel - 1
    widen = Widen(3, kernel, pool, n_times).double()
    plainly = nn.Sequential(
        nn.Upsample(scale_factor=(1.0, float(pool)), mode="nearest"), nn.ConvTranspose2d(3, 3, (1, kernel)).double()
    )
    plainly[1].load_state_dict(widen.state_dict())
    x = torch.randn(2, 3, 4, positions, dtype=torch.float64)
    torch.testing.assert_close(widen(x), plainly(x))


def test_spreading_is_a_transposed_convolution() -> None:
    torch.manual_seed(0)
    spread, plainly = Spread(3, 5), nn.ConvTranspose2d(3, 3, (5, 1))
    plainly.load_state_dict(spread.state_dict())
    x = torch.randn(2, 3, 1, 7)
    torch.testing.assert_close(spread(x), plainly(x))


def test_gradients_are_those_of_the_plain_layers() -> None:
    torch.manual_seed(0)
    decoder = BrainDecoder(4, 40, embedding=6, filters=3, kernel=6, pool=5, out_act="identity").double()
    spread, widen = decoder.spatial[0], decoder.temporal[0]
    up = nn.Upsample(scale_factor=(1.0, 5.0), mode="nearest")
    z = torch.randn(8, 6, dtype=torch.float64)
    decoder(z).square().mean().backward()
    ours = [parameter.grad.clone() for parameter in decoder.parameters()]
    decoder.zero_grad()
    functional = nn.functional
    spread.forward = lambda x: functional.conv_transpose2d(x, spread.weight, spread.bias)
    widen.forward = lambda x: functional.conv_transpose2d(up(x), widen.weight, widen.bias)
    decoder(z).square().mean().backward()
    for got, parameter in zip(ours, decoder.parameters(), strict=True):
        torch.testing.assert_close(got, parameter.grad)


@pytest.mark.parametrize("n_times", [1, 10, 26, 30, 31, 249, 251, 254])
def test_other_lengths_are_made_longer_and_cropped_at_the_end(n_times: int) -> None:
    torch.manual_seed(0)
    decoder = BrainDecoder(2, n_times, embedding=8, filters=3).eval()
    longer = BrainDecoder(2, 5 * decoder.project[2].unflattened_size[-1] + 25, embedding=8, filters=3).eval()
    longer.load_state_dict(decoder.state_dict())
    z = torch.randn(3, 8)
    assert decoder(z).shape == (3, 2, n_times)
    assert longer(z).shape[-1] - n_times < max(5, 31 - n_times)
    torch.testing.assert_close(decoder(z), longer(z)[..., :n_times])


def test_the_published_end_keeps_predictions_within_one_and_the_other_does_not() -> None:
    torch.manual_seed(0)
    bounded, free = (BrainDecoder(2, 40, 8, 3, out_act=act).eval() for act in ("tanh", "identity"))
    free.load_state_dict(bounded.state_dict())
    for decoder in (bounded, free):
        decoder.merge[1].bias.data.fill_(3.0)
    z = torch.randn(3, 8)
    assert bounded(z).abs().max() < 1
    torch.testing.assert_close(free(z).tanh(), bounded(z))
    assert free(z).max() > 1


def test_an_unknown_end_is_refused() -> None:
    with pytest.raises(ValueError, match="out_act='relu' was given, expected 'tanh' or 'identity'"):
        BrainDecoder(2, 40, out_act="relu")  # type: ignore[arg-type]


def test_weights_are_drawn_as_the_authors_draw_them() -> None:
    torch.manual_seed(0)
    decoder = BrainDecoder(63, 250)
    for layer in (decoder.project[0], decoder.spatial[0], decoder.temporal[0]):
        assert layer.weight.detach().std() == pytest.approx(0.02, rel=0.02)
    assert decoder.temporal[1].weight.detach().mean() == pytest.approx(1.0, abs=0.02)
