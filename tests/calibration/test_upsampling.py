"""Up-sampling merged into the convolution behind it: the same numbers, forward, backward and in the file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from calibration.export import check_export, export_graph, run_torch
from calibration.upsampling import UpConv3d, merge_upsampling
from models.spikes2video import spikes2video


def block(kernel: int, pool: tuple[int, ...], n_in: int = 3, n_out: int = 2, **args) -> nn.Sequential:
    torch.manual_seed(0)
    up = nn.Upsample(scale_factor=tuple(float(each) for each in pool))
    return nn.Sequential(up, nn.Conv3d(n_in, n_out, kernel, **{"padding": kernel // 2, **args})).double()


def answer_and_gradients(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    answer = network(x)
    (answer * torch.linspace(-1, 1, answer.numel(), dtype=x.dtype).view_as(answer)).sum().backward()
    conv = network[1]
    return [answer, x.grad, conv.weight.grad, conv.bias.grad]


@pytest.mark.parametrize("pool", [(3, 2, 2), (1, 2, 2), (5, 2, 3), (1, 1, 1), (4, 1, 6)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_answers_and_gradients_are_those_of_both_in_a_row(kernel: int, pool: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, 2, 4, 3, dtype=torch.float64)
    expected = answer_and_gradients(block(kernel, pool), x)
    merged = block(kernel, pool)
    merged[0], merged[1] = nn.Identity(), UpConv3d(merged[1], pool)
    for got, want in zip(answer_and_gradients(merged, x), expected, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got.detach(), want.detach(), rtol=1e-10, atol=1e-10)


def test_weights_keep_their_names_and_are_shared() -> None:
    plain = block(7, (3, 2, 2))
    before, conv = dict(plain.state_dict()), plain[1]
    merged = merge_upsampling(plain)
    assert merged is plain
    assert isinstance(merged[1], UpConv3d)
    assert merged.state_dict().keys() == before.keys()
    assert merged[1].weight is conv.weight


@pytest.mark.parametrize(
    "row",
    [
        nn.Sequential(nn.Upsample(scale_factor=(1.5, 2.0, 2.0)), nn.Conv3d(3, 2, 7, padding=3)),
        nn.Sequential(nn.Upsample(size=(4, 4, 4)), nn.Conv3d(3, 2, 7, padding=3)),
        nn.Sequential(nn.Upsample(scale_factor=2.0, mode="trilinear"), nn.Conv3d(3, 2, 7, padding=3)),
        block(7, (3, 2, 2), padding=0),
        block(7, (3, 2, 2), stride=2),
        block(7, (3, 2, 2), dilation=2),
        block(7, (3, 2, 2), padding_mode="circular"),
        block(4, (3, 2, 2)),
        block(7, (3, 2, 2), n_in=4, groups=2),
        nn.Sequential(nn.Upsample(scale_factor=2.0), nn.ReLU()),
    ],
    ids=[
        "fraction",
        "size",
        "smooth",
        "unpadded",
        "stride",
        "dilation",
        "circular",
        "even",
        "groups",
        "no convolution",
    ],
)
def test_what_cannot_be_merged_is_left_alone(row: nn.Sequential) -> None:
    kinds = [type(each) for each in row]
    assert [type(each) for each in merge_upsampling(row)] == kinds


def test_little_is_left_to_gain_where_kernels_are_small_and_maps_many() -> None:
    assert isinstance(merge_upsampling(block(3, (1, 2, 2), n_out=32))[1], nn.Conv3d)
    assert isinstance(merge_upsampling(block(3, (3, 2, 2), n_out=3))[1], UpConv3d)


def test_an_exported_network_up_samples_in_its_convolutions_and_the_module_stays_as_it_was() -> None:
    torch.manual_seed(0)
    network = spikes2video(5, 45, (3, 45, 16, 16), 10.0, hidden=6, base=2, kernels=(3, 3, 5, 7)).eval()
    x = np.random.default_rng(0).standard_normal((3, 5, 45), dtype=np.float32)
    files = export_graph(network, x)
    check_export(files, x, run_torch(network, x))
    assert not any(isinstance(each, UpConv3d) for each in network.modules())
    assert sum(isinstance(each, nn.Upsample) for each in network.modules()) == 4
    kinds = [node.op_type for node in onnx.load_model_from_string(files.onnx).graph.node]
    assert "Einsum" not in kinds
    assert kinds.count("Resize") < 4
