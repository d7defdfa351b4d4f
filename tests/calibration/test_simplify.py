"""What an export is simplified to computes the same with fewer operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
runtime = pytest.importorskip("onnxruntime")

from torch import nn  # noqa: E402

from calibration import export  # noqa: E402
from calibration.simplify import simplify  # noqa: E402


def settled(*layers: nn.Module) -> nn.Sequential:
    """Layers in eval mode, their normalisations with statistics of their own."""
    torch.manual_seed(0)
    module = nn.Sequential(*layers)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.uniform_(layer.bias)
    return module.eval()


def simplified(module: nn.Module, *shape: int) -> list[str]:
    """Operators of the export; it says what torch says at batch 1 and 3."""
    x = torch.randn((3, *shape), generator=torch.Generator().manual_seed(1))
    content = export.export_graph(module, x).onnx
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        for batch in (1, 3):
            wanted = module(x[:batch]).numpy()
            (got,) = session.run(None, {"input": x[:batch].numpy()})
            assert got.shape == wanted.shape
            assert np.abs(got - wanted).max() <= 2e-6 * np.abs(wanted).max()
    return [node.op_type for node in onnx.load_model_from_string(content).graph.node]


def test_a_pool_and_a_normalisation_go_into_the_convolution_before_them() -> None:
    module = settled(nn.Conv2d(1, 4, (1, 7)), nn.AvgPool2d((1, 5)), nn.BatchNorm2d(4), nn.ELU())
    assert simplified(module, 1, 3, 43) == ["Conv", "Elu"]


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_strides_and_padding_of_the_first_survive(stride: int, padding: int) -> None:
    first = nn.Conv2d(2, 4, (3, 6), stride, padding)
    assert simplified(settled(first, nn.AvgPool2d((2, 5), (2, 3))), 2, 21, 60) == ["Conv"]


def test_two_convolutions_become_one_where_that_is_less_arithmetic() -> None:
    assert simplified(settled(nn.Conv2d(1, 16, (1, 5)), nn.Conv2d(16, 16, (9, 1), bias=False)), 1, 9, 40) == ["Conv"]


def test_two_convolutions_stay_two_where_one_would_be_more() -> None:
    assert simplified(settled(nn.Conv2d(8, 1, 5), nn.Conv2d(1, 8, 5)), 8, 20, 20) == ["Conv", "Conv"]


@pytest.mark.parametrize(
    "between", [nn.ELU(), nn.AvgPool2d(3, padding=1), nn.AvgPool2d(2, ceil_mode=True), nn.MaxPool2d(3)], ids=str
)
def test_what_is_not_linear_or_pads_in_between_keeps_them_apart(between: nn.Module) -> None:
    ops = simplified(settled(nn.Conv2d(1, 16, 3), between, nn.Conv2d(16, 2, 3)), 1, 24, 25)
    assert ops.count("Conv") == 2
    assert len(ops) == 3


def test_a_value_that_is_used_twice_is_not_merged_away() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool = nn.Conv2d(1, 4, (1, 7)), nn.AvgPool2d((1, 5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            return self.pool(maps).mean(-1) + maps.mean(-1)

    assert "AveragePool" in simplified(settled(Both()), 1, 3, 43)


def test_grouped_convolutions_are_merged_only_as_the_second() -> None:
    shallow = settled(nn.Conv2d(1, 8, (1, 4)), nn.Conv2d(8, 8, (20, 1), groups=8), nn.ELU())
    ops = simplified(shallow, 1, 20, 30)
    assert ops in (["Conv", "Elu"], ["Conv", "Conv", "Elu"])
    grouped = settled(nn.Conv2d(4, 8, 3, groups=4), nn.AvgPool2d(2))
    assert simplified(grouped, 4, 12, 12) == ["Conv", "AveragePool"]


@pytest.mark.parametrize(
    ("size", "padding", "dilation"), [(5, 2, 1), (4, 1, 1), (3, 0, 2), ((2, 5), (0, 3), 1), (1, 0, 1)]
)
def test_a_transposed_convolution_of_stride_one_is_a_convolution(size: Any, padding: Any, dilation: int) -> None:
    layer = nn.ConvTranspose2d(3, 5, size, 1, padding, dilation=dilation)
    assert simplified(settled(layer, nn.BatchNorm2d(5)), 3, 9, 10) == ["Conv"]


@pytest.mark.parametrize(
    "layer",
    [nn.ConvTranspose2d(4, 4, 3, groups=2), nn.ConvTranspose2d(4, 4, 3, padding=3)],
    ids=["groups", "cut"],
)
def test_other_transposed_convolutions_stay(layer: nn.Module) -> None:
    assert simplified(settled(layer), 4, 9, 10) == ["ConvTranspose"]


def test_what_depends_on_weights_alone_is_computed_now() -> None:
    class Combined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time, self.space = nn.Parameter(torch.randn(40, 1, 1, 25)), nn.Parameter(torch.randn(40, 40, 63, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kernel = (self.space * self.time.permute(1, 0, 2, 3)).sum(1, keepdim=True)
            return nn.functional.conv2d(x, kernel)

    assert simplified(settled(Combined()), 1, 63, 50) == ["Conv"]


def test_simplifying_twice_changes_nothing() -> None:
    module = settled(nn.Conv2d(1, 4, (1, 7)), nn.AvgPool2d((1, 5)), nn.BatchNorm2d(4), nn.ELU())
    once = onnx.load_model_from_string(export.export_graph(module, torch.zeros(1, 1, 3, 43)).onnx)
    again = simplify(once)
    assert [node.op_type for node in again.graph.node] == [node.op_type for node in once.graph.node]
    assert sorted(len(t.raw_data) for t in again.graph.initializer) == sorted(
        len(t.raw_data) for t in once.graph.initializer
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (4, 2), (5, 3), ((3, 5), 2), (2, 2)])
def test_a_transposed_convolution_of_few_channels_is_dealt_out(
    kernel: int | tuple[int, int], stride: int, padding: int, bias: bool
) -> None:
    if padding and min(kernel if isinstance(kernel, tuple) else (kernel,)) <= 2:
        padding = 0
    module = settled(nn.ConvTranspose2d(3, 6, kernel, stride, padding, bias=bias), nn.ReLU())
    operators = simplified(module, 3, 9, 14)
    assert "ConvTranspose" not in operators
    assert "DepthToSpace" in operators


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(32, 6, 4, 2),
        nn.ConvTranspose2d(4, 6, 4, (2, 3)),
        nn.ConvTranspose2d(4, 6, 4, 2, output_padding=1),
        nn.ConvTranspose2d(4, 6, 4, 2, groups=2),
        nn.ConvTranspose2d(4, 6, 3, 2, dilation=2),
        nn.ConvTranspose2d(4, 6, 1, 2),
    ],
    ids=str,
)
def test_what_cannot_or_need_not_be_dealt_out_stays(layer: nn.Module) -> None:
    assert "ConvTranspose" in simplified(settled(layer), layer.in_channels, 9, 14)
