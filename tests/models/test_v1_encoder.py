"""Encoders of mouse V1 have the published sizes, read where they say, and their step back is their gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from calibration.export import export_graph
from models.table import n_parameters
from models.v1_encoder import V1Encoder, v1_encoder, v1_encoder_linear
from models.v1_inversion import (
    InversionStep,
    Update,
    between_0_and_1,
    blurring,
    unit_deviation,
    v1_inversion_step,
)
from tests.models.walk import walk

IMAGE = (1, 14, 18)
SMALL = {"image": IMAGE, "channels": 6, "kernel": 5, "hidden_kernel": 3, "layers": 3}


def settled(n_chans: int = 9) -> V1Encoder:
    """A small encoder that has seen something, in evaluation mode."""
    torch.manual_seed(0)
    model = v1_encoder(n_chans, **SMALL)
    for _ in range(3):
        model(torch.randn(8, *IMAGE))
    return model.eval()


def test_it_has_exactly_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = v1_encoder(8587)
    assert n_parameters(model.core) == 40_256
    assert n_parameters(model.readout) == 71 * 8587 == 609_677
    assert n_parameters(model) == 649_933


def test_every_layer_has_the_published_shape() -> None:
    with torch.device("meta"):
        model = v1_encoder(8587).eval()
        steps = walk(model.core, torch.empty(2, 1, 36, 64))
    assert {shape for _, _, shape in steps} == {(64, 28, 56)}
    kinds = [kind for _, kind, _ in steps]
    assert kinds == ["Conv2d", "BatchNorm2d", "ELU"] + 3 * ["Conv2d", "Conv2d", "Conv2d", "BatchNorm2d", "ELU"]
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.9}


def test_the_earlier_form_has_three_layers_and_a_matrix() -> None:
    with torch.device("meta"):
        model = v1_encoder_linear(8587)
    assert len(model.core.layers) == 3
    assert n_parameters(model.readout) == 8587 * (64 * 7 * 14 + 1)


def test_responses_are_above_nothing_at_all() -> None:
    assert (settled()(5 * torch.randn(16, *IMAGE)) > 0).all()


def test_gathered_pixels_are_what_grid_sampling_sees_at_the_means() -> None:
    readout = settled().readout
    with torch.no_grad():
        readout.mu[0], readout.mu[1] = torch.tensor([1.0, -1.0]), torch.tensor([-1.7, 1.2])  # edges, and beyond them
    maps = torch.randn(3, 6, readout.height, readout.width)
    at = readout.mu.clamp(-1, 1).expand(3, -1, -1)[:, :, None]
    expected = nn.functional.grid_sample(maps, at, align_corners=True)[..., 0]
    torch.testing.assert_close(readout.fixed(maps), expected)
    torch.testing.assert_close(readout.means(maps), expected)
    torch.testing.assert_close(maps.flatten(2) @ readout.sampling().T, expected)


def test_places_are_drawn_while_it_is_trained_and_not_afterwards() -> None:
    model, image = settled(), torch.randn(2, *IMAGE)
    torch.testing.assert_close(model(image), model(image), rtol=0, atol=0)
    maps = model.core(image)
    model.readout.train()
    assert not torch.equal(model.readout(maps), model.readout(maps))
    with torch.no_grad():
        model.readout.sigma.zero_()
    drawn = model.readout(maps)
    torch.testing.assert_close(drawn, model.readout.eval()(maps))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a kernel that leaves two rows and columns"):
        v1_encoder(5, image=(1, 8, 20), kernel=9)
    with pytest.raises(ValueError, match="pool=50 was given"):
        v1_encoder_linear(5, image=IMAGE, channels=4, kernel=5, hidden_kernel=3, pool=50)
    with pytest.raises(ValueError, match="n_times=3 was given"):
        v1_inversion_step(5, 3)


def test_the_way_back_that_is_written_out_is_the_gradient() -> None:
    encoder = settled()
    step = InversionStep(encoder, Update(IMAGE[1:], 1.0, 0.0))
    image, responses = torch.randn(4, *IMAGE, requires_grad=True), torch.rand(4, 9, 1)
    ((encoder(image) - responses[..., 0]) ** 2).mean(1).sum().backward()
    torch.testing.assert_close(step.gradient(image.detach(), responses), image.grad, rtol=1e-4, atol=1e-7)


def test_a_step_in_training_mode_does_not_touch_the_statistics() -> None:
    step = InversionStep(settled(), Update(IMAGE[1:], 1.0, 1.0)).train()
    before = {name: value.clone() for name, value in step.state_dict().items()}
    step(torch.randn(2, *IMAGE), torch.rand(2, 9, 1))
    assert all(torch.equal(before[name], value) for name, value in step.state_dict().items())


def test_the_blur_is_a_gaussian_that_is_reflected() -> None:
    matrix = blurring(12, 1.0)
    torch.testing.assert_close(matrix.sum(1), torch.ones(12))
    line = torch.randn(1, 1, 12)
    weights = torch.exp(-(torch.arange(-4.0, 5) ** 2) / 2)
    padded = nn.functional.pad(line, (4, 4), mode="reflect")
    expected = nn.functional.conv1d(padded, (weights / weights.sum())[None, None])
    torch.testing.assert_close((matrix @ line[0, 0]), expected[0, 0])
    torch.testing.assert_close(blurring(5, 0.0), torch.eye(5))
    with pytest.raises(ValueError, match=r"sigma=3 was given for 12 pixels, expected 0 up to less than 3"):
        blurring(12, 3)


def test_every_step_ends_at_a_deviation_of_one_unless_told_otherwise() -> None:
    image, gradient = torch.randn(3, *IMAGE), torch.randn(3, *IMAGE)
    after = Update(IMAGE[1:], 2.0, 1.0)(image, gradient)
    torch.testing.assert_close(after.flatten(1).std(1, correction=0), torch.ones(3), rtol=1e-4, atol=1e-4)
    plain = Update(IMAGE[1:], 2.0, 1.0, rescale=False)(image, gradient)
    torch.testing.assert_close(unit_deviation(plain), after)


def test_the_exported_step_says_what_torch_says() -> None:
    runtime = pytest.importorskip("onnxruntime")
    args = {"out_shape": IMAGE, "channels": 6, "kernel": 5, "hidden_kernel": 3, "layers": 3, "shown": True}
    torch.manual_seed(0)
    step = v1_inversion_step(9, lr=3.0, **args)
    step.encoder.load_state_dict(settled().state_dict())
    given = np.random.default_rng(0).standard_normal((3, *IMAGE)).astype(np.float32), np.ones((3, 9, 1), np.float32)
    files = export_graph(step, given, input_names=("image", "responses"), output_names=("next_image", "shown"))
    session = runtime.InferenceSession(files.onnx, providers=["CPUExecutionProvider"])
    got = session.run(None, dict(zip(("image", "responses"), given, strict=True)))
    with torch.no_grad():
        expected = step.eval()(*map(torch.from_numpy, given))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
    assert got[1].min() >= 0
    assert got[1].max() <= 1


def test_a_picture_for_the_screen_goes_from_black_to_white() -> None:
    shown = between_0_and_1(torch.randn(3, *IMAGE))
    torch.testing.assert_close(shown.amin((1, 2, 3)), torch.zeros(3))
    torch.testing.assert_close(shown.amax((1, 2, 3)), torch.ones(3))
