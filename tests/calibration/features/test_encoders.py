"""Every encoder: built, filled from a file with weights at random, and fed as published."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision
from torchvision.transforms import v2

from calibration.features import FEATURES, FeatureRow, extract, open_encoder
from calibration.features.images import Preparation
from calibration.features.open_clip_encoders import MEAN, STD, image_tower, tower_row
from calibration.features.timm_encoders import HALF, headless, timm_row
from streamkit.errors import BadInput, ConfigError, StreamkitError
from tests.calibration.features.nets import TOWERS, made, pictures, random_weights, saved, towers

TRAINED = [row for row in FEATURES.values() if row.needs_weights]
IMAGENET = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OF_TORCHVISION = {
    "resnet50": (torchvision.models.ResNet50_Weights.IMAGENET1K_V2, True),
    "alexnet": (torchvision.models.AlexNet_Weights.IMAGENET1K_V1, True),
    "alexnet_features_4": (torchvision.models.AlexNet_Weights.IMAGENET1K_V1, False),
    "alexnet_features_11": (torchvision.models.AlexNet_Weights.IMAGENET1K_V1, False),
    "alexnet_pool2": (torchvision.models.AlexNet_Weights.IMAGENET1K_V1, False),
    "alexnet_pool5": (torchvision.models.AlexNet_Weights.IMAGENET1K_V1, False),
    "alexnet_fc6": (torchvision.models.AlexNet_Weights.IMAGENET1K_V1, False),
    "inception_v3_avgpool": (torchvision.models.Inception_V3_Weights.IMAGENET1K_V1, False),
    "efficientnet_b1_avgpool": (torchvision.models.EfficientNet_B1_Weights.IMAGENET1K_V2, False),
}
OF_OPEN_CLIP = {
    "eva02_e_14": ("EVA02-E-14", "laion2b_s4b_b115k"),
    "eva02_e_14_plus": ("EVA02-E-14-plus", "laion2b_s9b_b144k"),
    "clip_vit_b_16": ("ViT-B-16", "laion2b_s34b_b88k"),
    "clip_vit_l_14": ("ViT-L-14", "openai"),
    "clip_vit_h_14": ("ViT-H-14", "laion2b_s32b_b79k"),
}


def encoded(row: FeatureRow, file: Path, images: np.ndarray) -> np.ndarray:
    return open_encoder(row, file).encode(images)


@pytest.mark.parametrize("row", TRAINED, ids=lambda row: row.name)
def test_every_row_says_who_publishes_its_weights_and_under_what(row):
    assert row.network is not None
    assert row.network.url.startswith("https://")
    assert all((row.summary, row.source, row.licence, row.network.file))
    assert row.dim > 0


@pytest.mark.parametrize("row", TRAINED, ids=lambda row: row.name)
def test_without_its_weights_an_encoder_says_where_they_are_published_and_which_option_to_give(row):
    for given in (None, Path("nowhere.pth")):
        with pytest.raises(BadInput) as told:
            extract(pictures(1), row.name, given)
        said = str(told.value)
        assert all(part in said for part in (row.name, row.network.url, row.network.file, row.licence, "`weights`"))
        assert "nowhere.pth is no file" in said or given is None


def test_an_unknown_encoder_names_the_closest():
    with pytest.raises(ConfigError, match="Did you mean 'clip_vit_h_14'"):
        extract(pictures(1), "clip-vit-h14")


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_torchvision_publishes_that_file_and_prepares_images_that_way(name):
    published, cuts = OF_TORCHVISION[name]
    network, theirs = FEATURES[name].network, published.transforms()
    assert network.url == published.url
    assert network.url.endswith(f"-{network.sha256}.pth")
    assert (network.preparation.mean, network.preparation.std) == (tuple(theirs.mean), tuple(theirs.std))
    assert network.preparation.interpolation == theirs.interpolation.value == "bilinear"
    if cuts:
        assert (network.preparation.shorter, network.preparation.size) == (theirs.resize_size[0], theirs.crop_size[0])


@pytest.mark.parametrize("name", OF_OPEN_CLIP)
def test_open_clip_publishes_those_weights_and_prepares_images_that_way(name):
    architecture, tag = OF_OPEN_CLIP[name]
    theirs, network = open_clip.pretrained.get_pretrained_cfg(architecture, tag), FEATURES[name].network
    assert network.url == f"https://huggingface.co/{theirs['hf_hub'].strip('/')}"
    ours = network.preparation
    assert (ours.mean, ours.std, ours.interpolation) == (theirs["mean"], theirs["std"], theirs["interpolation"])
    assert (ours.shorter, theirs["resize_mode"]) == (ours.size, "shortest")
    assert network.build.args == (architecture, theirs.get("quick_gelu", False))
    assert FEATURES[name].dim == open_clip.get_model_config(architecture)["embed_dim"]


def test_timm_publishes_those_weights_and_prepares_images_that_way():
    network = FEATURES["vit_b_16"].network
    theirs = timm.get_pretrained_cfg(network.url.rpartition("/")[2])
    ours = network.preparation
    assert (ours.mean, ours.std, ours.interpolation) == (theirs.mean, theirs.std, theirs.interpolation)
    assert (ours.size, ours.shorter) == (theirs.input_size[1], int(theirs.input_size[1] / theirs.crop_pct))
    assert network.url.endswith("vit_base_patch16_224.augreg2_in21k_ft_in1k")


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    """AlexNet with weights at random, and its file under the published name."""
    whole = made(torchvision.models.alexnet)
    return whole, saved(whole, tmp_path_factory.mktemp("weights") / "alexnet-owt-7be5be79.pth")


def squeezed(x: np.ndarray, size: int) -> torch.Tensor:
    return IMAGENET(v2.functional.resize(torch.from_numpy(x), [size, size], antialias=True))


def assert_alike(found: np.ndarray, expected: torch.Tensor) -> None:
    values = expected.flatten(1).numpy()
    assert values.std() > 0
    np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-3 * np.abs(values).max())


@pytest.mark.parametrize(("name", "layers"), [("alexnet_features_4", 5), ("alexnet_features_11", 12)])
def test_layers_of_alexnet_are_read_out_of_its_file(name, layers, alexnet):
    whole, file = alexnet
    x = pictures(2, 80)
    with torch.inference_mode():
        expected = whole.features[:layers](squeezed(x, 256))
    found = encoded(FEATURES[name], file, x)
    assert found.shape == (2, FEATURES[name].dim)
    assert_alike(found, expected)


@pytest.mark.parametrize("name", ["alexnet_pool2", "alexnet_pool5", "alexnet_fc6"])
def test_the_layers_that_brain2pix_scores_by_are_pools_two_and_five_and_the_first_fully_connected(name, alexnet):
    whole, file = alexnet
    x = pictures(2, 80)
    small = squeezed(x, 224)
    with torch.inference_mode():
        pool5 = whole.features[:13](small)
        fc6 = whole.classifier[1](whole.avgpool(pool5).flatten(1))
        expected = {"alexnet_pool2": whole.features[:6](small), "alexnet_pool5": pool5, "alexnet_fc6": fc6}[name]
    found = encoded(FEATURES[name], file, x)
    assert found.shape == (2, FEATURES[name].dim)
    assert_alike(found, expected)


def test_resnet50_gives_what_goes_into_its_classifier(tmp_path):
    whole = made(torchvision.models.resnet50)
    file = saved(whole, tmp_path / "resnet50.pth")
    x = pictures(2, 90)
    prepare = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    whole.fc = torch.nn.Identity()
    with torch.inference_mode():
        assert_alike(encoded(FEATURES["resnet50"], file, x), whole(prepare(torch.from_numpy(x))))


def test_swav_is_a_resnet50_under_another_file(tmp_path):
    whole = made(torchvision.models.resnet50)
    state = {f"module.{name}": value for name, value in whole.state_dict().items() if not name.startswith("fc.")}
    beside = {"module.prototypes.weight": torch.ones(3, 2), "module.projection_head.0.weight": torch.ones(2, 2)}
    torch.save(state | beside, tmp_path / "swav_800ep_pretrain.pth.tar")
    found = encoded(FEATURES["swav_avgpool"], tmp_path / "swav_800ep_pretrain.pth.tar", pictures(1))
    assert found.shape == (1, 2048)


@pytest.mark.slow
def test_alexnet_gives_its_second_fully_connected_layer(alexnet):
    whole, file = alexnet
    x = pictures(2, 300)
    prepare = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    with torch.inference_mode():
        pooled = whole.avgpool(whole.features(prepare(torch.from_numpy(x)))).flatten(1)
        assert_alike(encoded(FEATURES["alexnet"], file, x), whole.classifier[:6](pooled))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "architecture", "last", "size"),
    [
        ("inception_v3_avgpool", "inception_v3", "fc", 342),
        ("efficientnet_b1_avgpool", "efficientnet_b1", "classifier", 255),
    ],
)
def test_last_pools_are_read_out_of_the_files_of_torchvision(name, architecture, last, size, tmp_path):
    settings = {"init_weights": False, "transform_input": True} if architecture == "inception_v3" else {}
    whole = made(getattr(torchvision.models, architecture), **settings)
    file, x = saved(whole, tmp_path / "weights.pth"), pictures(2, 120)
    setattr(whole, last, torch.nn.Identity())
    with torch.inference_mode():
        assert_alike(encoded(FEATURES[name], file, x), whole(squeezed(x, size)))


def test_inception_scales_its_input_as_its_published_weights_want_it():
    built = random_weights(FEATURES["inception_v3_avgpool"].network.build())
    plain = torchvision.models.inception_v3(init_weights=False, transform_input=False).eval()
    plain.load_state_dict(built.state_dict(), strict=False)
    assert "transform_input" not in plain.state_dict()
    x = torch.rand(1, 3, 75, 75)
    with torch.inference_mode():
        first = built(x)["features"]
        plain.transform_input = True
        plain.fc = torch.nn.Identity()
        scale = float(first.abs().max())
        assert torch.allclose(plain(x), first.flatten(1), atol=1e-4 * scale)
        plain.transform_input = False
        assert not torch.allclose(plain(x), first.flatten(1), atol=1e-2 * scale)


@pytest.mark.parametrize("architecture", TOWERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_clip_file_gives_its_image_embedding(architecture, dtype, tmp_path):
    with towers(tmp_path):
        whole = random_weights(open_clip.create_model(architecture)).to(dtype)
        row = tower_row("tiny", architecture, TOWERS[architecture]["embed_dim"], "somebody/tiny", "MIT", "nobody")
        file = saved(whole, tmp_path / "open_clip_model.safetensors")
        x = pictures(2, 100)
        prepare = v2.Compose(
            [
                v2.Resize(224, v2.InterpolationMode.BICUBIC, antialias=True),
                lambda y: y.clamp(0, 1),
                v2.Normalize(MEAN, STD),
            ]
        )
        with torch.inference_mode():
            expected = whole.float().encode_image(prepare(torch.from_numpy(x))).numpy()
        np.testing.assert_allclose(encoded(row, file, x), expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def test_openais_clip_has_another_gelu(tmp_path):
    with towers(tmp_path):
        quick, exact = image_tower("tiny-clip", quick_gelu=True), image_tower("tiny-clip")
    exact.load_state_dict(quick.state_dict())
    x = torch.randn(1, 3, 224, 224)
    assert not torch.allclose(quick(x), exact(x), atol=1e-5)
    assert FEATURES["clip_vit_l_14"].network.build.args == ("ViT-L-14", True)


def test_a_timm_file_gives_its_pooled_features(tmp_path):
    whole = random_weights(timm.create_model("test_vit", num_classes=7))
    size = whole.default_cfg["input_size"][1]
    row = timm_row("tiny", "test_vit", "r160_in1k", 64, Preparation(size, HALF, HALF, "bicubic"), "nobody", "MIT")
    file = saved(whole, tmp_path / "model.safetensors")
    x = pictures(2, size)
    with torch.inference_mode():
        expected = whole.forward_head(whole.forward_features(torch.from_numpy(x) * 2 - 1), pre_logits=True).numpy()
    np.testing.assert_allclose(encoded(row, file, x), expected, rtol=1e-3, atol=1e-4)


def test_the_file_of_another_network_is_named_and_refused(tmp_path):
    file = saved(headless("test_vit"), tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match=r"model.safetensors of 'alexnet_features_4' lack features.0.weight"):
        open_encoder(FEATURES["alexnet_features_4"], file)


def test_a_file_of_the_right_shape_is_not_taken_for_the_published_one(alexnet):
    _, file = alexnet
    opened = open_encoder(FEATURES["alexnet_features_4"], file)
    assert opened.published is False
    assert len(opened.weights) == 64
    assert open_encoder(FEATURES["gabor_pyramid"]).published is None


def test_values_that_are_not_finite_are_an_error(tmp_path):
    broken = headless("test_vit")
    with torch.no_grad():
        broken.norm.weight.fill_(float("nan"))
    size = broken.default_cfg["input_size"][1]
    row = timm_row("tiny", "test_vit", "none", 64, Preparation(size, HALF, HALF), "nobody", "MIT")
    with pytest.raises(StreamkitError, match="not finite"):
        encoded(row, saved(broken, tmp_path / "w.safetensors"), pictures(1))
    wide = replace(row, dim=65, network=replace(row.network, build=partial(headless, "test_vit")))
    with pytest.raises(StreamkitError, match=r"gave \(1, 64\) for 1 images"):
        encoded(wide, saved(headless("test_vit"), tmp_path / "v.safetensors"), pictures(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("eva02_e_14", 4350),
        ("eva02_e_14_plus", 4350),
        ("clip_vit_b_16", 86),
        ("clip_vit_l_14", 304),
        ("clip_vit_h_14", 632),
        ("vit_b_16", 86),
        ("resnet50", 23.5),
    ],
)
def test_published_sizes_without_memory_for_their_weights(name, millions):
    row = FEATURES[name]
    with torch.device("meta"):
        tower = row.network.build()
    size = row.network.preparation.size
    said = tower(torch.empty(2, 3, size, size, device="meta"))
    said = next(iter(said.values())) if isinstance(said, dict) else said
    assert said.flatten(1).shape == (2, row.dim)
    assert sum(p.numel() for p in tower.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_every_encoder_is_documented_with_its_size_and_publisher():
    text = (Path(__file__).parents[3] / "docs" / "features.md").read_text()
    for row in FEATURES.values():
        assert f"`{row.name}`" in text
        assert f"{row.dim:,}" in text
        assert row.network is None or row.network.url in text
