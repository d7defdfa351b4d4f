"""Brain2Pix: exactly the published networks, and receptive-field images as they are defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.brain2pix import Discriminator, Generator, brain2pix, brain2pix_discriminator
from models.brain2pix_baselines import brain2pix_dense, brain2pix_shen
from models.brain2pix_readin import NOWHERE, FixedRF, LearnedRF, MeanAtPixel
from models.table import n_parameters
from tests.models.walk import walk

FRAME = (3, 96, 96)


def on_meta(builder, *args, **further):
    with torch.device("meta"):
        return builder(*args, **further)


@pytest.mark.parametrize(("n_in", "count"), [(15, 16_672_451), (5, 16_662_211)])
def test_the_generator_has_exactly_the_published_number_of_parameters(n_in: int, count: int) -> None:
    assert n_parameters(on_meta(Generator, n_in, FRAME)) == count


def test_the_discriminator_has_exactly_the_published_number_of_parameters() -> None:
    assert n_parameters(on_meta(brain2pix_discriminator, 15)) == 2_777_409


def test_fixed_images_add_no_parameter_and_learned_ones_a_matrix_and_a_bias_per_region() -> None:
    fixed = on_meta(brain2pix, 4500, 5, FRAME, 1 / 0.7, regions=[1500] * 3)
    learned = on_meta(brain2pix, 4500, 5, FRAME, 1 / 0.7, regions=[1500] * 3, learned=True)
    assert n_parameters(fixed) == 16_672_451
    assert n_parameters(learned) - n_parameters(fixed) == 3 * 1501 * 9216


def test_the_baselines_have_the_parameters_of_their_layers() -> None:
    shen = 4500 * 5 * 256 + 256 + 257 * 15 * 9216 + 16_672_451
    assert n_parameters(on_meta(brain2pix_shen, 4500, 5, FRAME, 1 / 0.7)) == shen
    dense = 22501 * 1475 + 1476 * 100 + 101 * 1475 + 1476 * 3 * 9216
    assert n_parameters(on_meta(brain2pix_dense, 4500, 5, FRAME, 1 / 0.7)) == dense


def test_every_step_of_the_generator_has_the_published_shape() -> None:
    model = on_meta(Generator, 15, FRAME).eval()
    steps = walk(model, torch.empty(2, 15, 96, 96, device="meta"))
    down = [(64, 48, 48), (128, 24, 24), (256, 12, 12), (512, 6, 6), (512, 3, 3)]
    up = [(512, 6, 6), (256, 12, 12), (128, 24, 24), (64, 48, 48), (3, 96, 96)]
    assert [shape for _, kind, shape in steps if kind == "Conv2d"] == down
    assert [shape for _, kind, shape in steps if kind == "ConvTranspose2d"] == up
    across = [layer[0].in_channels for layer in model.up] + [model.last.in_channels]
    assert across == [512, 1024, 512, 256, 128]
    assert not any(kind == "Dropout" for _, kind, _ in steps)


def test_every_step_of_the_discriminator_has_the_published_shape() -> None:
    model = on_meta(brain2pix_discriminator, 15).eval()
    steps = walk(model, *(torch.empty(2, n, 96, 96, device="meta") for n in (15, 3)))
    shapes = [shape for _, kind, shape in steps if kind == "Conv2d"]
    assert shapes == [(64, 48, 48), (128, 24, 24), (256, 12, 12), (512, 11, 11), (1, 6, 6)]


def test_only_the_outer_layers_have_a_bias_and_kernels_are_four_with_one_of_three() -> None:
    generator, judge = on_meta(Generator, 15, FRAME), on_meta(brain2pix_discriminator, 15)
    convs = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    biased = [[m.bias is not None for m in net.modules() if isinstance(m, convs)] for net in (generator, judge)]
    assert biased == [[True, *[False] * 8, True], [True, False, False, False, True]]
    assert {m.kernel_size for m in generator.modules() if isinstance(m, convs)} == {(4, 4)}
    assert [m.kernel_size[0] for m in judge.modules() if isinstance(m, convs)] == [4, 4, 4, 4, 3]


def test_the_relu_covers_what_comes_across_and_batches_move_statistics_as_published() -> None:
    torch.manual_seed(0)
    model = Generator(2, (3, 16, 16), (4, 8)).train()
    assert {layer.momentum for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)} == {0.9}
    into: list[torch.Tensor] = []
    model.last.register_forward_pre_hook(lambda _, given: into.append(given[0]))
    model(torch.randn(4, 2, 16, 16))
    assert into[0].shape == (4, 8, 8, 8)
    assert into[0].min() == 0


def test_weights_begin_as_published() -> None:
    torch.manual_seed(0)
    model = Generator(15, (3, 32, 32), (32, 64, 64))
    kernels = torch.cat([m.weight.flatten() for m in model.modules() if isinstance(m, torch.nn.Conv2d)])
    assert float(kernels.detach().std()) == pytest.approx(0.02, rel=0.02)
    gains = torch.cat([m.weight for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)])
    gains = gains.detach()
    assert float(gains.mean()) == pytest.approx(1, abs=0.01)
    assert 0.01 < float(gains.std()) < 0.03


def by_hand(values: np.ndarray, pixel: list[int], n_pixels: int) -> np.ndarray:
    """``(B, T, n_voxels)`` to ``(B, T, n_pixels)``, pixel by pixel."""
    made = np.zeros((*values.shape[:2], n_pixels), np.float32)
    for place in set(pixel) - {NOWHERE}:
        made[:, :, place] = values[:, :, np.array(pixel) == place].mean(2)
    return made


def test_a_pixel_has_the_mean_of_the_voxels_that_look_there_and_zero_elsewhere() -> None:
    pixel = [3, 3, 0, NOWHERE, 7, 3, 0]
    values = np.random.default_rng(0).standard_normal((2, 5, 7), np.float32)
    made = MeanAtPixel(pixel, 9)(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(made, by_hand(values, pixel, 9), atol=1e-6)


def test_images_are_ordered_by_region_then_lag() -> None:
    readin = FixedRF([2, 3], (2, 2), [0, 1, 0, 1, 2])
    x = torch.arange(5 * 4, dtype=torch.float32).reshape(1, 5, 4)
    images = readin(x)
    assert images.shape == (1, 8, 2, 2)
    for lag in range(4):
        assert images[0, lag].flatten().tolist() == [*x[0, :2, lag].tolist(), 0, 0]
        assert images[0, 4 + lag].flatten().tolist() == [*x[0, 2:, lag].tolist(), 0]


def test_learned_images_are_the_fixed_ones_where_nothing_was_learned() -> None:
    pixel = [0, 5, 5, 2, 9, 15]
    fixed, learned = FixedRF([4, 2], (4, 4), pixel), LearnedRF([4, 2], (4, 4), pixel)
    x = torch.randn(3, 6, 5)
    assert (fixed(x) - learned(x)).abs().max() > 0
    with torch.no_grad():
        for parameter in learned.parameters():
            parameter.zero_()
    torch.testing.assert_close(learned(x), fixed(x), rtol=0, atol=0)


def test_what_is_learned_is_shared_by_the_lags_of_a_region_and_begins_as_published() -> None:
    torch.manual_seed(0)
    learned = LearnedRF([300], (16, 16))
    assert [tuple(p.shape) for p in learned.parameters()] == [(256, 300), (256,)]
    assert float(learned.spread[0].weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(learned.spread[0].bias.detach().abs().max()) == 0
    same = torch.randn(2, 300, 1).expand(2, 300, 5)
    images = learned(same)
    torch.testing.assert_close(images, images[:, :1].expand_as(images))


def test_gradients_reach_what_is_learned_and_nothing_of_a_fixed_image() -> None:
    model = brain2pix(6, 5, (3, 16, 16), 1.4, regions=[4, 2], learned=True, widths=(4, 8))
    model(torch.randn(2, 6, 5)).mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.readin.parameters())
    assert not list(FixedRF([4, 2], (4, 4)).parameters())


def test_a_judge_of_pictures_alone_takes_no_images() -> None:
    judge = Discriminator(0, 3, (4, 8))
    assert judge(torch.empty(2, 0, 16, 16), torch.rand(2, 3, 16, 16)).shape[:2] == (2, 1)


@pytest.mark.parametrize(
    ("builder", "args", "said"),
    [
        (brain2pix, {"regions": [4, 3]}, r"add up to 6"),
        (brain2pix, {"regions": [4, 2], "pixel": [0, 1]}, r"2 pixels were given .* one for each of 6"),
        (brain2pix, {"regions": [6], "pixel": [NOWHERE] * 6}, r"one at least from 0 to 255"),
        (brain2pix, {"regions": [6], "pixel": [0, 1, 2, 3, 4, 256]}, r"from 0 to 255"),
        (brain2pix, {"regions": [6], "widths": (4,) * 5}, r"multiples of 32"),
        (brain2pix_shen, {"out_shape": (16, 16)}, r"expected \(C, H, W\)"),
        (brain2pix_dense, {"out_shape": (16, 16)}, r"expected \(C, H, W\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_words(builder, args: dict, said: str) -> None:
    small = {} if builder is brain2pix_dense else {"widths": (4, 8)}
    with pytest.raises(ValueError, match=said):
        builder(6, 5, **{"out_shape": (3, 16, 16), "sfreq": 1.4, **small, **args})
