"""The network from images to ECoG: sizes, shapes, and what it is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.export import check_export, export_graph, run_torch
from models.image2ecog import EpochShape, Image2Ecog, ImageBackbone, ImageClassifier, image2ecog
from models.table import n_parameters
from tests.models.walk import walk


def test_it_has_exactly_the_parameters_of_the_resolved_design() -> None:
    with torch.device("meta"):
        waves, values = image2ecog(80, 200), image2ecog(80)
        assert n_parameters(waves.backbone) == 93_696
        assert n_parameters(waves.regressor) == 3_279_104
        assert n_parameters(waves) == 3_372_800
        assert n_parameters(values) == 1_319_120
        assert n_parameters(ImageClassifier(5)) == 93_696 + 10_245


def test_every_layer_has_the_shape_of_the_resolved_design() -> None:
    with torch.device("meta"):
        shapes = [shape for _, kind, shape in walk(image2ecog(80, 200).eval(), torch.empty(2, 3, 224, 224)) if kind]
    blocks = [
        [(n, 448 // 2**k, 448 // 2**k)] * 3 + [(n, 224 // 2**k, 224 // 2**k)] for k, n in ((1, 32), (2, 64), (3, 128))
    ]
    assert shapes[1:13] == [shape for each in blocks for shape in each]
    assert shapes[13:15] == [(128, 4, 4), (2048,)]
    assert shapes[15:27] == [(n,) for n in (512, 256, 128) for _ in range(4)]
    assert shapes[27:] == [(16_000,), (80, 200)]


def test_a_hidden_layer_is_linear_gelu_layer_norm_and_dropout() -> None:
    kinds = [type(layer).__name__ for layer in image2ecog(4, 10, size=32, pool=2).regressor[0]]
    assert kinds == ["Linear", "GELU", "LayerNorm", "Dropout"]


def test_pooling_is_what_adaptive_pooling_gives() -> None:
    backbone = ImageBackbone(64, (8, 16, 24), 4).eval()
    maps = torch.randn(2, 24, 8, 8)
    torch.testing.assert_close(backbone.pool(maps), torch.nn.AdaptiveAvgPool2d(4)(maps).flatten(1))


def test_images_are_standardised_by_imagenets_colours() -> None:
    backbone = ImageBackbone(16, (4,), 2)
    seen = []
    backbone.blocks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    backbone(torch.tensor([0.485, 0.456, 0.406])[None, :, None, None].expand(1, 3, 16, 16))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 16, 16))


def test_a_size_that_cannot_be_pooled_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size=50 leaves 6 pixels a side .* multiple of 32"):
        ImageBackbone(50)


def test_answers_are_scaled_channel_by_channel() -> None:
    model = Image2Ecog((3, 10), size=16, conv=(4,), pool=2, hidden=(8,)).eval()
    images = torch.rand(2, 3, 16, 16)
    model.offset[:], model.scale[:] = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[10.0], [20.0], [30.0]])
    torch.testing.assert_close(model(images), model.standardised(images) * model.scale + model.offset)


def test_flat_images_are_the_same_images() -> None:
    args = {"n_chans": 3, "n_times": 10, "size": 16, "conv": (4,), "pool": 2, "hidden": (8,)}
    plain, flat = image2ecog(**args).eval(), image2ecog(**args, flat=True).eval()
    flat.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(plain(images), flat(images.flatten(1)))


def test_the_inner_product_of_two_shapes_is_their_correlation() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1, 1, 30)).astype(np.float32) + 3
    shape = EpochShape(torch.tensor([[2.0]]))
    one, other = (shape(torch.from_numpy(each))[0].numpy() for each in (a, b))
    assert one @ other == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-5)


def test_the_shape_of_an_epoch_exports() -> None:
    shape = EpochShape(torch.tensor([[2.0], [3.0]]))
    given = np.random.default_rng(0).standard_normal((4, 2, 30)).astype(np.float32)
    assert check_export(export_graph(shape, given), given, run_torch(shape, given)) < 1e-5
