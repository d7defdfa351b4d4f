"""The GAN decoder has the published sizes, and its read-in says the same in pieces as in one."""

from __future__ import annotations

import pytest
import torch

from models.table import n_parameters
from models.v1_gan import Generator, MEIReadIn, Painter, PerMouse, v1_discriminator, v1_gan
from models.v1_masks import masked_sum
from tests.models.walk import walk

SIZE = (6, 8)


def readin(**args: object) -> MEIReadIn:
    torch.manual_seed(0)
    return MEIReadIn(11, SIZE, channels=5, context=(3, 4), **args)


def test_it_has_exactly_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        model = v1_gan(8587, 1, (1, 36, 64), 1.0)
        narrow = v1_gan(8587, 1, (1, 36, 64), 1.0, readin=256)
        discriminator = v1_discriminator()
    shared = n_parameters(model.readin.context) + n_parameters(model.readin.mask)
    assert shared == 298_656
    assert n_parameters(model.readin.mix) + n_parameters(model.readin.norm) == 4_122_720
    assert n_parameters(model.readin) == 4_421_376
    assert n_parameters(model.core) == 16_372_769
    assert n_parameters(narrow.readin) == 2_497_440
    assert n_parameters(discriminator) == 2_092_481


def test_the_core_and_the_discriminator_have_the_published_shapes() -> None:
    with torch.device("meta"):
        core = Painter(480, 1, (480, 256, 256, 128, 64), (7, 5, 5, 3, 3), 0.35).eval()
        painted = [shape for _, kind, shape in walk(core, torch.empty(2, 480, 36, 64)) if kind == "Conv2d"]
        seen = walk(v1_discriminator().eval(), torch.empty(2, 1, 36, 64))
    assert painted == [(c, 36, 64) for c in (480, 256, 256, 128, 64, 1)]
    convs = [shape for _, kind, shape in seen if kind == "Conv2d"]
    assert convs == [(c, 17, 31) for c in (256, 256, 128, 64, 64)]
    assert seen[-2][2] == (33_728,)
    assert seen[-1][2] == (1,)


@pytest.mark.parametrize("chunk", [1, 3, 11, 50])
def test_neurons_in_pieces_say_what_all_of_them_say(chunk: int) -> None:
    responses = torch.rand(4, 11, 1)
    whole, pieces = readin(chunk=11).eval(), readin(chunk=chunk).eval()
    torch.testing.assert_close(pieces(responses), whole(responses))


def test_gradients_of_pieces_are_those_of_the_whole() -> None:
    found = []
    for chunk in (11, 4):
        model = readin(chunk=chunk, dropout=0.0).double().train()
        model(torch.arange(44, dtype=torch.float64).reshape(4, 11, 1) / 44).square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-9)


def test_what_is_held_for_the_way_back_does_not_grow_with_the_neurons() -> None:
    held = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor.numel())
        return tensor

    model = MEIReadIn(64, SIZE, channels=5, context=(3, 4), chunk=8).train()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(torch.rand(2, 64, 1))
    masks_of_all = 2 * 64 * 6 * 8
    assert max(held) < masks_of_all


def test_gradients_are_those_of_finite_differences() -> None:
    shapes = (2, 5, 3), (4, 3), (5, 4), (2, 5)
    hidden, weight, images, mix = (torch.rand(shape, dtype=torch.float64) for shape in shapes)
    for each in (hidden, weight, mix):
        each.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda *given: masked_sum(*given[:2], images, given[2], 2), (hidden, weight, mix))


def test_in_sixteen_bits_it_says_nearly_the_same_and_learns() -> None:
    torch.manual_seed(0)
    given = [torch.randn(shape, requires_grad=True) for shape in ((2, 50, 3), (4, 3), (50, 4), (6, 50))]
    whole = masked_sum(*given, 7)
    with torch.autocast("cpu", torch.bfloat16):
        half = masked_sum(*given, 7)
    assert half.dtype == torch.bfloat16
    assert (half.float() - whole).abs().max() < 0.02 * whole.abs().max()
    expected = torch.autograd.grad(whole.sum(), (given[0], given[1], given[3]))
    found = torch.autograd.grad(half.float().sum(), (given[0], given[1], given[3]))
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() < 0.02 * other.abs().max()


def test_whole_masks_are_dropped_in_training() -> None:
    model = readin(dropout=0.5, chunk=4).train()
    torch.manual_seed(1)
    hidden = torch.rand(200, 11, 4)
    mixed = model.mixed(hidden)
    with torch.no_grad():
        masks = (model.mask(hidden).unflatten(2, SIZE) * model.meis).flatten(2)
    mix = model.mix.weight[:, :, 0, 0]
    alone = torch.einsum("cn,bnp->bncp", mix, masks).flatten(2)  # what each neuron adds
    share = torch.linalg.lstsq(alone.transpose(1, 2), mixed.flatten(1)[..., None]).solution[..., 0]
    torch.testing.assert_close(share, (share > 1).float() * 2, rtol=1e-3, atol=1e-3)  # dropped, or doubled
    assert 0.45 < float((share > 1).float().mean()) < 0.55


def test_what_is_exported_says_the_same() -> None:
    model, hidden = readin(chunk=4).eval(), torch.rand(2, 11, 4)
    torch.testing.assert_close(model.traced(hidden), model.mixed(hidden))


def test_the_masks_multiply_the_images() -> None:
    model, responses = readin().eval(), torch.rand(2, 11, 1)
    hidden = model.hidden(responses[..., 0])
    masks = model.mask(hidden).reshape(2, 11, *SIZE)
    expected = model.norm(torch.einsum("cn,bnhw->bchw", model.mix.weight[:, :, 0, 0], masks * model.meis))
    torch.testing.assert_close(model(responses), expected)
    model.set_meis(torch.zeros(11, *SIZE))
    torch.testing.assert_close(model(responses), model.norm(torch.zeros(2, 5, *SIZE)))


def test_coordinates_and_the_logarithm_are_switches() -> None:
    responses = torch.rand(2, 11, 1)
    placed = readin(coordinates=True).eval()
    before = placed(responses)
    placed.set_coordinates(torch.rand(11, 2))
    assert not torch.allclose(placed(responses), before)
    assert placed.context[0].in_features == 3
    logs = readin(transform="log").eval()
    torch.testing.assert_close(logs(torch.full((2, 11, 1), -5.0)), logs(torch.full((2, 11, 1), 1e-3)))
    with pytest.raises(ValueError, match="build it with coordinates=True"):
        readin().set_coordinates(torch.rand(11, 2))
    with pytest.raises(ValueError, match=r"meis of shape \(3, 6, 8\) were given, expected \(11, 6, 8\)"):
        readin().set_meis(torch.zeros(3, 6, 8))


def test_several_mice_share_the_core_alone() -> None:
    core = Painter(5, 1, (4,), (3,), 0.0)
    mice = PerMouse({"a": readin(), "b": MEIReadIn(7, SIZE, channels=5, context=(3, 4))}, core).eval()
    assert mice(torch.rand(2, 7, 1), "b").shape == (2, 1, *SIZE)
    given = torch.rand(2, 11, 1)
    torch.testing.assert_close(mice(given, "a"), Generator(mice.readins["a"], core)(given))
    own = {id(p) for p in mice.readins["a"].parameters()} & {id(p) for p in mice.readins["b"].parameters()}
    assert not own


def test_the_discriminator_does_not_see_responses_and_has_a_head_for_each_mouse() -> None:
    model = v1_discriminator((1, 12, 14), heads=3, channels=(4, 4), kernels=(7, 3)).eval()
    assert model(torch.rand(2, 1, 12, 14)).shape == (2, 3)


@pytest.mark.parametrize(
    ("args", "said"),
    [({"transform": "sqrt"}, "transform='sqrt'"), ({"kernels": (4,), "channels": (8,)}, "all odd")],
)
def test_what_is_not_there_is_refused(args: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        v1_gan(5, 1, (1, 6, 8), 1.0, **args)
    with pytest.raises(ValueError, match="one number per neuron"):
        v1_gan(5, 2, (1, 6, 8), 1.0)
